"""A raw HTTP/2 client with prior knowledge, which keeps every event for the test to look at."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import h2.config
import h2.connection
import h2.events

E = TypeVar("E", bound=h2.events.Event)


@dataclass
class Http2Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: h2.connection.H2Connection
    events: list[Any] = field(default_factory=list)
    acknowledges: bool = True

    @classmethod
    async def connect(cls, port: int) -> "Http2Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        connection.initiate_connection()
        client = cls(reader, writer, connection)
        client.flush()
        return client

    def ask(self, path: str, method: str = "GET", *, end: bool = True) -> int:
        """Send a request head; its stream."""
        stream = self.connection.get_next_available_stream_id()
        head = {":method": method, ":scheme": "http", ":authority": "x", ":path": path}
        self.connection.send_headers(stream, list(head.items()), end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.connection.send_data(stream, data, end_stream=end)
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.connection.data_to_send())

    async def until(self, kind: type[E], stream: int = 0) -> E:
        """The first event of a kind, of this stream or of any; fails after 5 s."""
        with anyio.fail_after(5):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and stream in {0, getattr(event, "stream_id", 0)}:
                        return event
                await self._read()

    async def body(self, stream: int) -> bytes:
        """The whole body of an answer."""
        await self.until(h2.events.StreamEnded, stream)
        return b"".join(
            event.data
            for event in self.events
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream
        )

    def close(self) -> None:
        self.writer.close()

    async def _read(self) -> None:
        data = await self.reader.read(65536)
        assert data, "the connection ended"
        for event in self.connection.receive_data(data):
            self.events.append(event)
            if isinstance(event, h2.events.DataReceived) and self.acknowledges:
                size = event.flow_controlled_length
                self.connection.acknowledge_received_data(size, event.stream_id)
        self.flush()
