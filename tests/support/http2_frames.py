"""HTTP/2 frames made and read by hand (RFC 9113 §4, §6), good and bad ones."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9

END_STREAM = ACK = 1
END_HEADERS = 4
PADDED = 8
WITH_PRIORITY = 32


class Frame(NamedTuple):
    """A whole frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """RFC 9113 §4.1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(key: int, value: int) -> bytes:
    """One setting of a SETTINGS frame (RFC 9113 §6.5.1)."""
    return struct.pack(">HI", key, value)


def literal(name: bytes, value: bytes) -> bytes:
    """A field that no table takes (RFC 7541 §6.2.2), as short as one octet of length can say."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frames(data: bytes) -> Iterator[Frame]:
    """Each whole frame."""
    while len(data) >= 9 + (size := int.from_bytes(data[:3])):
        stream = int.from_bytes(data[5:9]) & 0x7FFFFFFF
        yield Frame(data[3], data[4], stream, data[9 : 9 + size])
        data = data[9 + size :]
