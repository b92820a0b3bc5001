"""QUIC packets that belong to no connection: what they say, and the answers to them.

Not here: which of them is given (`quic_endpoint`).
"""

import os
from typing import NamedTuple

from aioquic._buffer import Buffer
from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicHeader,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.retry import QuicRetryTokenHandler

from edge.server.quic_connection import ID, Address, reset_token

SMALLEST = 1200
"""Bytes of a datagram that may begin a connection, or be answered at length (RFC 9000 §14.1)."""

_RESET = 43
"""Bytes of a stateless reset; it is shorter than what it answers, so that two do not go on."""
_SMALLEST_RESET = 21

REFUSED = QuicErrorCode.CONNECTION_REFUSED
INVALID_TOKEN = QuicErrorCode.INVALID_TOKEN


class Arrived(NamedTuple):
    """A datagram, by its first packet."""

    header: QuicHeader
    size: int

    @property
    def name(self) -> bytes:
        """The connection id that it is sent to."""
        return self.header.destination_cid

    @property
    def begins(self) -> bool:
        """Whether it may begin a connection."""
        return self.header.packet_type is QuicPacketType.INITIAL and self.size >= SMALLEST

    @property
    def is_of_other_version(self) -> bool:
        """Whether it is of a version that is not spoken, and may be told so (RFC 9000 §6.1)."""
        version = self.header.version
        answerable = self.header.packet_type is not QuicPacketType.VERSION_NEGOTIATION
        other = version is not None and version != QuicProtocolVersion.VERSION_1
        return other and answerable and self.size >= SMALLEST

    @property
    def is_of_a_connection(self) -> bool:
        """Whether only a connection that was there can have sent it."""
        return self.header.packet_type is QuicPacketType.ONE_RTT


def read(data: bytes) -> Arrived | None:
    """What a datagram says of itself; None if it is none of QUIC's."""
    try:
        return Arrived(pull_quic_header(Buffer(data=data), host_cid_length=ID), len(data))
    except ValueError:
        return None


def versions(to: Arrived) -> bytes:
    """Which versions are spoken."""
    return encode_quic_version_negotiation(
        source_cid=to.header.destination_cid,
        destination_cid=to.header.source_cid,
        supported_versions=[QuicProtocolVersion.VERSION_1],
    )


def closed(to: Arrived, code: int) -> bytes:
    """The refusal of a first packet, by an Initial packet without a connection."""
    crypto = CryptoPair()
    version = QuicProtocolVersion.VERSION_1
    crypto.setup_initial(cid=to.header.destination_cid, is_client=False, version=version)
    builder = QuicPacketBuilder(
        host_cid=to.header.destination_cid,
        is_client=False,
        max_datagram_size=SMALLEST,
        peer_cid=to.header.source_cid,
        version=version,
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    frame = builder.start_frame(
        QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY
    )
    frame.push_uint_var(code)
    frame.push_uint_var(QuicFrameType.PADDING)
    frame.push_uint_var(0)
    datagrams, _ = builder.flush()
    return datagrams[0]


def reset(to: Arrived, key: bytes) -> bytes:
    """A stateless reset (RFC 9000 §10.3), empty if the packet is too short to get one."""
    size = min(_RESET, to.size - 1)
    if size < _SMALLEST_RESET:
        return b""
    noise = bytearray(os.urandom(size - 16))
    noise[0] = noise[0] & 0x3F | 0x40
    return bytes(noise) + reset_token(key, to.name)


class Proofs:
    """Whether clients are where they say, asked of them by Retry (RFC 9000 §8.1.2)."""

    def __init__(self) -> None:
        self._tokens = QuicRetryTokenHandler()

    def ask(self, to: Arrived, address: Address, now: float) -> bytes:
        """The packet that asks."""
        source = os.urandom(8)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=to.name,
            retry_source_connection_id=source,
            now=now,
        )
        return encode_quic_retry(
            version=QuicProtocolVersion.VERSION_1,
            source_cid=source,
            destination_cid=to.header.source_cid,
            original_destination_cid=to.name,
            retry_token=token,
        )

    def original(self, of: Arrived, address: Address, now: float) -> bytes | None:
        """The id that the client chose first, if it has proved its address; None if not."""
        try:
            return self._tokens.validate_token(
                address=address, destination_cid=of.name, token=of.header.token, now=now
            )
        except ValueError:
            return None
