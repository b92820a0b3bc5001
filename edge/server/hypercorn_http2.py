"""Hypercorn's HTTP/2 protocol with the endings that the edge promises. Pinned by a contract test.

What differs from stock: a stalled upload stalls its own stream alone; an answer that broke off is
reset; DATA for a stream that is over is counted and dropped; an early answer ends in RST_STREAM
(NO_ERROR, RFC 9113 §8.1); a stream that nobody reads is reset; draining announces GOAWAY first.
Not here: how answers are framed and written (`hypercorn_sending`).
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import h2.config
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hpack
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypercorn.events import Closed, Updated
from hypercorn.protocol.events import (
    Body,
    EndBody,
    Event,
    Request,
    StreamClosed,
)
from hypercorn.utils import filter_pseudo_headers
from hyperframe.frame import GoAwayFrame

from edge.events import CutOff
from edge.server.calm import Calm
from edge.server.exchange import Exchange
from edge.server.hypercorn_sending import TABLE, Buffer, Sending
from edge.server.hypercorn_streams import Door, Stream, WebSocketStream, websocket

STREAM_WINDOW = 128 * 1024
CONNECTION_WINDOW = 1024 * 1024
FLUSH_SECONDS = 1.0
LAST_OF_ALL = 2**31 - 1
"""A GOAWAY with this stream refuses none: it says that another GOAWAY will follow."""

MOST_APPS = 256
"""Apps at work for one connection; that of a stream which was reset counts until it has ended."""


class _CompressionError(h2.exceptions.ProtocolError):
    """A block of fields that cannot be decoded (RFC 9113 §4.3)."""

    error_code = ErrorCodes.COMPRESSION_ERROR


class _Decoder(hpack.Decoder):
    """Stock, but for the code that the connection ends with: h2's own is PROTOCOL_ERROR."""

    def decode(self, data: bytes, raw: bool = False) -> Any:
        try:
            return super().decode(data, raw)
        except hpack.OversizedHeaderListError:
            raise
        except hpack.HPACKError as error:
            raise _CompressionError(str(error)) from error


class Http2(Sending):
    """One HTTP/2 connection."""

    ends_with_connection = False

    def __init__(self, door: Door, arguments: list[Any]) -> None:
        super().__init__(door, arguments)
        self._door = door
        self._exchanges: dict[int, Exchange] = {}
        self._early: set[int] = set()
        self._last_stream = 0
        self._going_away = False
        self._owed: dict[int, int] = {}
        self._calm = Calm(asyncio.get_running_loop().time())
        settings: dict[Any, int] = dict(self.connection.local_settings)
        settings[SettingCodes.INITIAL_WINDOW_SIZE] = STREAM_WINDOW
        settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
        self.connection.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        self.connection.decoder = _Decoder(self.connection.decoder.max_header_list_size)

    @property
    def answering(self) -> bool:
        """A client that half-closes an HTTP/2 connection has left."""
        return False

    @property
    def over(self) -> bool:
        """Whether nothing more is read or answered here."""
        return bool(self.closed)

    async def initiate(self, headers: Any = None, settings: Any = None) -> None:
        """Send the preface, with a window that one stalled stream cannot fill."""
        await super().initiate(headers, settings)
        self.connection.increment_flow_control_window(CONNECTION_WINDOW)
        await self._flush()

    async def handle(self, event: Any) -> None:
        """Take bytes, or the end of the connection."""
        if isinstance(event, Closed):
            self.closed = True
        if not self.closed or isinstance(event, Closed):
            await super().handle(event)

    async def expire_head(self) -> None:
        """No request came in time."""
        self.drain()
        self._door.finish(unread=False)

    async def sweep(self, now: float, slow_reader: float) -> None:
        """Reset the streams whose client takes nothing of what waits."""
        for stream_id in list(self.stream_buffers):
            buffer = self._buffer(stream_id)
            if not buffer.buffer:
                buffer.still_since = None
            elif buffer.still_since is None:
                buffer.still_since = now
            elif now - buffer.still_since > slow_reader:
                self._door.observe(CutOff("slow_reader"))
                await buffer.close()
                await self._break_off(stream_id)

    def drain(self) -> None:
        """Announce the end: streams begun so far are answered, later ones refused."""
        self._going_away = True
        self._announce(self._last_stream)

    def retire(self) -> None:
        """Announce the end, and still answer what is on its way (RFC 9113 §6.8)."""
        self._announce(LAST_OF_ALL)

    def _announce(self, last_stream: int) -> None:
        self._write_out()
        frame = GoAwayFrame(0, last_stream_id=last_stream, error_code=ErrorCodes.NO_ERROR)
        # h2 itself can send nothing after its own GOAWAY.
        self._door.write(frame.serialize())

    async def stream_send(self, event: Event) -> None:
        """Send what a stream has to say."""
        if isinstance(event, StreamClosed):
            await self._finish_stream(event)
        else:
            await super().stream_send(event)

    async def _finish_stream(self, event: StreamClosed) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None and not exchange.complete:
            self._early.add(event.stream_id)
            await self._reset_early(event.stream_id)
        await super().stream_send(event)
        if not self.streams and not self._door.may_stay:
            self._write_out()
            self._door.finish(unread=False)

    async def _send_data(self, stream_id: int) -> None:
        await super()._send_data(stream_id)
        await self._reset_early(stream_id)

    async def _reset_early(self, stream_id: int) -> None:
        """Tell the client to stop sending, once the whole answer is out."""
        if stream_id in self._early and stream_id not in self.stream_buffers:
            self._early.discard(stream_id)
            await self._reset(stream_id, ErrorCodes.NO_ERROR)

    async def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        try:
            self.connection.reset_stream(stream_id, code)
        except h2.exceptions.ProtocolError:
            return  # it is over already
        await self._flush()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if _asks_nothing(event) and not self._calm.spend(asyncio.get_running_loop().time()):
                self._door.observe(CutOff("flood"))
                await self._give_up(ErrorCodes.ENHANCE_YOUR_CALM)
                return
            if isinstance(event, h2.events.RequestReceived):
                await self._on_request(event)
            elif isinstance(event, h2.events.DataReceived):
                await self._on_data(event)
            elif isinstance(event, h2.events.StreamEnded):
                await self._on_end(event)
            else:
                await super()._handle_events([event])
            if isinstance(event, h2.events.RemoteSettingsChanged):
                self._keep_table_small()
        await self._flush()

    async def _give_up(self, code: ErrorCodes) -> None:
        """End the connection, saying why."""
        self.connection.close_connection(code)
        await self._flush()
        await self.send(Closed())

    def _keep_table_small(self) -> None:
        """A client may offer any size of table; ours is searched and kept for each connection."""
        encoder = self.connection.encoder
        if encoder.header_table_size > TABLE:  # noqa: PLR1730 — set twice, it is told to nobody
            encoder.header_table_size = TABLE

    async def _on_request(self, event: h2.events.RequestReceived) -> None:
        stream_id = event.stream_id
        assert stream_id is not None  # noqa: S101 — narrows the type
        if self._going_away or len(self._exchanges) >= MOST_APPS:
            await self._reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        if _promises_a_body(event):
            await self._reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        self._last_stream = max(self._last_stream, stream_id)
        await self._create_stream(event)

    async def _on_data(self, event: h2.events.DataReceived) -> None:
        stream_id, size = event.stream_id, event.flow_controlled_length
        assert stream_id is not None and size is not None and event.data is not None  # noqa: S101, PT018 — narrows the types
        stream = self.streams.get(stream_id)
        if isinstance(stream, Stream) and event.data:
            message = {"type": "http.request", "body": event.data, "more_body": True}
            await stream.exchange.put(message, size)
            return
        if isinstance(stream, WebSocketStream) and event.data:
            await stream.handle(Body(stream_id=stream_id, data=event.data))
            self._owe(stream.exchange, stream_id, size)
            return
        self._acknowledge(stream_id, size)

    def _owe(self, exchange: Exchange, stream_id: int, size: int) -> None:
        """Frames are no messages: their window is given back while the app keeps up."""
        waiting = stream_id in self._owed
        self._owed[stream_id] = self._owed.get(stream_id, 0) + size
        if not waiting:
            self.task_group.spawn(self._acknowledge_in_time, exchange, stream_id)

    async def _acknowledge_in_time(self, exchange: Exchange, stream_id: int) -> None:
        await exchange.wait_for_room()
        self._acknowledge(stream_id, self._owed.pop(stream_id))

    async def _on_end(self, event: h2.events.StreamEnded) -> None:
        assert event.stream_id is not None  # noqa: S101 — narrows the type
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            await stream.handle(EndBody(stream_id=event.stream_id))
        self._early.discard(event.stream_id)

    def _acknowledge(self, stream_id: int, size: int) -> None:
        """The app took this much: the client may send as much again."""
        try:
            if size:
                self.connection.acknowledge_received_data(size, stream_id)
        except h2.exceptions.ProtocolError:
            return  # the connection is over
        self._write_soon()

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        stream_id = request.stream_id
        headers = [(bytes(n), bytes(v)) for n, v in request.headers or []]
        pseudo = {n: v for n, v in headers if n.startswith(b":")}
        method = pseudo.get(b":method", b"").decode("latin-1")
        target = pseudo.get(b":path") or pseudo.get(b":authority", b"")
        self._make_stream(stream_id, method, pseudo.get(b":protocol") == b"websocket", target)
        self.stream_buffers[stream_id] = Buffer(self.context.event_class)
        await self.send(Updated(idle=False))
        await self.streams[stream_id].handle(
            Request(
                stream_id=stream_id,
                headers=filter_pseudo_headers(headers),
                http_version="2",
                method=method,
                raw_path=target,
                state=self.connection_state,
            )
        )
        await self._watch_app(stream_id)

    async def _watch_app(self, stream_id: int) -> None:
        exchange = self._exchanges.get(stream_id)
        if exchange is not None and exchange.task is not None:
            exchange.task.add_done_callback(lambda _: self._exchanges.pop(stream_id, None))
        elif stream_id in self.streams and self.streams[stream_id].closed:
            await self._close_stream(stream_id)  # a handshake that the stream refused itself

    def _abort(self, stream_id: int) -> None:
        self.task_group.spawn(self._break_off, stream_id)

    async def _break_off(self, stream_id: int) -> None:
        if stream_id not in self.streams:
            return
        buffer = self.stream_buffers.get(stream_id)
        if buffer is not None and buffer.buffer:
            self._write_out()
            with suppress(TimeoutError):
                await asyncio.wait_for(buffer.drain(), FLUSH_SECONDS)
        await self._reset(stream_id, ErrorCodes.INTERNAL_ERROR)
        if buffer is not None:
            await buffer.close()
            await self._window_updated(stream_id)  # the sending task visits it, and drops it
        await super().stream_send(StreamClosed(stream_id=stream_id))

    def _make_stream(
        self, stream_id: int, method: str, asks_websocket: bool, target: bytes
    ) -> None:
        is_websocket = method == "CONNECT" and asks_websocket
        exchange = Exchange(
            target,
            bounded=False,
            abort=partial(self._abort, stream_id),
            on_taken=_ignored if is_websocket else partial(self._acknowledge, stream_id),
        )
        arguments: list[Any] = [self.app, self.config, self.context, self.task_group, self.ssl]
        arguments += [self.client, self.server, self.stream_send, stream_id]
        if is_websocket:
            self.streams[stream_id] = websocket(arguments, self.task_group, exchange)
        else:
            stream = Stream(*arguments)
            stream.exchange = exchange
            self.streams[stream_id] = stream
            self._exchanges[stream_id] = exchange


def _asks_nothing(event: h2.events.Event) -> bool:
    """Whether a frame makes work and asks for nothing; see `calm`."""
    if isinstance(event, h2.events.DataReceived):
        return not event.data and event.stream_ended is None
    return isinstance(
        event,
        h2.events.StreamReset | h2.events.PingReceived | h2.events.RemoteSettingsChanged,
    )


def _promises_a_body(request: h2.events.RequestReceived) -> bool:
    """Whether a request that has ended says that it has a body (RFC 9113 §8.1.1).

    h2 has seen that a length is one, and counts where there is DATA.
    """
    lengths = (value for name, value in request.headers or [] if name == b"content-length")
    return request.stream_ended is not None and any(value.strip(b"0") for value in lengths)


def _ignored(_: int) -> None:
    """What a WebSocket's app has taken: its window is given back frame by frame."""
