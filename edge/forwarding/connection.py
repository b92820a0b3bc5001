"""One connection to an upstream: bytes in, bytes out, flow control both ways.

It knows nothing of HTTP. What the bytes mean is its handler's business, which changes with every
exchange; both lanes write handlers of their own, plain callbacks without tasks or futures.
"""

import asyncio
import os
from collections.abc import Hashable
from contextlib import suppress
from math import inf
from typing import Protocol, cast

from edge.forwarding.sweep import Sweep
from edge.forwarding.wire import PIECE

UNSENT_HIGH = 64 * 1024
"""Bytes waiting to be sent above which `writable` must be waited for."""

UNSENT_LOW = 16 * 1024

SALVAGE_READS = 3


class Handler(Protocol):
    """Whoever has the connection for an exchange; called by the loop, never reentered."""

    def received(self, data: bytes) -> None:
        """Bytes have come, at most 64 KiB."""

    def lost(self, in_order: bool) -> None:
        """The connection is gone: in good order (FIN, TLS close_notify), or cut."""

    def writable(self) -> None:
        """What was waiting to be sent has mostly gone; `congested` is false again."""

    def expired(self) -> None:
        """The deadline that the handler set has passed."""


class Owner(Protocol):
    """Whoever keeps connections between exchanges.

    Attributes:
        sweep: notices the deadlines of connections.
        inbox: 64 KiB that all connections of a loop receive into.
    """

    sweep: Sweep
    inbox: memoryview

    def gone(self, connection: "Connection") -> None:
        """The connection is closed; it is not to be used again."""


class Connection(asyncio.BufferedProtocol):
    """A transport with its handler, or idle without one.

    While idle, anything that comes closes it: an upstream that speaks unasked is out of step.

    Attributes:
        key: what address and TLS settings it was made for.
        instance: the process that it leads to, of a function that the edge runs; else empty.
        handler: None while idle.
        born: `loop.time()` when it was opened, or minus infinity once it is not to be used again.
        deadline: when the handler, or the idle connection, has waited long enough.
        exchanges: how many it has begun.
        congested: whether the upstream takes bytes more slowly than they are written.
        closed: whether it is of no use any more.
    """

    __slots__ = (
        "_owner",
        "_transport",
        "born",
        "closed",
        "congested",
        "deadline",
        "exchanges",
        "handler",
        "instance",
        "key",
        "loop",
        "reading",
    )

    def __init__(self, owner: Owner, key: Hashable, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self.key = key
        self.instance = ""
        self.loop = loop
        self.handler: Handler | None = None
        self.born = loop.time()
        self.deadline = inf
        self.exchanges = 0
        self.congested = False
        self.reading = True
        self.closed = False

    # For whoever uses the connection.

    @property
    def unsent(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def closing(self) -> bool:
        """Whether it is closed or about to be; true right after a write that failed whole."""
        return self.closed or self._transport is None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes, at most 64 KiB at once; wait for `writable` while `congested`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def set_deadline(self, deadline: float) -> None:
        """When `expired` is to be called, in the loop's time."""
        self.deadline = deadline
        self._owner.sweep.note(deadline)

    def pause(self) -> None:
        """Take no more bytes from the upstream for now."""
        if self.reading and not self.closing and self._transport is not None:
            self._transport.pause_reading()
            self.reading = False

    def resume(self) -> None:
        """Take bytes again."""
        if not self.reading:
            self.reading = True
            if not self.closing and self._transport is not None:
                self._transport.resume_reading()

    def end_writing(self) -> bool:
        """Say that no more will come, behind everything written; whether that can be said.

        TLS cannot. The handler stays; nothing may be written any more.
        """
        if self._transport is None or self.closing or not self._transport.can_write_eof():
            return False
        with suppress(OSError):
            self._transport.write_eof()
        return True

    def close(self) -> None:
        """Close once everything written has gone."""
        self._finish()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._finish()
        if self._transport is not None:
            self._transport.abort()

    def cut(self) -> None:
        """Close at once, and tell the handler that it was cut."""
        self._lose(in_order=False)
        self.abort()

    def _finish(self) -> None:
        self.handler = None
        self.closed = True
        self.deadline = inf

    def expired(self) -> None:
        """Called by the sweep."""
        if self.handler is None:
            self.close()
        else:
            self.handler.expired()

    # For the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        # Other loops' transports have the methods without the class.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        transport.set_write_buffer_limits(UNSENT_HIGH, UNSENT_LOW)
        if self.closed:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """See `asyncio.BufferedProtocol`; the bytes are copied out before anyone else runs."""
        return self._owner.inbox

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._take(self._owner.inbox[:nbytes])

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`; the transport then closes itself."""
        self._lose(in_order=True)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`; without `eof_received` before it, the connection was cut."""
        if exc is not None and self.handler is not None:
            self._salvage()
        self._lose(in_order=False)
        self._owner.gone(self)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.congested = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.congested = False
        if self.handler is not None:
            self.handler.writable()

    def _lose(self, in_order: bool) -> None:
        handler = self.handler
        self._finish()
        if handler is not None:
            handler.lost(in_order)

    def _take(self, data: memoryview | bytes) -> None:
        """Bytes have come from the transport."""
        if self.handler is None:
            self.abort()
        else:
            self.handler.received(bytes(data))

    def _salvage(self) -> None:
        """Read what the kernel still holds after a write has failed.

        An upstream that refuses a body answers, closes, and resets when more of the body comes.
        The loop drops the connection at the failed write, though the answer lies there unread.
        asyncio and uvloop close the socket only after `connection_lost`; not so below TLS, where
        there would be nothing to read but ciphertext.
        """
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return
        socket = self._transport.get_extra_info("socket")
        for _ in range(SALVAGE_READS):
            try:
                data = os.read(socket.fileno(), PIECE)
            except OSError:
                return
            if not data or self.handler is None:
                return
            self._take(data)
