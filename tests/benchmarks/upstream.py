"""The function behind every contender where nginx does not serve: small answers, big ones, events.

Run as `python -m tests.benchmarks.upstream PORT`; it has as little to say about HTTP as the load
needs, on one `asyncio.Protocol`. `GET /down/<bytes>` answers so many bytes, `GET /events` an event
every 10 ms that says when it was sent; anything else the small JSON object, once its body has come.
"""

import asyncio
import re
import sys
import time

ANSWER = b'{"ok":true,"customer":{"id":481516,"name":"Ada Lovelace","city":"Guayaquil"}' + (
    b',"orders":[{"id":"ord_1","total":"18.50"},{"id":"ord_2","total":"7.25"}],"page":1'
    b',"next":"/v1/orders?page=2","a":"x"}'
)
"""192 bytes."""

EVENT_SECONDS = 0.01
PIECE = bytes(64 * 1024)

_HEAD = re.compile(rb"(\w+) (\S+) HTTP/1\.[01]\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_DOWN = re.compile(rb"/down/(\d+)")
_LAST_CHUNK = b"\r\n0\r\n\r\n"


def small() -> bytes:
    """The whole small answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(ANSWER) + ANSWER


class Function(asyncio.Protocol):
    """One connection: reads a request to its end, then answers it."""

    def __init__(self) -> None:
        self._unread = b""
        self._target = b""
        self._left = 0
        self._chunked = False
        self._answering: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop answering."""
        self._writable.set()
        if self._answering is not None:
            self._answering.cancel()

    def pause_writing(self) -> None:
        """Wait with the next piece."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take what has come of heads and bodies."""
        if self._left and not self._chunked:
            taken = min(self._left, len(data))
            self._left -= taken
            data = data[taken:]
            if self._left == 0:
                self._answer()
        elif self._chunked:
            self._take_chunks(data)
            return
        self._unread += data
        while self._unread and self._take_head():
            pass

    def _take_chunks(self, data: bytes) -> None:
        self._unread = (self._unread + data)[-len(_LAST_CHUNK) :]
        if self._unread == _LAST_CHUNK:
            self._unread, self._chunked = b"", False
            self._answer()

    def _take_head(self) -> bool:
        match = _HEAD.match(self._unread)
        if match is None:
            return False
        self._target = match[2]
        rest, fields = self._unread[match.end() :], b"\r\n" + match[3]
        self._unread = b""
        if _CHUNKED.search(fields):
            self._chunked = True
            self._take_chunks(rest)
            return False
        length = _LENGTH.search(fields)
        size = int(length[1]) if length else 0
        self._left = max(0, size - len(rest))
        self._unread = rest[size:]
        if self._left:
            return False
        self._answer()
        return bool(self._unread)

    def _answer(self) -> None:
        down = _DOWN.match(self._target)
        if down is None and self._target != b"/events":
            self._transport.write(small())
            return
        work = self._events() if down is None else self._bytes(int(down[1]))
        self._answering = asyncio.get_running_loop().create_task(work)

    async def _bytes(self, size: int) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d"
        self._transport.write(head % size + b"\r\n\r\n")
        while size > 0:
            await self._writable.wait()
            self._transport.write(PIECE[:size])
            size -= len(PIECE)

    async def _events(self) -> None:
        fields = b"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: close"
        self._transport.write(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n")
        while not self._transport.is_closing():
            self._transport.write(b"data: %d\n\n" % time.monotonic_ns())
            await asyncio.sleep(EVENT_SECONDS)


async def main(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Function, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
