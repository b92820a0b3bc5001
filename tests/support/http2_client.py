"""An HTTP/2 client on h2 that says exactly how each answer ended."""

import asyncio
import contextlib
import ssl

import h2.config
import h2.connection
import h2.events
import h2.settings

from tests.support.http1_client import PATIENCE, Answer, Fields

GOAWAY = 7
"""The type of the frame (RFC 9113 §6.8)."""


class Http2Client:
    """One connection; requests may overlap.

    Attributes:
        answers: by stream, as far as they have come; `over` are those that have ended.
        gone: whether the connection has ended; `going_away`, whether the server said it would.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        settings = h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False
        )
        self.protocol = h2.connection.H2Connection(settings)
        self.answers: dict[int, Answer] = {}
        self.over: set[int] = set()
        self.gone = False
        self.going_away = False
        self.news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> "Http2Client":
        """Open a connection with prior knowledge, or by ALPN if there is a TLS context."""
        client = cls(*await asyncio.open_connection(host, port, ssl=tls))
        client.protocol.initiate_connection()
        await client.flush()
        client._task = asyncio.create_task(client._read())
        return client

    async def begin(
        self,
        target: str = "/",
        method: str = "GET",
        fields: Fields = (),
        *,
        host: str = "shop.fn.localhost",
        end: bool = True,
        scheme: str = "http",
    ) -> int:
        """Send a request's head; returns its stream."""
        stream = self.protocol.get_next_available_stream_id()
        pseudo = [
            (":method", method),
            (":path", target),
            (":scheme", scheme),
            (":authority", host),
        ]
        self.protocol.send_headers(stream, [*pseudo, *fields], end_stream=end)
        await self.flush()
        return stream

    async def send(self, stream: int, data: bytes = b"", *, end: bool = False) -> None:
        """Send a piece of a body as the windows allow."""
        left = memoryview(data)
        while left:
            async with asyncio.timeout(PATIENCE), self.news:
                await self.news.wait_for(lambda: self._room(stream))
            room = self._room(stream)
            self.protocol.send_data(stream, bytes(left[:room]))
            left = left[room:]
            await self.flush()
        if end:
            self.protocol.end_stream(stream)
            await self.flush()

    def _room(self, stream: int) -> int:
        window = self.protocol.local_flow_control_window(stream)
        return min(window, self.protocol.max_outbound_frame_size)

    async def ask(
        self,
        target: str = "/",
        method: str = "GET",
        fields: Fields = (),
        body: bytes | None = None,
        *,
        host: str = "shop.fn.localhost",
    ) -> Answer:
        """Send a request and read its answer whole."""
        stream = await self.begin(target, method, fields, host=host, end=body is None)
        if body is not None:
            await self.send(stream, body, end=True)
        return await self.answer(stream)

    async def answer(self, stream: int) -> Answer:
        """Wait for the end of an answer, whatever it is."""
        async with asyncio.timeout(PATIENCE), self.news:
            await self.news.wait_for(lambda: stream in self.over or self.gone)
        return self.answers[stream]

    async def until(self, stream: int, size: int = 0) -> Answer:
        """Wait for an answer's head and so many bytes of its body."""

        def come() -> bool:
            answer = self.answers.get(stream)
            return answer is not None and len(answer.body) >= size

        async with asyncio.timeout(PATIENCE), self.news:
            await self.news.wait_for(lambda: come() or stream in self.over or self.gone)
        return self.answers[stream]

    async def leave(self, stream: int) -> None:
        """Cancel a request."""
        self.protocol.reset_stream(stream, 8)
        await self.flush()

    async def flush(self) -> None:
        """Send what the protocol has to say, unless the connection is over."""
        if self.writer.is_closing():
            return  # a write would be dropped by asyncio, and be an error on uvloop
        self.writer.write(self.protocol.data_to_send())
        with contextlib.suppress(OSError):
            await self.writer.drain()

    async def aclose(self) -> None:
        """Leave; what could not be sent yet is given up."""
        if self.writer.transport.get_write_buffer_size():
            self.writer.transport.abort()
        if self._task is not None:
            self._task.cancel()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                await self._take_frame()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.gone = True
            async with self.news:
                self.news.notify_all()

    async def _take_frame(self) -> None:
        head = await self.reader.readexactly(9)
        frame = head + await self.reader.readexactly(int.from_bytes(head[:3]))
        if head[3] == GOAWAY:
            # h2 takes nothing more once it has read one, though streams may still be answered.
            self.going_away = True
            return
        for event in self.protocol.receive_data(frame):
            self._take(event)
        await self.flush()
        async with self.news:
            self.news.notify_all()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                pairs = [(str(name), str(value)) for name, value in event.headers]
                answer = Answer(int(dict(pairs)[":status"]), pairs[1:])
                self.answers[event.stream_id] = answer
            case h2.events.DataReceived():
                self.answers[event.stream_id].body += event.data
                self.protocol.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
            case h2.events.TrailersReceived():
                pairs = [(str(name), str(value)) for name, value in event.headers]
                self.answers[event.stream_id].trailers = pairs
            case h2.events.StreamEnded():
                self.answers[event.stream_id].whole = True
                self.over.add(event.stream_id)
            case h2.events.StreamReset():
                answer = self.answers.setdefault(event.stream_id, Answer(0, []))
                answer.reset = int(event.error_code)
                self.over.add(event.stream_id)
