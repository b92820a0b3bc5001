"""A client's connection on the fast lane: bytes in and out, flow control, how it ends.

It knows nothing of HTTP; `connection` says what the bytes mean. No timer and no task of its own:
the worker's sweep looks at the clock a few times a second.
"""

import asyncio
from math import inf
from typing import cast

from edge.events import CutOff
from edge.forwarding.connection import UNSENT_HIGH, UNSENT_LOW
from edge.message import Headers, Peer
from edge.server import endings
from edge.server.acceptor import Acceptor


class Client(asyncio.BufferedProtocol):
    """One client connection; `connection.FastConnection` says what is done with its bytes.

    Attributes:
        peer: who is at the other end, once the connection stands.
        alternatives: the fields by which every answer tells where else the edge is (RFC 7838).
        congested: whether the client takes bytes more slowly than they are written.
        finishing: whether nothing more is answered here.
        half_closed: whether the client has ended its side.
    """

    __slots__ = (
        "_cut_at",
        "_dropped",
        "_last_write",
        "_linger_until",
        "_paused",
        "_progress",
        "_transport",
        "alternatives",
        "congested",
        "finishing",
        "half_closed",
        "host",
        "loop",
        "peer",
    )

    def __init__(self, host: Acceptor) -> None:
        self.host = host
        self.loop = asyncio.get_running_loop()
        self.peer = Peer("", "http")
        self.alternatives: Headers = ()
        self.congested = False
        self.finishing = False
        self.half_closed = False
        self._transport: asyncio.Transport
        self._progress = endings.Progress(self.loop.time())
        self._last_write = self.loop.time()
        self._linger_until = inf
        self._cut_at = inf
        self._paused = False
        self._dropped = 0

    # What the subclass answers to.

    def opened(self) -> None:
        """The connection stands."""
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """Bytes have come, at most as many as the inbox holds."""
        raise NotImplementedError

    def ended(self) -> None:
        """The client will send no more; it may still be reading."""
        raise NotImplementedError

    def gone(self) -> None:
        """The connection is over."""
        raise NotImplementedError

    def writable(self) -> None:
        """What was waiting to be sent has mostly gone; `congested` is false again."""
        raise NotImplementedError

    def tick(self, now: float) -> None:
        """Look at the clock (loop time, seconds); called a few times a second."""
        raise NotImplementedError

    # For the subclass.

    @property
    def is_open(self) -> bool:
        """Whether anything that is written may still arrive."""
        return not (self.finishing or self._transport.is_closing())

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken."""
        return self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send bytes; wait for `writable` while `congested`."""
        if not (self.finishing or self._transport.is_closing()):
            self._progress.written += len(data)
            self._last_write = self.loop.time()
            self._transport.write(data)

    def pause(self) -> None:
        """Take no more bytes from the client for now."""
        if self._transport.is_reading():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take bytes again."""
        if self._paused:
            self._paused = False
            if not (self.half_closed or self._transport.is_closing()):
                self._transport.resume_reading()

    def finish(self, *, unread: bool) -> None:
        """End the connection once what was written is out.

        If more is coming in, it is read and dropped for a while first: closing at once would send
        a reset, which can destroy the answer on its way (RFC 9112 §9.6).
        """
        if not self.is_open:
            return
        self.finishing = True
        half = not self.half_closed and endings.end_writing(self._transport)
        if unread or (half and not self.host.draining):
            self._linger_until = self.loop.time() + endings.LINGER_SECONDS
            self.resume()
        else:
            self._transport.close()

    def cut_soon(self) -> None:
        """Drop what the client has not taken in a moment: it might take as long as it likes.

        A worker that is ending has its own time for that.
        """
        if not self.host.draining:
            self._cut_at = self.loop.time() + endings.CUT_SECONDS

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.finishing = True
        endings.reset(self._transport)

    def give_away(self, unread: bytes) -> None:
        """Let the ASGI lane have the connection from here on."""
        self.host.connections.discard(self)
        self.resume()
        self.host.hand_over(self._transport, unread, ended=self.half_closed)

    # For the worker.

    def sweep(self, now: float) -> None:
        """Look at the clock: loop time, seconds."""
        self._progress.look(self.unsent, now)
        still = now - self._progress.still_since > self.host.slow_reader
        if still and not self.finishing:
            self.host.observe(CutOff("slow_reader"))
        late = now >= self._cut_at and self.unsent > 0
        if still or late or self._has_left(now) or endings.is_dead(self._transport):
            self.reset()
        elif self.finishing:
            if now >= self._linger_until:
                self._transport.close()
        else:
            self.tick(now)

    def abort(self) -> None:
        """End the connection now, whatever it is doing."""
        self.finishing = True
        self._transport.abort()

    def _has_left(self, now: float) -> bool:
        waited = now - self._last_write
        return self.half_closed and not self.finishing and waited > endings.HALF_CLOSED_SECONDS

    # For the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        # Other loops' transports have the methods without the class.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(UNSENT_HIGH, UNSENT_LOW)
        name = transport.get_extra_info("peername")
        secure = transport.get_extra_info("ssl_object") is not None
        address = name[0] if isinstance(name, tuple) else ""
        self.peer = Peer(address, "https" if secure else "http")
        self.alternatives = self.host.shared.alternatives(transport)
        self.opened()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """See `asyncio.BufferedProtocol`; the bytes are copied out before anyone else runs."""
        return self.host.inbox

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        if not self.finishing:
            self.received(bytes(self.host.inbox[:nbytes]))
            return
        self._dropped += nbytes
        if self._dropped > endings.LINGER_BYTES:
            self._transport.close()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`: TLS connections end with it, others stay half open."""
        self.half_closed = True
        self._last_write = self.loop.time()
        if self.finishing:
            return False
        self.ended()
        return self.peer.scheme == "http"

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See `asyncio.BaseProtocol`."""
        self.finishing = True
        self.host.connections.discard(self)
        self.gone()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.congested = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.congested = False
        if not self.finishing:
            self.writable()
