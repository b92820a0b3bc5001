"""An HTTP/1.x client of bytes: sends what it is told, and says exactly how an answer ended.

Library clients hide what matters here: whether an answer was whole, and how it was framed.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Fields = Sequence[tuple[str, str]]
How = Literal["none", "length", "chunked", "close"]

PATIENCE = 15.0
"""Seconds for which an answer, or the end of a connection, is waited for."""


@dataclass
class Answer:
    """An answer as it came.

    Attributes:
        how: what ended the body.
        whole: whether that end came; a reset or a close before it leaves the answer cut.
        interim: statuses of interim answers before it.
        reset: for HTTP/2, the error code of RST_STREAM, if one came.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)
    how: How = "none"
    whole: bool = False
    interim: list[int] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    reset: int | None = None

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str:
        """The value of a field that is there exactly once."""
        [value] = self.all(name)
        return value

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


class Http1Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> "Http1Client":
        """Open a connection."""
        return cls(*await asyncio.open_connection(host, port, ssl=tls))

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def ask(
        self,
        target: str = "/",
        method: str = "GET",
        fields: Fields = (),
        body: bytes | None = None,
        *,
        host: str = "shop.fn.localhost",
        version: str = "1.1",
    ) -> Answer:
        """Send a request and read its answer whole."""
        await self.send(request(target, method, fields, body, host=host, version=version))
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> Answer:
        """Read one answer to its end, whatever that is."""
        async with asyncio.timeout(PATIENCE):
            answer = await self.head()
            await self.body(answer, method)
        return answer

    async def head(self) -> Answer:
        """Read one answer's head, interim ones before it included."""
        interim: list[int] = []
        while True:
            raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *lines = raw[:-4].split("\r\n")
            assert line.startswith("HTTP/1.1 "), line
            status = int(line.split(" ")[1])
            if status >= 200 or status == 101:
                pairs = [entry.split(": ", 1) for entry in lines]
                return Answer(status, [(name, value) for name, value in pairs], interim=interim)
            interim.append(status)

    async def body(self, answer: Answer, method: str = "GET") -> None:
        """Read the body that belongs to a head."""
        try:
            if method == "HEAD" or answer.status in (204, 304):
                answer.whole = True
            elif answer.all("transfer-encoding"):
                assert not answer.all("content-length")
                answer.how = "chunked"
                await self._chunked(answer)
            elif answer.all("content-length"):
                answer.how = "length"
                await self._exactly(int(answer.one("content-length")), answer)
            else:
                answer.how = "close"
                await self._to_end(answer)
        except (asyncio.IncompleteReadError, OSError):
            return

    async def chunk(self) -> bytes:
        """Read one chunk; empty at the last one."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2] if size else b""

    async def _chunked(self, answer: Answer) -> None:
        while piece := await self.chunk():
            answer.body += piece
        while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            answer.trailers.append((name, value.strip()))
        answer.whole = True

    async def _exactly(self, size: int, answer: Answer) -> None:
        while len(answer.body) < size:
            data = await self.reader.read(size - len(answer.body))
            if not data:
                return
            answer.body += data
        answer.whole = True

    async def _to_end(self, answer: Answer) -> None:
        while data := await self.reader.read(65536):
            answer.body += data
        answer.whole = True

    async def ending(self) -> Literal["closed", "reset"]:
        """Wait for the end of the connection; nothing more may come before it."""
        try:
            async with asyncio.timeout(PATIENCE):
                rest = await self.reader.read()
        except OSError:
            return "reset"
        assert rest == b"", rest
        return "closed"

    def reset(self) -> None:
        """Leave with a TCP reset."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def aclose(self) -> None:
        """Leave; what could not be sent yet is given up."""
        if self.writer.transport.get_write_buffer_size():
            self.writer.transport.abort()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def request(
    target: str = "/",
    method: str = "GET",
    fields: Fields = (),
    body: bytes | None = None,
    *,
    host: str = "shop.fn.localhost",
    version: str = "1.1",
) -> bytes:
    """A request as bytes; a body gets its length unless the fields say how it is framed."""
    lines = [f"{method} {target} HTTP/{version}"]
    lines += [f"host: {host}"] if host else []
    lines += [f"{name}: {value}" for name, value in fields]
    framed = any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields)
    if body is not None and not framed:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
