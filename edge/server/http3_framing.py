"""aioquic's HTTP/3 framing with the bounds that the edge promises. Pinned by a contract test.

What differs from stock: no table that grows (RFC 9204 §3.2), so that few bytes are no large head
and no stream waits for another; a malformed request ends its own stream alone (RFC 9114 §4.1.2);
frames that ask for nothing are counted; trailers of requests are dropped; GOAWAY can be said. Not
here: what is answered (`hypercorn_http3`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pylsqpack
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import (
    ErrorCode,
    FrameType,
    FrameUnexpected,
    H3Connection,
    H3Stream,
    HeadersState,
    MessageError,
    ProtocolError,
    Setting,
    encode_frame,
)
from aioquic.h3.events import DataReceived, H3Event, Headers, HeadersReceived
from aioquic.quic.connection import stream_is_unidirectional

from edge.server.quic_connection import Quic

LAST_OF_ALL = 2**62 - 4
"""A GOAWAY with this stream refuses none: it says that another GOAWAY will follow."""

CONTROL_FRAME = 4096
"""Bytes of a frame of settings beyond which it is no such thing."""

FIELD = 32
"""What a field counts besides its bytes (RFC 9114 §4.2.2)."""

_REMEMBERED = 256
_CONNECT = {b":method", b":authority"}
_OTHERS = {b":method", b":authority", b":scheme", b":path"}

logging.getLogger("http3").setLevel(logging.CRITICAL)


@dataclass
class Refused(H3Event):
    """A request was malformed, and its stream has been reset.

    Attributes:
        stream_id: of the stream; its request may have begun.
    """

    stream_id: int


class ExcessiveLoad(ProtocolError):
    """More than a client that means well would send; ends the connection."""

    error_code = ErrorCode.H3_EXCESSIVE_LOAD


class _TooLarge(MessageError):
    """A head that is larger than may be answered; ends the stream."""

    error_code = ErrorCode.H3_EXCESSIVE_LOAD


class _Encoder:
    """An encoder that uses no table, whatever the client offers."""

    def __init__(self) -> None:
        self._encoder = pylsqpack.Encoder()

    def apply_settings(self, max_table_capacity: int, blocked_streams: int) -> bytes:
        del max_table_capacity, blocked_streams
        return b""

    def encode(self, stream_id: int, headers: Headers) -> tuple[bytes, bytes]:
        return self._encoder.encode(stream_id, headers)

    def feed_decoder(self, data: bytes) -> None:
        self._encoder.feed_decoder(data)


class Framing(H3Connection):
    """The HTTP/3 of one connection."""

    def __init__(self, quic: Quic, block: int, fields: int, spend: Callable[[], bool]) -> None:
        """Send the settings.

        Args:
            block, fields: bytes and number of a request's fields; twice as many are still passed
                on, so that they can be answered.
            spend: counts a frame that asks for nothing; false if that was one too many.
        """
        self._block = block
        self._fields = fields
        self._spend = spend
        self._refused: set[int] = set()
        self._own = quic
        super().__init__(quic)
        self._decoder = pylsqpack.Decoder(0, 0)
        self._encoder = _Encoder()  # type: ignore[assignment]  # all that is asked of one

    def _get_local_settings(self) -> dict[int, int]:
        return {
            Setting.QPACK_MAX_TABLE_CAPACITY: 0,
            Setting.QPACK_BLOCKED_STREAMS: 0,
            Setting.MAX_FIELD_SECTION_SIZE: self._block + FIELD * self._fields,
        }

    def headless(self) -> list[int]:
        """Streams on which a request has begun whose head is not whole."""
        return [
            stream_id
            for stream_id, stream in self._stream.items()
            if not stream_is_unidirectional(stream_id)
            and stream.headers_recv_state is HeadersState.INITIAL
            and not stream.receiving_ended
            and stream_id not in self._refused
        ]

    def buffered(self, stream_id: int) -> int:
        """Bytes of a frame that has not come to its end."""
        stream = self._stream.get(stream_id)
        return 0 if stream is None else len(stream.buffer)

    def go_away(self, first_refused: int) -> None:
        """Say that requests from this stream on are not answered (RFC 9114 §5.2)."""
        assert self._local_control_stream_id is not None  # noqa: S101 — narrows the type
        frame = encode_frame(FrameType.GOAWAY, encode_uint_var(first_refused))
        self._own.send_stream_data(self._local_control_stream_id, frame)

    def finish(self, stream_id: int) -> None:
        """End an answer, as whole."""
        with self._get_or_create_stream(stream_id) as stream:
            stream.finish_sending()
        self._own.send_stream_data(stream_id, b"", True)

    def cut(self, stream_id: int, code: int) -> None:
        """Reset an answer, so that it cannot look whole."""
        stream = self._stream.get(stream_id)
        if stream is not None:
            stream.sending_ended = True
            if stream.is_ended():
                del self._stream[stream_id]
        self._own.cut(stream_id, code)

    def refuse(self, stream_id: int, code: int) -> None:
        """Have nothing more to do with a stream, whatever still comes on it."""
        if len(self._refused) >= _REMEMBERED:
            self._refused &= self._own._streams.keys()
        self._refused.add(stream_id)
        if (stream := self._stream.get(stream_id)) is not None:
            stream.buffer, stream.sending_ended = b"", True
        self._own.stop(stream_id, code)
        self._own.cut(stream_id, code)

    def _receive_request_or_push_data(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        if stream.stream_id in self._refused:
            stream.receiving_ended |= stream_ended
            return []
        try:
            return super()._receive_request_or_push_data(stream, data, stream_ended)
        except MessageError as error:
            self._count()
            self.refuse(stream.stream_id, error.error_code)
            return [Refused(stream.stream_id)]

    def _handle_request_or_push_frame(
        self, frame_type: int, frame_data: bytes | None, stream: H3Stream, stream_ended: bool
    ) -> list[H3Event]:
        begun = stream.headers_recv_state is not HeadersState.INITIAL
        events = super()._handle_request_or_push_frame(frame_type, frame_data, stream, stream_ended)
        if frame_type != FrameType.HEADERS:
            return events
        if begun:
            return [DataReceived(b"", stream.stream_id, True)] if stream_ended else []
        for event in events:
            assert isinstance(event, HeadersReceived)  # noqa: S101 — narrows the type
            _check(event.headers)
        return events

    def _decode_headers(self, stream_id: int, frame_data: bytes | None) -> Headers:
        headers = super()._decode_headers(stream_id, frame_data)
        if len(headers) > 2 * self._fields:
            raise _TooLarge("too many fields")
        if sum(len(name) + len(value) for name, value in headers) > 2 * self._block:
            raise _TooLarge("the fields are too large")
        return headers

    def _check_request_or_push_frame_type(self, frame_type: int, stream: H3Stream) -> None:
        super()._check_request_or_push_frame_type(frame_type, stream)
        if frame_type == FrameType.WEBTRANSPORT_STREAM:
            raise FrameUnexpected("it was not offered")
        size = stream.frame_size or 0
        if frame_type == FrameType.HEADERS and size > 2 * self._block:
            raise _TooLarge("the fields are too large")
        if frame_type != FrameType.HEADERS and (frame_type != FrameType.DATA or not size):
            self._count()

    def _check_control_frame_type(self, frame_type: int) -> None:
        super()._check_control_frame_type(frame_type)
        assert self._peer_control_stream_id is not None  # noqa: S101 — narrows the type
        size = self._stream[self._peer_control_stream_id].frame_size or 0
        if frame_type in (FrameType.SETTINGS, FrameType.MAX_PUSH_ID) and size > CONTROL_FRAME:
            raise ExcessiveLoad("the frame is too large")
        self._count()

    def _count(self) -> None:
        if not self._spend():
            raise ExcessiveLoad("too many frames that ask for nothing")


def _check(headers: Headers) -> None:
    """See that a request says what it must (RFC 9114 §4.3.1). Raises MessageError."""
    pseudo = {name: value for name, value in headers if name.startswith(b":")}
    if pseudo.keys() != (_CONNECT if pseudo.get(b":method") == b"CONNECT" else _OTHERS):
        raise MessageError("pseudo-header fields that a request does not have, or that it lacks")
    if not all(pseudo.values()):
        raise MessageError("a pseudo-header field is empty")
    hosts = [value for name, value in headers if name == b"host"]
    if any(host != pseudo[b":authority"] for host in hosts):
        raise MessageError("host is not :authority")
