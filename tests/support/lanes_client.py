"""A client that feeds bytes as it is told and reads answers strictly, as they come."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import cycle

from tests.support.lanes_case import After, Feed, How

PATIENCE = 5.0
"""Seconds for which an answer, or the end of a connection, is waited for."""

LIMIT = 1 << 20
_SIZES = {"bytes": (1,), "odd": (1, 2, 3, 5, 8, 13, 1, 21, 34)}


class RawAnswer:
    """An answer as it came; see `lanes_case.Answered`."""

    def __init__(self, status: int, reason: str, fields: list[tuple[str, str]]) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = b""
        self.how: How = "none"
        self.whole = False
        self.interim: list[int] = []

    def values(self, name: str) -> list[str]:
        """Every value of one field."""
        return [value for key, value in self.fields if key == name]


def split(data: bytes, feed: Feed) -> Iterator[bytes]:
    """Bytes in the pieces in which they are sent."""
    if feed == "whole":
        yield data
    elif feed == "lines":  # between CR and LF, the worst place
        *lines, last = data.split(b"\r")
        yield from (line + b"\r" for line in lines)
        yield last
    else:
        sizes = _SIZES[feed] if isinstance(feed, str) else feed
        at = 0
        for size in cycle(sizes):
            yield data[at : at + size]
            at += size
            if at >= len(data):
                return


class LaneClient:
    """One connection.

    Args:
        on_head: called at each head of a final answer.
        on_event: called at each interim answer and at each end of an answer.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_head: Callable[[], None],
        on_event: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_head = on_head
        self._on_event = on_event

    @classmethod
    async def connect(
        cls, port: int, on_head: Callable[[], None], on_event: Callable[[], None]
    ) -> "LaneClient":
        """Open a connection."""
        streams = await asyncio.open_connection("127.0.0.1", port, limit=LIMIT)
        return cls(*streams, on_head, on_event)

    async def send(self, data: bytes, feed: Feed = "whole") -> None:
        """Send bytes, piece by piece."""
        for piece in split(data, feed):
            self._writer.write(piece)
            await self._writer.drain()
            if feed != "whole":
                await asyncio.sleep(0)

    def end(self) -> None:
        """End this side."""
        self._writer.write_eof()

    async def answer(self, *, head: bool = False) -> RawAnswer | None:
        """The next answer to its end, whatever that is; None where there is none."""
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._head()
        except (asyncio.IncompleteReadError, OSError):
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._body(answer, head)
            answer.whole = True
        except (asyncio.IncompleteReadError, OSError):
            pass
        self._on_event()
        return answer

    async def _head(self) -> RawAnswer:
        interim: list[int] = []
        while True:
            answer = _parse(await self._reader.readuntil(b"\r\n\r\n"))
            if answer.status >= 200 or answer.status == 101:
                answer.interim = interim
                self._on_head()
                return answer
            interim.append(answer.status)
            self._on_event()

    async def _body(self, answer: RawAnswer, head: bool) -> None:
        if head or answer.status in (101, 204, 304):
            return
        if answer.values("transfer-encoding"):
            assert answer.values("transfer-encoding") == ["chunked"], answer.fields
            assert not answer.values("content-length"), answer.fields
            answer.how = "chunked"
            await self._chunked(answer)
        elif answer.values("content-length"):
            answer.how = "length"
            [length] = answer.values("content-length")
            await self._exactly(int(length), answer)
        else:
            answer.how = "close"
            while data := await self._reader.read(65536):
                answer.body += data

    async def _chunked(self, answer: RawAnswer) -> None:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            await self._exactly(size, answer)
            assert await self._reader.readexactly(2) == b"\r\n"
        assert await self._reader.readexactly(2) == b"\r\n", "trailers are not carried"

    async def _exactly(self, size: int, answer: RawAnswer) -> None:
        while size:
            data = await self._reader.read(min(size, 65536))
            if not data:
                raise asyncio.IncompleteReadError(answer.body, size)
            answer.body += data
            size -= len(data)

    async def ending(self) -> After:
        """How the connection ends; nothing more may come before it."""
        try:
            async with asyncio.timeout(PATIENCE):
                rest = await self._reader.read()
        except TimeoutError:
            return "silent"
        except OSError:
            return "reset"
        assert rest == b"", f"more than was expected came: {rest!r}"
        return "closed"

    async def probe(self) -> After:
        """Whether the connection takes another request."""
        try:
            await self.send(b"GET /__edge/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            answer = await self.answer()
        except OSError:
            return "reset"
        if answer is None:
            return "closed"
        assert (answer.status, answer.body) == (200, b'{"status":"ok"}'), answer.body
        return "open"

    async def aclose(self) -> None:
        """Leave."""
        self._writer.transport.abort()


def _parse(raw: bytes) -> RawAnswer:
    line, *lines = raw[:-4].decode("latin-1").split("\r\n")
    version, status, reason = line.split(" ", 2)
    assert version == "HTTP/1.1", line
    pairs = [entry.partition(":") for entry in lines]
    assert all(colon and name == name.strip() for name, colon, _ in pairs), raw
    fields = [(name.lower(), value.strip(" \t")) for name, _, value in pairs]
    return RawAnswer(int(status), reason, fields)
