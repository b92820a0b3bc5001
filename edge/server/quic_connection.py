"""aioquic's QUIC connection with the bounds that the edge promises. Pinned by a contract test.

What differs from stock: windows open as what came is taken, where stock opens them as it comes;
connection ids say which process they are of; a handshake may hold little; a stream that was cut
holds nothing; what waits to be sent can be asked. Not here: HTTP/3 (`http3_framing`), datagrams
(`quic_endpoint`).
"""

import hashlib
import hmac
import logging
import os
from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionError,
    QuicConnectionId,
    QuicConnectionState,
    QuicReceiveContext,
    stream_is_client_initiated,
    stream_is_unidirectional,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicProtocolVersion
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

STREAM_WINDOW = 128 * 1024
CONNECTION_WINDOW = 1024 * 1024
UNIDIRECTIONAL = 16
"""Streams of one direction that a client may have open; HTTP/3 needs three (RFC 9114 §6.2)."""

IN_FLIGHT = 1024 * 1024
"""Bytes of one connection that wait to be acknowledged beyond which no answer is written."""

HANDSHAKE = 16 * 1024
"""Bytes of TLS messages that a client may send (RFC 9000 §7.5 asks for 4096 at least)."""

CURVES = ("secp256r1", "secp384r1")
"""Those of a certificate's key, if it has one; RSA and Ed25519 are good too."""

PIECES = 128
"""Pieces of a stream that may have come before what is in front of them: packets that are lost or
late leave fewer in a window, and each costs a search through all of them."""

PREFIX = 4
ID = 12
"""Bytes of a connection id: those of its process, and others that are random."""

Configuration = QuicConfiguration

Address = Any
"""As the socket module has it: of two members, or four for IPv6."""

logging.getLogger("quic").setLevel(logging.CRITICAL)  # it warns of whatever a client does wrong


def reset_token(key: bytes, connection_id: bytes) -> bytes:
    """What shows that a stateless reset is ours (RFC 9000 §10.3.2)."""
    return hmac.digest(key, connection_id, hashlib.sha256)[:16]


class Quic(QuicConnection):
    """One QUIC connection of a client."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        original: bytes,
        retried: bytes | None,
        prefix: bytes,
        key: bytes,
    ) -> None:
        """Begin with a client's first packet, which is still to be received.

        Args:
            original: the connection id that the client chose for its very first packet.
            retried: the one that a Retry gave it, if there was one.
            prefix: `PREFIX` bytes, which are this process's.
            key: of the edge, for stateless resets.
        """
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
        )
        self._prefix = prefix
        self._key = key
        self._taken: dict[int, int] = {}
        self._taken_in_all = 0
        self._name(self._host_cids[0])
        self.host_cid = self._local_initial_source_connection_id = self._host_cids[0].cid
        self._local_max_streams_uni.value = self._local_max_streams_uni.sent = UNIDIRECTIONAL

    def _name(self, identity: QuicConnectionId) -> None:
        identity.cid = self._prefix + os.urandom(ID - PREFIX)
        identity.stateless_reset_token = reset_token(self._key, identity.cid)

    def _replenish_connection_ids(self) -> None:
        before = len(self._host_cids)
        super()._replenish_connection_ids()
        for identity in self._host_cids[before:]:
            self._name(identity)

    @property
    def begun(self) -> bool:
        """Whether a packet could be read at all."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def ends(self) -> bool:
        """Whether it was closed, by whichever side."""
        return self._close_event is not None

    @property
    def peer(self) -> Address | None:
        """The client's address that has been proved to be its own (RFC 9000 §8)."""
        for path in self._network_paths:
            if path.is_validated:
                return path.addr
        return None

    @property
    def idle_timeout(self) -> float:
        """Seconds of silence after which either side takes the connection for dead."""
        return self._idle_timeout()

    # What comes in.

    def take(self, stream_id: int, size: int) -> None:
        """So many bytes of a stream are held no more: the client may send as many again."""
        self._taken_in_all += size
        self._taken[stream_id] = self._taken.get(stream_id, 0) + size
        if len(self._taken) > 2 * len(self._streams) + 64:
            self._taken = {key: at for key, at in self._taken.items() if key in self._streams}

    def stop(self, stream_id: int, code: int) -> None:
        """Ask the client to send no more on a stream, if it still does."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            stream.receiver.stop(code)

    def _handle_reset_stream_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        at = buf.tell()
        stream_id = buf.pull_uint_var()
        buf.seek(at)
        before = self._streams.get(stream_id)
        was_over = before is not None and before.receiver.is_finished
        super()._handle_reset_stream_frame(context, frame_type, buf)
        stream = self._streams.get(stream_id)
        if stream is not None and not was_over:
            # What was announced and never came, or was not delivered, is held by nobody.
            lost = stream.receiver.highest_offset - stream.receiver.starting_offset()
            self._taken_in_all += lost

    def _handle_stream_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        at = buf.tell()
        stream_id = buf.pull_uint_var()
        buf.seek(at)
        super()._handle_stream_frame(context, frame_type, buf)
        stream = self._streams.get(stream_id)
        if stream is not None:
            _check_pieces(stream, frame_type)

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        at = buf.tell()
        end = buf.pull_uint_var() + buf.pull_uint_var()
        buf.seek(at)
        if end > HANDSHAKE:
            raise QuicConnectionError(
                QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, frame_type, "the handshake is too long"
            )
        super()._handle_crypto_frame(context, frame_type, buf)
        _check_pieces(self._crypto_streams[context.epoch], frame_type)

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        del space
        data = self._local_max_data
        if self._taken_in_all + CONNECTION_WINDOW - data.value >= CONNECTION_WINDOW // 4:
            data.value = self._taken_in_all + CONNECTION_WINDOW
        for limit in (data, self._local_max_streams_bidi, self._local_max_streams_uni):
            may_wait = limit is not data and limit.sent - limit.used >= limit.value - limit.sent
            if limit.value != limit.sent and not may_wait:
                frame = builder.start_frame(
                    limit.frame_type,
                    capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                    handler=self._on_connection_limit_delivery,
                    handler_args=(limit,),
                )
                frame.push_uint_var(limit.value)
                limit.sent = limit.value

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        del space
        if not stream.max_stream_data_local or stream.receiver.is_finished:
            return
        wanted = self._taken.get(stream.stream_id or 0, 0) + STREAM_WINDOW
        if wanted - stream.max_stream_data_local >= STREAM_WINDOW // 4:
            stream.max_stream_data_local = wanted
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            frame = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            frame.push_uint_var(stream.stream_id or 0)
            frame.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local

    # What goes out.

    @property
    def crowded(self) -> bool:
        """Whether so much is on its way that nothing should be added."""
        return self._loss.bytes_in_flight >= IN_FLIGHT

    @property
    def settled(self) -> bool:
        """Whether the client has all of every answer that was written."""
        return all(
            self.waits(stream_id) == 0
            for stream_id in self._streams
            if stream_is_client_initiated(stream_id) and not stream_is_unidirectional(stream_id)
        )

    def unsent(self, stream_id: int) -> int:
        """Bytes of a stream that wait for the client's credit, or for their turn."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0
        return sum(len(pending) for pending in stream.sender._pending)

    def owes_end(self, stream_id: int) -> bool:
        """Whether the end of a stream was said and has not been sent."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.sender._pending_eof

    def waits(self, stream_id: int) -> int:
        """Bytes of a stream that the client has not acknowledged."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else len(stream.sender._buffer)

    def progress(self, stream_id: int) -> tuple[int, int]:
        """What changes when the client takes or acknowledges anything of a stream."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0, 0
        return stream.sender._buffer_start, stream.sender.highest_offset

    def cut(self, stream_id: int, code: int) -> None:
        """Reset a stream, if it still is one; nothing that waits to be sent on it is kept."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.sender.reset(code)
            self.let_go(stream_id)

    def let_go(self, stream_id: int) -> None:
        """Keep nothing more of a stream that was reset: stock does until that is acknowledged."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.sender._reset_error_code is not None:
            stream.sender._buffer = bytearray()
            stream.sender._pending_eof = False
            while len(stream.sender._pending):
                stream.sender._pending.shift()


def _check_pieces(stream: QuicStream, frame_type: int) -> None:
    if len(stream.receiver._ranges) > PIECES:
        raise QuicConnectionError(
            QuicErrorCode.PROTOCOL_VIOLATION, frame_type, "a stream in too many pieces"
        )


def configured(certfile: str, keyfile: str, idle: float) -> QuicConfiguration:
    """What every connection begins with; `idle` is in seconds. Raises ValueError, OSError."""
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=["h3"],
        connection_id_length=ID,
        idle_timeout=idle,
        max_data=CONNECTION_WINDOW,
        max_stream_data=STREAM_WINDOW,
        supported_versions=[QuicProtocolVersion.VERSION_1],
    )
    configuration.load_cert_chain(certfile, keyfile)
    curve = getattr(configuration.private_key, "curve", None)
    if curve is not None and curve.name not in CURVES:
        raise ValueError(f"aioquic signs with {', '.join(CURVES)}, not with {curve.name}")
    return configuration
