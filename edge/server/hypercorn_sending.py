"""How answers go out over HTTP/2: Hypercorn's protocol, framing at once what may go at once.

Stock passes every piece through a task, an event and a priority tree, and writes each frame by
itself. Here what the windows take is framed when the app says it and written once per turn of the
loop; only what they do not take waits in stock's sending task, where streams take turns. Not here:
what comes in, and how streams end (`hypercorn_http2`). Pinned by a contract test.
"""

import asyncio
from contextlib import suppress
from typing import Any, Protocol

import h2.events
import h2.exceptions
from hypercorn.events import Closed, RawData
from hypercorn.protocol.events import (
    Body,
    Data,
    EndBody,
    EndData,
    Event,
    InformationalResponse,
    Response,
    Trailers,
)
from hypercorn.protocol.h2 import BufferCompleteError, H2Protocol, StreamBuffer

from edge.message import Headers

WAITING = 32 * 1024
"""Bytes of an answer that wait for the client's window while its app is made to wait."""

UNSENT = 64 * 1024
"""Bytes on their way to the client beyond which streams wait for it, and for each other."""

TABLE = 1024
"""Bytes of HPACK's dynamic table for answers: h2 searches all of it for every field."""

CONNECTION_FIELDS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)


class Outlet(Protocol):
    """What sending asks of the connection."""

    @property
    def alternatives(self) -> Headers:
        """The fields by which every answer tells where else the edge is (RFC 7838)."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken."""

    def write(self, data: bytes) -> None:
        """Send bytes now, without waiting for room."""


class Buffer(StreamBuffer):
    """What one stream has to send.

    Attributes:
        queued: whether it goes through the sending task.
        still_since: loop time since when the client has taken nothing of what waits.
    """

    queued = False
    still_since: float | None = None
    _over = False

    async def push(self, data: bytes) -> None:
        """Add what shall be sent. Raises BufferCompleteError."""
        if self._complete:
            raise BufferCompleteError
        self.buffer += data

    async def wait_for_room(self) -> None:
        """Wait while too much is to be sent. Stock never waits at a full window."""
        while len(self.buffer) >= WAITING and not self._complete:
            await self._paused.clear()
            await self._paused.wait()

    async def drain(self) -> None:
        """Wait until everything is framed, the end too if it was said."""
        while not self._over and (self.buffer or self._complete):
            await self._is_empty.clear()
            await self._is_empty.wait()

    async def pop(self, max_length: int) -> bytes:
        """Take what may be sent."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[: len(data)]
        if data:
            self.still_since = None
        if len(self.buffer) < WAITING:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data

    def take_all(self) -> bytes:
        """Take everything, the end too if it was said, before anybody waits for it."""
        data = bytes(self.buffer)
        self.buffer.clear()
        self._over = self._complete
        return data

    async def close(self) -> None:
        """Nothing more is sent, and nobody waits any more."""
        self._over = True
        await super().close()


class Sending(H2Protocol):
    """The sending half of an HTTP/2 connection."""

    def __init__(self, outlet: Outlet, arguments: list[Any]) -> None:
        super().__init__(*arguments)
        self._outlet = outlet
        self._tell = self.send
        self.send = self._tell_in_order
        self._fresh: set[int] = set()
        self._framed = 0
        self._writes_soon = False
        self.connection.config.validate_outbound_headers = False  # `answer_fields` sees to it
        self.connection.config.normalize_outbound_headers = False
        self.connection.encoder.header_table_size = TABLE

    async def stream_send(self, event: Event) -> None:
        """Send what a stream has to say."""
        try:
            if isinstance(event, Body | Data):
                await self._send_piece(event.stream_id, event.data)
            elif isinstance(event, EndBody | EndData):
                await self._send_end(event.stream_id)
            elif isinstance(event, Response | InformationalResponse):
                self._send_head(event)
            elif isinstance(event, Trailers):
                await self._send_trailers(event)
            else:
                await super().stream_send(event)
        except (BufferCompleteError, KeyError, h2.exceptions.ProtocolError):
            return  # the stream is over already

    def _send_head(self, event: Response | InformationalResponse) -> None:
        fields = [(b":status", b"%d" % event.status_code), *answer_fields(event.headers)]
        if isinstance(event, Response):
            fields += self._outlet.alternatives
        self.connection.send_headers(event.stream_id, fields)
        self._write_soon()

    async def _send_piece(self, stream_id: int, data: bytes) -> None:
        buffer = self._buffer(stream_id)
        await buffer.push(data)
        if buffer.queued or len(buffer.buffer) >= WAITING:
            await self._send_or_queue(stream_id, buffer)
            await buffer.wait_for_room()
        else:
            self._fresh.add(stream_id)  # an end that follows at once goes in the same frame
            self._write_soon()

    async def _send_end(self, stream_id: int) -> None:
        buffer = self._buffer(stream_id)
        buffer.set_complete()
        await self._send_or_queue(stream_id, buffer)
        await buffer.drain()

    async def _send_trailers(self, event: Trailers) -> None:
        buffer = self._buffer(event.stream_id)
        await self._send_or_queue(event.stream_id, buffer)
        await buffer.drain()
        self.connection.send_headers(event.stream_id, answer_fields(event.headers), end_stream=True)
        self._write_soon()
        await buffer.close()
        await self._window_updated(event.stream_id)  # the sending task visits it, and drops it

    async def _send_or_queue(self, stream_id: int, buffer: Buffer) -> None:
        if not self._send_now(stream_id, buffer):
            self._queue(stream_id, buffer)
            await self.has_data.set()

    def _send_now(self, stream_id: int, buffer: Buffer) -> bool:
        """Frame all that a stream has to send; False if it has to wait its turn."""
        self._fresh.discard(stream_id)
        size = len(buffer.buffer)
        room = UNSENT - self._framed - self._outlet.unsent
        if buffer.queued or size > min(room, self.connection.local_flow_control_window(stream_id)):
            return False
        self._frame(stream_id, buffer.take_all(), ends=buffer.complete)
        if buffer.complete:
            del self.stream_buffers[stream_id]
        self._write_soon()
        return True

    def _frame(self, stream_id: int, data: bytes, *, ends: bool) -> None:
        """DATA frames, the last of which ends the stream if it `ends`."""
        self._framed += len(data)
        most = self.connection.max_outbound_frame_size
        while len(data) > most:
            self.connection.send_data(stream_id, data[:most])
            data = data[most:]
        if data or ends:
            self.connection.send_data(stream_id, data, end_stream=ends)

    def _queue(self, stream_id: int, buffer: Buffer) -> None:
        if not buffer.queued:
            buffer.queued = True
            self.priority.insert_stream(stream_id)
        self.priority.unblock(stream_id)

    def _buffer(self, stream_id: int) -> Buffer:
        """What a stream has to send. Raises KeyError if it is over."""
        buffer = self.stream_buffers[stream_id]
        assert isinstance(buffer, Buffer)  # noqa: S101 — narrows the type
        return buffer

    async def _send_data(self, stream_id: int) -> None:
        """The sending task's turn for a stream."""
        buffer = self.stream_buffers.get(stream_id)
        await super()._send_data(stream_id)
        await self._write_and_wait()
        if buffer is not None and stream_id not in self.stream_buffers:
            await buffer.close()

    async def _flush(self) -> None:
        """Stock calls this after every frame; a client that takes nothing is waited for."""
        if self._outlet.unsent > UNSENT:
            await self._write_and_wait()
        else:
            self._write_soon()

    def _write_soon(self) -> None:
        if not self._writes_soon:
            self._writes_soon = True
            asyncio.get_running_loop().call_soon(self._write_fresh)

    def _write_fresh(self) -> None:
        """The turn of the loop is over: write what was said in it."""
        self._writes_soon = False
        self._write_out()

    def _write_out(self) -> None:
        """Frame what is not framed yet, and write all of it."""
        for stream_id in list(self._fresh):
            self._begin_to_send(stream_id)
        self._framed = 0
        if data := self.connection.data_to_send():
            self._outlet.write(data)

    def _begin_to_send(self, stream_id: int) -> None:
        self._fresh.discard(stream_id)
        # Not there, or refused by h2: the stream is over already.
        with suppress(KeyError, h2.exceptions.ProtocolError):
            buffer = self._buffer(stream_id)
            if not self._send_now(stream_id, buffer):
                self._queue(stream_id, buffer)
                self.task_group.spawn(self.has_data.set)

    async def _write_and_wait(self) -> None:
        self._framed = 0
        if data := self.connection.data_to_send():
            await self._tell(RawData(data))

    async def _tell_in_order(self, event: Any) -> None:
        """Tell the connection, which writes nothing more once it is told of the end."""
        if isinstance(event, Closed):
            self._write_out()
        await self._tell(event)

    async def _close_stream(self, stream_id: int) -> None:
        await super()._close_stream(stream_id)
        if stream_id in self.stream_buffers and not self._buffer(stream_id).queued:
            await self.stream_buffers.pop(stream_id).close()

    async def _window_updated(self, stream_id: int | None) -> None:
        """What waits for the client's window may go on."""
        for each in [stream_id] if stream_id else list(self.stream_buffers):
            if each in self.stream_buffers and self._buffer(each).queued:
                self.priority.unblock(each)
        await self.has_data.set()

    async def _priority_updated(self, event: h2.events.PriorityUpdated) -> None:
        """Streams that wait take turns, whatever the client says (RFC 9113 §5.3.2)."""


def answer_fields(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's fields as HTTP/2 and HTTP/3 may carry them (RFC 9113 §8.2, RFC 9114 §4.2)."""
    lower = [(name.lower(), value) for name, value in headers]
    return [field for field in lower if field[0] not in CONNECTION_FIELDS]
