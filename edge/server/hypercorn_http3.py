"""One HTTP/3 connection: requests on Hypercorn's streams, over QUIC of our own bounds.

Hypercorn's own HTTP/3 knows no limits, no back pressure and no draining, so none of it is used but
its streams. Pinned by a contract test. Not here: datagrams and which connection they are of
(`quic_endpoint`), how answers are paced (`http3_sending`).
"""

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from aioquic.h3.connection import ErrorCode, ProtocolError
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.protocol.events import (
    Body,
    EndBody,
    Event,
    InformationalResponse,
    Request,
    Response,
    StreamClosed,
    Trailers,
)
from hypercorn.typing import ConnectionState
from hypercorn.utils import filter_pseudo_headers

from edge.events import CutOff
from edge.server.calm import Calm, Halves
from edge.server.exchange import Exchange
from edge.server.http3_framing import LAST_OF_ALL, Framing, Refused
from edge.server.http3_sending import Answers
from edge.server.hypercorn_connection import Service
from edge.server.hypercorn_sending import answer_fields
from edge.server.hypercorn_streams import Stream
from edge.server.quic_connection import Address, Quic
from edge.server.quic_pump import Outlet, Pump

LOG = logging.getLogger("edge.server")

MOST_APPS = 256
"""Apps at work for one connection; that of a stream which was reset counts until it has ended."""

FLUSH_SECONDS = 1.0
"""How long what was written may still go out on a stream that is broken off."""

GOODBYE_SECONDS = 1.0
"""How long requests may still come after it was said that another edge takes them."""


class Host(Outlet, Protocol):
    """What a connection asks of the endpoint whose datagrams it gets."""

    def named(self, connection: "Http3", name: bytes) -> None:
        """Datagrams for this connection id are the connection's from now on."""

    def unnamed(self, name: bytes) -> None:
        """They no longer are."""

    def forget(self, connection: "Http3") -> None:
        """The connection is over."""


class Http3:
    """One client connection, as a worker and its endpoint see it."""

    def __init__(self, shared: Service, quic: Quic, host: Host, server: tuple[str, int]) -> None:
        """`server` is the address that the client came to."""
        self._loop = asyncio.get_running_loop()
        self._shared = shared
        self._quic = quic
        self._host = host
        self._server = server
        self._framing: Framing | None = None
        self._answers: Answers
        self._group: TaskGroup
        self._streams: dict[int, Stream] = {}
        self._apps: set[asyncio.Task[None]] = set()
        self._calm = Calm(self._loop.time())
        self._halves = Halves()
        self._pump = Pump(quic, host, self._flushed)
        self._next_stream = 0
        self._asked = False
        self._since = self._pinged = self._loop.time()
        self._headless: dict[int, float] = {}
        self._refuses = False
        self._leaves = False
        self._retired = False

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return bool(self._streams)

    @property
    def proven(self) -> bool:
        """Whether the client's handshake is over, which proves its address."""
        return self._framing is not None

    # For the endpoint.

    def receive(self, data: bytes, address: Address) -> None:
        """Take a datagram."""
        self._pump.receive(data, address)

    async def run(self) -> None:
        """Serve the connection to its end; raises nothing."""
        try:
            async with TaskGroup(self._loop) as group:
                self._group = group
                try:
                    await self._serve()
                finally:
                    await self._end_all()
        except Exception:
            LOG.exception("a client connection failed")
            self._pump.close(ErrorCode.H3_INTERNAL_ERROR)
        finally:
            self._pump.stop()
            self._host.forget(self)

    async def _serve(self) -> None:
        while not self._quic.ends:
            await self._pump.news.wait()
            self._pump.news.clear()
            while (event := self._quic.next_event()) is not None:
                await self._on_event(event)
            self._pump.flush()
        self._pump.flush()  # its very first packet may have closed it

    async def _end_all(self) -> None:
        for stream_id in list(self._streams):
            await self._close_stream(stream_id)

    # For the worker.

    def begin_drain(self, *, succeeded: bool) -> None:
        """Close if idle, else announce the end; a successor's peer is let finish what it began."""
        if succeeded:
            self._retired, self._since = True, self._loop.time()
            self._say_goodbye(LAST_OF_ALL)
        elif self.busy:
            self._refuses = self._leaves = True
            self._say_goodbye(self._next_stream)
        else:
            self._leave()

    def close_unless_busy(self) -> None:
        """Close what waits for a request."""
        if not self.busy:
            self._leave()

    def abort(self) -> None:
        """End the connection now, whatever it is doing."""
        self._pump.close(ErrorCode.H3_INTERNAL_ERROR if self.busy else ErrorCode.H3_NO_ERROR)

    def sweep(self, now: float) -> None:
        """Look at the clock: called several times a second at most, loop time in seconds."""
        limits = self._shared.config
        if self._framing is None:
            if now - self._since > limits.head_timeout:
                self._pump.close(ErrorCode.H3_NO_ERROR)
            return
        for stream_id in self._answers.unread(now, limits.slow_reader):
            self._shared.observe(CutOff("slow_reader"))
            self._group.spawn(self._cut, stream_id, ErrorCode.H3_INTERNAL_ERROR)
        self._expire_heads(now, limits.head_timeout)
        if self.busy:
            self._keep_alive(now)
        elif now - self._since > self._patience():
            self._leave()

    def _patience(self) -> float:
        """Seconds that the connection may be without a request."""
        if self._leaves:
            return 0.0
        if self._retired:
            return GOODBYE_SECONDS
        limits = self._shared.config
        return limits.keep_alive if self._asked else limits.head_timeout

    def _keep_alive(self, now: float) -> None:
        """Both sides would give up a connection on which an answer takes its time."""
        if now - self._pinged > self._quic.idle_timeout / 3:
            self._pinged = now
            self._quic.send_ping(0)
            self._pump.write_soon()

    def _expire_heads(self, now: float, patience: float) -> None:
        assert self._framing is not None  # noqa: S101 — narrows the type
        known = self._headless
        self._headless = {each: known.get(each, now) for each in self._framing.headless()}
        for stream_id, since in self._headless.items():
            if now - since > patience:
                self._framing.refuse(stream_id, ErrorCode.H3_REQUEST_INCOMPLETE)
                self._pump.write_soon()

    # The end of the connection.

    def _say_goodbye(self, first_refused: int) -> None:
        if self._framing is not None and not self._quic.ends:
            with suppress(RuntimeError, ValueError):  # the client has just stopped that stream
                self._framing.go_away(first_refused)
            self._pump.write_soon()

    def _leave(self) -> None:
        """No request is there: say that none will be answered, and close."""
        self._refuses = True
        self._say_goodbye(self._next_stream)
        self._pump.close(ErrorCode.H3_NO_ERROR)

    # What comes in.

    async def _on_event(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self._begin(event)
        elif isinstance(event, ConnectionIdIssued):
            self._host.named(self, event.connection_id)
        elif isinstance(event, ConnectionIdRetired):
            self._host.unnamed(event.connection_id)
            self._spend()
        elif self._framing is not None and not self._quic.ends:
            await self._on_stream_event(self._framing, event)

    def _begin(self, event: HandshakeCompleted) -> None:
        config = self._shared.config
        if event.alpn_protocol != "h3":
            self._pump.close(ErrorCode.H3_GENERAL_PROTOCOL_ERROR)
            return
        self._framing = Framing(self._quic, config.header_block, config.header_fields, self._spend)
        self._answers = Answers(self._quic, self._framing, self._pump.write_soon)
        self._since = self._loop.time()

    def _spend(self) -> bool:
        """Count what asks for nothing; false if the client has done too much of that."""
        if self._calm.spend(self._loop.time()):
            return True
        if not self._quic.ends:
            self._shared.observe(CutOff("flood"))
            self._quic.close(ErrorCode.H3_EXCESSIVE_LOAD)
        return False

    async def _on_stream_event(self, framing: Framing, event: QuicEvent) -> None:
        if isinstance(event, StreamReset | StopSendingReceived):
            self._read(framing, event)
            if not self._halves.is_second(event.stream_id):
                self._spend()
            await self._on_left(event.stream_id)
        elif isinstance(event, StreamDataReceived):
            before, kept = framing.buffered(event.stream_id), 0
            for each in self._read(framing, event):
                kept += await self._on_http(each)
            kept += framing.buffered(event.stream_id) - before
            self._quic.take(event.stream_id, len(event.data) - kept)

    def _read(self, framing: Framing, event: QuicEvent) -> list[H3Event]:
        """What an event means; one that meets a stream which was stopped ends the connection."""
        try:
            return framing.handle_event(event)
        except (RuntimeError, ValueError):
            self._quic.close(ErrorCode.H3_CLOSED_CRITICAL_STREAM)
            return []

    async def _on_left(self, stream_id: int) -> None:
        """The client has given a request up."""
        assert self._framing is not None  # noqa: S101 — narrows the type
        self._quic.let_go(stream_id)
        if stream_id in self._streams:
            self._quic.stop(stream_id, ErrorCode.H3_REQUEST_CANCELLED)
            self._framing.cut(stream_id, ErrorCode.H3_REQUEST_CANCELLED)
            await self._close_stream(stream_id)

    async def _on_http(self, event: H3Event) -> int:
        """Hand an event to its stream; how many bytes are kept for an app."""
        if isinstance(event, Refused):
            await self._close_stream(event.stream_id)
            return 0
        if isinstance(event, HeadersReceived):
            await self._on_request(event)
        if not isinstance(event, HeadersReceived | DataReceived):
            return 0
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return 0
        kept = 0
        if isinstance(event, DataReceived) and event.data:
            kept = len(event.data)
            message = {"type": "http.request", "body": event.data, "more_body": True}
            await stream.exchange.put(message, kept)
        if event.stream_ended:
            await stream.handle(EndBody(stream_id=event.stream_id))
        return kept

    async def _on_request(self, event: HeadersReceived) -> None:
        assert self._framing is not None  # noqa: S101 — narrows the type
        stream_id = event.stream_id
        if self._refuses or len(self._apps) >= MOST_APPS:
            self._framing.refuse(stream_id, ErrorCode.H3_REQUEST_REJECTED)
            return
        self._next_stream = max(self._next_stream, stream_id + 4)
        self._asked = True
        stream = self._streams[stream_id] = self._made(stream_id, event)
        self._answers.begin(stream_id)
        pseudo = {name: value for name, value in event.headers if name.startswith(b":")}
        await stream.handle(
            Request(
                stream_id=stream_id,
                headers=filter_pseudo_headers(event.headers),
                http_version="3",
                method=pseudo[b":method"].decode("latin-1"),
                raw_path=stream.exchange.target,
                state=ConnectionState({}),
            )
        )
        if (task := stream.exchange.task) is not None:
            self._apps.add(task)
            task.add_done_callback(self._apps.discard)

    def _made(self, stream_id: int, event: HeadersReceived) -> Stream:
        pseudo = {name: value for name, value in event.headers if name.startswith(b":")}
        shared, peer = self._shared, self._quic.peer
        client = None if peer is None else (peer[0], peer[1])
        arguments: list[Any] = [shared.app, shared.hypercorn, shared.context, self._group, True]
        arguments += [client, self._server, self._send, stream_id]
        stream = Stream(*arguments)
        stream.exchange = Exchange(
            pseudo.get(b":path") or pseudo[b":authority"],
            bounded=False,
            abort=partial(self._abort, stream_id),
            on_taken=partial(self._taken, stream_id),
        )
        return stream

    def _taken(self, stream_id: int, size: int) -> None:
        """The app took this much: the client may send as much again."""
        if size:
            self._quic.take(stream_id, size)
            self._pump.write_soon()

    # What goes out.

    async def _send(self, event: Event) -> None:
        """Send what a stream has to say; what cannot be said breaks its answer off."""
        try:
            await self._send_event(event)
        except (ValueError, RuntimeError, ProtocolError):
            await self._cut(event.stream_id, ErrorCode.H3_INTERNAL_ERROR)

    async def _send_event(self, event: Event) -> None:
        stream_id = event.stream_id
        if isinstance(event, Response | InformationalResponse):
            fields = answer_fields(event.headers)
            self._answers.head(stream_id, ((b":status", b"%d" % event.status_code), *fields))
        elif isinstance(event, Body):
            await self._answers.piece(stream_id, event.data)
        elif isinstance(event, EndBody):
            await self._answers.end(stream_id)
        elif isinstance(event, Trailers):
            await self._answers.end(stream_id, tuple(answer_fields(event.headers)))
        elif isinstance(event, StreamClosed):
            await self._finish_stream(stream_id)

    async def _finish_stream(self, stream_id: int) -> None:
        """An answer is over; what still comes of its request is wanted by nobody."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.exchange.complete:
            self._quic.stop(stream_id, ErrorCode.H3_NO_ERROR)  # RFC 9114 §4.1
            self._pump.write_soon()
        await self._close_stream(stream_id)

    def _abort(self, stream_id: int) -> None:
        self._group.spawn(self._break_off, stream_id)

    async def _break_off(self, stream_id: int) -> None:
        """Reset a stream once what was written before has arrived, or that takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._answers.arrived(stream_id)
        await self._cut(stream_id, ErrorCode.H3_INTERNAL_ERROR)

    async def _cut(self, stream_id: int, code: int) -> None:
        if stream_id in self._streams and self._framing is not None:
            self._framing.cut(stream_id, code)
            self._pump.write_soon()
            await self._finish_stream(stream_id)

    async def _close_stream(self, stream_id: int) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        self._answers.over(stream_id)
        await stream.handle(StreamClosed(stream_id=stream_id))
        if not self._streams:
            self._since = self._loop.time()
            self._pump.news.set()

    def _flushed(self) -> None:
        """Something was sent or has arrived: who waits for that may go on."""
        if self._leaves and not self._streams and self._quic.settled:
            self._pump.close(ErrorCode.H3_NO_ERROR)
        if self._framing is not None:
            self._answers.look_again()
