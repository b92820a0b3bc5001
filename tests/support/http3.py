"""A client of HTTP/3 that can also do what none should: aioquic's connection over a socket."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

import anyio
from aioquic.buffer import Buffer
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, encode_frame
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    StreamDataReceived,
    StreamReset,
)
from aioquic.tls import Epoch

Fields = Sequence[tuple[str, str]]


class ClientQuic(QuicConnection):
    """A connection whose windows can be left as they are.

    Attributes:
        gives_credit: whether the server may send more as its bytes come.
    """

    gives_credit = True

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        if self.gives_credit:
            super()._write_connection_limits(builder, space)

    def _write_stream_limits(self, builder: Any, space: Any, stream: Any) -> None:
        if self.gives_credit:
            super()._write_stream_limits(builder, space, stream)


class Http3Client(asyncio.DatagramProtocol):
    """One connection.

    Attributes:
        open: every one that has not been closed.
        bodies: of answers, as far as they have come; those in `whole` to their ends.
        events: all that has come, QUIC's events and HTTP/3's, in order.
        tickets: of sessions, which would allow early data.
        sent: every datagram that was sent.
        came: every datagram that came.
        deaf: whether what comes is thrown away.
    """

    open: ClassVar[set["Http3Client"]] = set()

    def __init__(self, quic: ClientQuic, server: tuple[str, int]) -> None:
        self.quic = quic
        self.server = server
        self.events: list[Any] = []
        self.tickets: list[Any] = []
        self.sent: list[bytes] = []
        self.bodies: dict[int, bytearray] = defaultdict(bytearray)
        self.whole: set[int] = set()
        self.control = b""
        self.deaf = False
        self.came: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def connect(
        cls,
        port: int,
        *,
        gives_credit: bool = True,
        host: str = "127.0.0.1",
        wait: bool = True,
        deaf: bool = False,
        **settings: Any,
    ) -> "Http3Client":
        """Shake hands; a `deaf` client hears no answer, so it is not to be waited for."""
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE
        )
        far = settings.pop("far", 0)
        for name, value in settings.items():
            setattr(configuration, name, value)
        quic = ClientQuic(configuration=configuration)
        client = cls(quic, (host, port))
        quic._session_ticket_handler = client.tickets.append
        quic.gives_credit = gives_credit
        client.deaf = deaf
        local = "::1" if ":" in host else "127.0.0.1"
        await client._loop.create_datagram_endpoint(lambda: client, local_addr=(local, 0))
        client.h3 = H3Connection(quic)
        quic.connect(client.server, client._loop.time())
        if far:  # of the first flight, to look like the end of a very long one
            _shift(quic, far)
        client.flush()
        if wait:
            await client.until(HandshakeCompleted)
        return client

    async def move(self) -> None:
        """Go on from another port, as behind a NAT that has forgotten."""
        before = self.transport
        await self._loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        before.abort()

    def ask(self, path: str, method: str = "GET", fields: Fields = (), *, end: bool = True) -> int:
        """Send a request's head; its stream."""
        head = [(":method", method), (":scheme", "https"), (":authority", "x"), (":path", path)]
        return self.ask_raw([*head, *fields], end=end)

    def ask_raw(self, fields: Fields, *, end: bool = True) -> int:
        """Send whatever fields as a head; its stream."""
        stream = self.quic.get_next_available_stream_id()
        self.h3.send_headers(stream, [(n.encode(), v.encode()) for n, v in fields], end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.h3.send_data(stream, data, end)
        self.flush()

    def raw(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes on a stream as they are."""
        self.quic.send_stream_data(stream, data, end)
        self.flush()

    def frame(self, stream: int, kind: int, data: bytes = b"", *, end: bool = False) -> None:
        self.raw(stream, encode_frame(kind, data), end=end)

    def opened(self, first: bytes = b"", *, unidirectional: bool = False) -> int:
        """A new stream, begun with bytes."""
        stream = self.quic.get_next_available_stream_id(unidirectional)
        self.raw(stream, first)
        return stream

    @property
    def streams_left(self) -> int:
        """How many more requests the server lets it begin."""
        return self.quic._remote_max_streams_bidi - self.quic._local_next_stream_id_bidi // 4

    @property
    def control_stream(self) -> int:
        stream = self.h3._local_control_stream_id
        assert stream is not None
        return stream

    def give_up(self, stream: int) -> None:
        """Cancel a request, both ways."""
        self.quic.reset_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.flush()

    async def until(self, kind: type, stream: int | None = None, seconds: float = 5) -> Any:
        """The first event of a kind, on a stream or of the connection."""
        with anyio.fail_after(seconds):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and stream in (None, _stream_of(event)):
                        return event
                await self.more()

    async def more(self) -> None:
        """Wait for something to happen, which it does not once the connection is closed."""
        assert self.closed is None, self.closed
        self._news.clear()
        await self._news.wait()

    async def head(self, stream: int, seconds: float = 5) -> dict[str, str]:
        """An answer's fields, its status among them."""
        event = await self.until(HeadersReceived, stream, seconds)
        return {name.decode(): value.decode() for name, value in event.headers}

    def heads(self, stream: int) -> list[Any]:
        """All sections of fields that have come of an answer."""
        found = (each for each in self.events if isinstance(each, HeadersReceived))
        return [each.headers for each in found if each.stream_id == stream]

    async def status(self, stream: int) -> int:
        return int((await self.head(stream))[":status"])

    async def body(self, stream: int, seconds: float = 5) -> bytes:
        """An answer's body, whole; fails if the stream is reset."""
        with anyio.fail_after(seconds):
            while not self.is_whole(stream):
                assert not self.closed, self.events[-1]
                await self.more()
        return bytes(self.bodies[stream])

    def is_whole(self, stream: int) -> bool:
        return stream in self.whole

    def was_reset(self, stream: int) -> bool:
        return any(isinstance(e, StreamReset) and e.stream_id == stream for e in self.events)

    def answered(self, stream: int) -> bool:
        return any(isinstance(e, HeadersReceived) and e.stream_id == stream for e in self.events)

    @property
    def said_goodbye(self) -> bool:
        """Whether the server has told the client to go elsewhere."""
        return bool(_goaways(self.control))

    @property
    def reset_tokens(self) -> list[bytes]:
        """What a stateless reset of this connection may end with."""
        names = [self.quic._peer_cid, *self.quic._peer_cid_available]
        return [name.stateless_reset_token for name in names]

    @property
    def certificate(self) -> Any:
        """What the server has shown."""
        return self.quic.tls._peer_certificate

    @property
    def closed(self) -> ConnectionTerminated | None:
        """How the connection was closed, if it was."""
        return self.quic._close_event

    async def until_closed(self, seconds: float = 5) -> ConnectionTerminated:
        with anyio.fail_after(seconds):
            while self.closed is None:
                await self.more()
        return self.closed

    async def goaways(self, many: int = 1) -> list[int]:
        """The streams that the server's GOAWAYs name, once so many have come."""
        with anyio.fail_after(5):
            while len(found := _goaways(self.control)) < many:
                await self.more()
        return found

    def flush(self) -> None:
        now = self._loop.time()
        for data, address in self.quic.datagrams_to_send(now):
            self.sent.append(data)
            self.transport.sendto(data, address)
        if self._timer is not None:
            self._timer.cancel()
        at = self.quic.get_timer()
        self._timer = None if at is None else self._loop.call_at(at, self._on_timer)

    def close(self) -> None:
        """Say goodbye, and leave."""
        self.quic.close(ErrorCode.H3_NO_ERROR)
        self.flush()
        self.vanish()

    def vanish(self) -> None:
        """Leave without a word."""
        if self._timer is not None:
            self._timer.cancel()
        self.transport.abort()
        self.deaf = True
        self.open.discard(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.open.add(self)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append(data)
        if self.deaf:
            return
        self.quic.receive_datagram(data, self.server, self._loop.time())
        self._take()

    def _on_timer(self) -> None:
        self._timer = None
        self.quic.handle_timer(self._loop.time())
        self._take()

    def _take(self) -> None:
        while (event := self.quic.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, StreamDataReceived) and event.stream_id == 3:
                self.control += event.data
            for each in self.h3.handle_event(event):
                self.events.append(each)
                if isinstance(each, DataReceived):
                    self.bodies[each.stream_id] += each.data
                if isinstance(each, HeadersReceived | DataReceived) and each.stream_ended:
                    self.whole.add(each.stream_id)
        self.flush()
        self._news.set()


def _stream_of(event: Any) -> int | None:
    return getattr(event, "stream_id", None)


def _goaways(control: bytes) -> list[int]:
    buffer = Buffer(data=control)
    found = []
    if not buffer.eof():
        buffer.pull_uint_var()  # the kind of stream
    while not buffer.eof():
        kind, size = buffer.pull_uint_var(), buffer.pull_uint_var()
        frame = Buffer(data=buffer.pull_bytes(size))
        if kind == FrameType.GOAWAY:
            found.append(frame.pull_uint_var())
    return found


def _shift(quic: QuicConnection, far: int) -> None:
    """Have the client's hello begin so many bytes later than it does."""
    sender = quic._crypto_streams[Epoch.INITIAL].sender
    hello = bytes(sender._buffer)
    sender._pending.subtract(0, len(hello))
    sender.write(bytes(far))
    sender.write(hello)
    sender._pending.subtract(0, len(hello) + far)
