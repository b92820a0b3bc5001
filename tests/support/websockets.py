"""Both ends of a WebSocket on wsproto's framing: a client of the edge, and an origin behind it."""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Ping, Pong
from wsproto.extensions import Extension

from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import PATIENCE, Answer, Fields, Http1Client, request
from tests.support.origin import Behaviour, Visit


class Socket:
    """One end; frames go out as told, and come in as events, fragments apart.

    Attributes:
        answer: for a client, the answer to its handshake.
        pongs: payloads of the pongs that came amid messages.
        received: bytes that have come.
    """

    def __init__(
        self,
        kind: ConnectionType,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Answer | None = None,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self.protocol = Connection(kind, [*extensions])
        self.reader = reader
        self.writer = writer
        self.answer = answer
        self.pongs: list[bytes] = []
        self.received = 0
        self._events: list[Event] = []

    async def send(self, event: Event) -> None:
        """Send one frame."""
        await self.send_raw(self.protocol.send(event))

    async def send_raw(self, data: bytes) -> None:
        """Send bytes that may be no frame."""
        self.writer.write(data)
        await self.writer.drain()

    async def next(self) -> Event | None:
        """The next frame; None once the connection is over."""
        async with asyncio.timeout(PATIENCE):
            while not self._events:
                try:
                    data = await self.reader.read(65536)
                except OSError:
                    data = b""
                if not data:
                    return None
                self.received += len(data)
                self.protocol.receive_data(data)
                self._events = list(self.protocol.events())
        return self._events.pop(0)

    async def message(self) -> str | bytes:
        """The next message, put together; pings amid it are answered."""
        parts: list[str | bytes] = []
        while True:
            event = await self.next()
            if isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
                continue
            if isinstance(event, Ping):
                await self.send(event.response())
                continue
            data = getattr(event, "data", None)
            assert data is not None, event
            parts.append(data if isinstance(data, str) else bytes(data))
            if event.message_finished:  # type: ignore[union-attr]
                return "".join(parts) if isinstance(data, str) else b"".join(parts)  # type: ignore[arg-type]


def opening(target: str = "/", fields: Fields = (), **more: str) -> bytes:
    """An opening handshake (RFC 6455 §4.1)."""
    key = base64.b64encode(os.urandom(16)).decode()
    ours = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key),
    ]
    return request(target, "GET", [*ours, *fields], **more)  # type: ignore[arg-type]


async def handshake(client: Http1Client, target: str = "/", fields: Fields = ()) -> Answer:
    """Ask for a WebSocket; the answer, with its body unless it is 101."""
    await client.send(opening(target, fields))
    answer = await client.head()
    if answer.status != 101:
        await client.body(answer)
    return answer


@asynccontextmanager
async def connected(
    edge: EdgeInProcess, fields: Fields = (), target: str = "/"
) -> AsyncIterator[Socket]:
    """A client whose handshake was accepted."""
    async with edge.http1() as client:
        answer = await handshake(client, target, fields)
        assert answer.status == 101, answer
        yield Socket(ConnectionType.CLIENT, client.reader, client.writer, answer)


def accept(key: bytes) -> bytes:
    """The proof in a 101 (RFC 6455 §4.2.2)."""
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key + guid).digest())


def speaks(talk: Callable[[Socket], Awaitable[None]], extra: bytes = b"") -> Behaviour:
    """An origin that accepts every handshake, with `extra` fields, and then talks."""

    async def behave(visit: Visit) -> None:
        seen = await visit.head()
        [key] = seen.values(b"sec-websocket-key")
        await visit.send(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-accept: %b\r\n%b\r\n" % (accept(key), extra)
        )
        await talk(Socket(ConnectionType.SERVER, visit.reader, visit.writer))
        await visit.gone()

    return behave


async def echo(socket: Socket) -> None:
    """Sends every message back, fragments as they are; answers pings and a close."""
    while (event := await socket.next()) is not None:
        match event:
            case Message():
                await socket.send(event)
            case Ping():
                await socket.send(event.response())
            case CloseConnection():
                await socket.send(event.response())
                return
