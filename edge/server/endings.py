"""How a client connection ends without harming the answer that was sent on it, on either lane."""

import socket
import struct
from contextlib import suppress
from typing import Any, Protocol

LINGER_SECONDS = 1.0
LINGER_BYTES = 16 * 1024 * 1024
CUT_SECONDS = 0.5
"""How long a client may take what waits for it of a stream that it may not have any more."""

HALF_CLOSED_SECONDS = 1.0
"""How long an answer may stand still once its client has ended its side.

A client that has closed its socket and one that has only said all look the same until something is
written to them: both are held to have left after this.
"""

_RESET = struct.pack("ii", 1, 0)
_TCP_CLOSE = 7
"""The first byte of Linux's `struct tcp_info` when a connection is over (tcp(7))."""


class Transport(Protocol):
    """What is needed of a transport; uvloop's have the methods without asyncio's classes."""

    def abort(self) -> None: ...

    def can_write_eof(self) -> bool: ...

    def write_eof(self) -> None: ...

    def get_extra_info(self, name: str) -> Any: ...

    def is_closing(self) -> bool: ...

    def is_reading(self) -> bool: ...


def reset(transport: Transport) -> None:
    """End a connection with a TCP reset, so that nothing sent can look whole."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def end_writing(transport: Transport) -> bool:
    """Say that no more will come; whether the transport can say that by itself (not over TLS)."""
    if not transport.can_write_eof():
        return False
    with suppress(OSError):
        transport.write_eof()
    return True


def is_dead(transport: Transport) -> bool:
    """Whether the client reset a connection that is not being read, which nobody tells."""
    if transport.is_reading() or transport.is_closing():
        return False
    connection = transport.get_extra_info("socket")
    if connection.family == socket.AF_UNIX:
        return False
    state: int = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == _TCP_CLOSE


class Progress:
    """Whether a client takes what is sent to it.

    Attributes:
        written: bytes given to the transport.
        still_since: since when it has taken none of those that wait; loop time, seconds.
    """

    __slots__ = ("_taken", "still_since", "written")

    def __init__(self, now: float) -> None:
        self.written = 0
        self.still_since = now
        self._taken = 0

    def look(self, waiting: int, now: float) -> None:
        """Note how many bytes the transport still holds."""
        if not waiting or self.written - waiting != self._taken:
            self._taken = self.written - waiting
            self.still_since = now
