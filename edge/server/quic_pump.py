"""What drives one QUIC connection: datagrams in and out, and its clock.

Not here: what is said on it (`hypercorn_http3`), which datagrams are its own (`quic_endpoint`).
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from edge.server.quic_connection import Address, Quic


class Outlet(Protocol):
    """Where datagrams go out."""

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram; it may be lost."""


class Pump:
    """Keeps a connection going.

    Attributes:
        news: set when the connection may have events.
    """

    def __init__(self, quic: Quic, outlet: Outlet, flushed: Callable[[], None]) -> None:
        """`flushed` is called each time that all was sent which may be."""
        self.news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._quic = quic
        self._outlet = outlet
        self._flushed = flushed
        self._timer: asyncio.TimerHandle | None = None
        self._writes_soon = False

    def receive(self, data: bytes, address: Address) -> None:
        """Take a datagram."""
        self._quic.receive_datagram(data, address, self._loop.time())
        self.news.set()

    def close(self, code: int) -> None:
        """End the connection, saying why, with what was written before."""
        if not self._quic.ends:
            self._send()
            self._quic.close(code)
            self._send()
        self.news.set()

    def stop(self) -> None:
        """Look at the clock no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def write_soon(self) -> None:
        """Send what was said in this turn of the loop once that is over."""
        if not self._writes_soon:
            self._writes_soon = True
            self._loop.call_soon(self._write)

    def flush(self) -> None:
        """Send what may be sent now, and see when that is to be looked at again."""
        self._send()
        self._flushed()
        self.stop()
        at = self._quic.get_timer()
        if at is not None and not self._quic.ends:
            self._timer = self._loop.call_at(at, self._on_timer)

    def _write(self) -> None:
        self._writes_soon = False
        self.flush()

    def _send(self) -> None:
        for data, address in self._quic.datagrams_to_send(self._loop.time()):
            self._outlet.send(data, address)

    def _on_timer(self) -> None:
        self._quic.handle_timer(self._loop.time())
        self.news.set()
