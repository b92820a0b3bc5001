"""Hypercorn's `TCPServer` for one client connection, and its `Config` for the edge.

Pinned by a contract test. What differs from stock: no task and no timer per request; half-closed,
slow and vanished clients; lingering close; reset. Not here: accepting (`edge/server/worker.py`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from ssl import SSLError
from typing import Any, Protocol

from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H2ProtocolAssumedError
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from edge.config import Config
from edge.events import CutOff, Observe
from edge.gate.decisions import GateSettings
from edge.message import Headers, Peer
from edge.server import endings
from edge.server.alternatives import alternative, port_of
from edge.server.hypercorn_http1 import Http1
from edge.server.hypercorn_http2 import Http2
from edge.server.requests import RequestStream
from edge.server.stream import PIECE, ClientStream

LOG = logging.getLogger("edge.server")

App = Callable[[Any, Any, Any], Awaitable[None]]


class State(Protocol):
    """What the server and the app both know of the worker."""

    draining: bool
    succeeded: bool


class Phase(Enum):
    """What a connection is doing."""

    HEAD = "waiting for a request head, or amid one"
    BUSY = "answering"
    IDLE = "between requests"


@dataclass(frozen=True, slots=True)
class Service:
    """What every connection of a listener shares.

    Attributes:
        state: tells whether the worker is ending.
        limits: what a request head is checked against.
        observe: told of what is no request, and of connections that are ended.
        advertises: whether answers over TLS tell of HTTP/3.
    """

    app: App
    config: Config
    hypercorn: HypercornConfig
    context: WorkerContext
    state: State
    limits: GateSettings
    observe: Observe
    advertises: bool = False

    def alternatives(self, transport: asyncio.Transport) -> Headers:
        """The fields that tell whoever is at the other end of HTTP/3; none where it is not."""
        if not self.advertises or transport.get_extra_info("ssl_object") is None:
            return ()
        bound = transport.get_extra_info("sockname")[1]
        return alternative(port_of(self.config.public_url, bound))


def service(
    app: App, config: Config, state: State, observe: Observe, *, advertises: bool = False
) -> Service:
    """What the connections of one listener share."""
    limits = GateSettings(
        request_line=config.request_line,
        header_block=config.header_block,
        header_fields=config.header_fields,
    )
    context = WorkerContext(None)
    hypercorn = hypercorn_config(config)
    return Service(app, config, hypercorn, context, state, limits, observe, advertises)


def hypercorn_config(config: Config) -> HypercornConfig:
    """Hypercorn's settings from ours. The app sends `Date` and what else it wants."""
    settings = HypercornConfig()
    settings.include_date_header = False
    settings.include_server_header = False
    settings.errorlog = None
    settings.accesslog = None
    settings.h2_max_header_list_size = 2 * config.header_block
    settings.h2_max_concurrent_streams = 128
    settings.keep_alive_max_requests = 2**62
    settings.keep_alive_timeout = config.keep_alive
    settings.graceful_timeout = config.drain_timeout
    settings.ssl_handshake_timeout = config.head_timeout
    return settings


class Connection(TCPServer):
    """One client connection."""

    def __init__(self, shared: Service, client: ClientStream) -> None:
        self._event_loop = asyncio.get_running_loop()
        super().__init__(
            shared.app,  # type: ignore[arg-type]  # plain ASGI: our streams call it themselves
            self._event_loop,
            shared.hypercorn,
            shared.context,
            {},
            client.reader,
            client.writer,
        )
        self.phase = Phase.HEAD
        self.observe = shared.observe
        self.alternatives = shared.alternatives(client.transport)
        self._shared = shared
        self._transport = client.transport
        self._since = self._event_loop.time()
        self._lost = asyncio.Event()
        self._half_closed = False
        self._finishing = False
        self._progress = endings.Progress(self._since)
        self._last_write = self._since
        self._background: set[asyncio.Task[None]] = set()
        client.on_eof = self._on_eof
        client.on_lost = self._on_lost

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.phase is Phase.BUSY and not self._lost.is_set()

    @property
    def stays(self) -> bool:
        """Whether an answer that begins now leaves the connection open."""
        return self.may_stay and not self._shared.state.draining

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow, if the answer's head said so."""
        state = self._shared.state
        leaving = state.draining and not state.succeeded
        return not (self._half_closed or self._finishing or leaving)

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken."""
        return self._transport.get_write_buffer_size()

    async def run(self) -> None:
        """Serve the connection to its end; raises nothing."""
        try:
            async with TaskGroup(self._event_loop) as group:
                self._task_group = group
                self.protocol = self._make_protocol(self._alpn() == "h2")  # type: ignore[assignment]
                await self.protocol.initiate()
                await self._read_data()
        except OSError:
            pass  # the client is gone
        except Exception:
            LOG.exception("a client connection failed")
            self._transport.abort()
        finally:
            await self._close()

    def write(self, data: bytes) -> None:
        """Send bytes now, without waiting for room; for a few of them."""
        if not (self._finishing or self._transport.is_closing()):
            self._progress.written += len(data)
            self._last_write = self._event_loop.time()
            self.writer.write(data)

    def finish(self, *, unread: bool) -> None:
        """End the connection once what was written is out.

        If more is coming in, it is read and dropped for a while first: closing at once would send
        a reset, which can destroy the answer on its way (RFC 9112 §9.6).
        """
        if self._finishing or self._transport.is_closing():
            return
        self._finishing = True
        half = not self._half_closed and endings.end_writing(self._transport)
        if unread or (half and not self._shared.state.draining):
            self._event_loop.call_later(endings.LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._finishing = True
        endings.reset(self._transport)

    def abort(self) -> None:
        """End the connection now, whatever it is doing."""
        if self.busy and self._protocol().ends_with_connection:
            self.reset()
        else:
            self._transport.abort()

    def begin_drain(self, *, succeeded: bool = False) -> None:
        """Close if idle, else announce the end; a successor's peer is let finish what it began."""
        if succeeded:
            if hasattr(self, "protocol"):
                self._protocol().retire()
        elif self.phase is Phase.IDLE:
            self._close_idle()
        elif self.phase is Phase.BUSY:
            self._protocol().drain()

    def close_unless_busy(self) -> None:
        """Close what waits for a request."""
        if self.phase is not Phase.BUSY:
            self._close_idle()

    def sweep(self, now: float) -> None:
        """Look at the clock: called several times a second at most, loop time in seconds."""
        limits = self._shared.config
        self._progress.look(self._transport.get_write_buffer_size(), now)
        still = now - self._progress.still_since > limits.slow_reader
        if still and not self._finishing:
            self.observe(CutOff("slow_reader"))
        if still or self._has_left(now) or endings.is_dead(self._transport):
            self.reset()
        elif self._finishing or not hasattr(self, "protocol"):
            return
        elif self.phase is Phase.IDLE and now - self._since > limits.keep_alive:
            self._close_idle()
        elif self.phase is Phase.HEAD and now - self._since > limits.head_timeout:
            self._spawn(self._protocol().expire_head())
        elif self.phase is Phase.BUSY and isinstance(self.protocol, Http2):
            self._spawn(self.protocol.sweep(now, limits.slow_reader))

    async def protocol_send(self, event: Event) -> None:
        """Do what the protocol wants of the connection."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Closed):
            self.finish(unread=False)
        elif isinstance(event, Updated):
            self._enter(Phase.IDLE if event.idle else Phase.BUSY)

    def _close_idle(self) -> None:
        if hasattr(self, "protocol"):
            self._protocol().drain()
        self.finish(unread=False)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._since = self._event_loop.time()

    def _protocol(self) -> Http1 | Http2:
        assert isinstance(self.protocol, Http1 | Http2)  # noqa: S101 — narrows the type
        return self.protocol

    def _alpn(self) -> str | None:
        tls = self._transport.get_extra_info("ssl_object")
        return None if tls is None else tls.selected_alpn_protocol()

    def _make_protocol(self, http2: bool) -> Http1 | Http2:
        sock = self._transport.get_extra_info("socket")
        secure = self._transport.get_extra_info("ssl_object") is not None
        client = parse_socket_addr(sock.family, self._transport.get_extra_info("peername"))
        arguments = [
            self.app,
            self.config,
            self.context,
            self._task_group,
            ConnectionState(self.state),
            secure,
            client,
            parse_socket_addr(sock.family, self._transport.get_extra_info("sockname")),
            self.protocol_send,
        ]
        if http2:
            return Http2(self, arguments)
        peer = Peer(client[0] if client else "", "https" if secure else "http")
        return Http1(self, arguments, RequestStream(peer, self._shared.limits))

    async def _read_data(self) -> None:
        dropped = 0
        while data := await self._read():
            if self._finishing:
                dropped += len(data)
                if dropped > endings.LINGER_BYTES:
                    break
            else:
                await self._take(data)
        if self._finishing:
            self._transport.close()
        if not self._protocol().answering:
            await self.protocol.handle(Closed())

    async def _read(self) -> bytes:
        try:
            return await self.reader.read(PIECE)
        except (OSError, SSLError):
            return b""

    async def _take(self, data: bytes) -> None:
        if self.phase is Phase.IDLE and isinstance(self.protocol, Http1):
            self._enter(Phase.HEAD)  # over HTTP/2 it may be a PING, or a window
        try:
            await self.protocol.handle(RawData(data))
        except H2ProtocolAssumedError as error:
            self.protocol = self._make_protocol(http2=True)  # type: ignore[assignment]
            await self.protocol.initiate()
            await self.protocol.handle(RawData(error.data))
        if (
            self.phase is Phase.IDLE
            and isinstance(self.protocol, Http1)
            and self.protocol.amid_head
        ):
            self._enter(Phase.HEAD)  # it came with the request that has just been answered

    async def _write(self, data: bytes) -> None:
        async with self.send_lock:
            if self._finishing or self._transport.is_closing():
                await asyncio.sleep(0)  # lets the loop say that the connection is lost
                return
            self.write(data)
            with suppress(ConnectionError, RuntimeError):  # _on_lost tells the protocol
                await self.writer.drain()

    async def _close(self) -> None:
        self._transport.close()
        await self._lost.wait()

    def _on_eof(self) -> None:
        self._half_closed = True
        self._last_write = self._event_loop.time()

    def _on_lost(self) -> None:
        self._lost.set()
        if hasattr(self, "protocol"):
            self._spawn(self.protocol.handle(Closed()))

    def _has_left(self, now: float) -> bool:
        waited = now - self._last_write
        return self._half_closed and not self._finishing and waited > endings.HALF_CLOSED_SECONDS

    def _spawn(self, call: Any) -> None:
        task = self._event_loop.create_task(call)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
