"""A WebSocket after its 101: bytes both ways as they come, in callbacks alone.

Messages and extensions are for the two ends. Of the frames it is only known where one ends, so
that the client can be told why the edge closes. Not here: the handshake (`forward`).
"""

from collections.abc import Callable
from math import inf

from edge.fast.lane import Asker
from edge.forwarding.connection import Connection
from edge.forwarding.frames import CloseCode, FrameWalker, close_frame
from edge.forwarding.wire import PIECE

PARTING_SECONDS = 1.0
"""How long a function has to take the last bytes of a client that left, and to close."""


class Tunnel:
    """Two connections as one: the upstream's handler, and the client's `Passage`."""

    __slots__ = ("_asker", "_connection", "_frames", "_idle", "_over", "_when_over")

    def __init__(
        self, connection: Connection, asker: Asker, idle: float, when_over: Callable[[], None]
    ) -> None:
        """`idle` is seconds without a byte in either direction; `when_over` is called once."""
        self._connection = connection
        self._asker = asker
        self._idle = idle
        self._when_over = when_over
        self._frames = FrameWalker()
        self._over = False

    def begin(self, first: bytes) -> None:
        """Take over both connections; `first` are bytes that came behind the 101."""
        self._connection.handler = self
        self._touch()
        self._asker.switched(self)
        if first:
            self.received(first)
        if self._asker.draining:
            self.end()

    def end(self) -> None:
        """Its token or its function is over, or the worker is ending."""
        if self._over:
            return
        if self._asker.congested:
            self._asker.reset()
        draining = self._asker.draining
        self._close(CloseCode.GOING_AWAY if draining else CloseCode.POLICY_VIOLATION)
        self._asker.cut_soon()

    # For the client's connection.

    def client_sent(self, data: bytes) -> None:
        """See `lane.Passage`."""
        connection = self._connection
        for at in range(0, len(data), PIECE):
            connection.write(data[at : at + PIECE])
        if connection.congested:
            self._asker.pause()
        self._touch()

    def client_ended(self) -> None:
        """See `lane.Passage`; a function behind TLS is not told before the client has left."""
        self._connection.end_writing()

    def client_writable(self) -> None:
        """See `lane.Passage`."""
        if not self._over:
            self._connection.resume()
            self._touch()

    def client_left(self) -> None:
        """See `lane.Passage`: what the client said last still reaches the function."""
        if self._over:
            return
        self._finish()
        connection = self._connection
        if connection.end_writing():
            connection.resume()
            connection.set_deadline(connection.loop.time() + PARTING_SECONDS)
        else:
            connection.close()

    # For the upstream's connection.

    def received(self, data: bytes) -> None:
        """See `connection.Handler`."""
        if self._over:
            return
        self._frames.feed(data)
        self._asker.write(data)
        if self._asker.congested:
            self._connection.pause()
        self._touch()

    def lost(self, in_order: bool) -> None:  # noqa: ARG002 - only a Close frame ends in good order
        """See `connection.Handler`."""
        self._close(CloseCode.INTERNAL_ERROR)

    def writable(self) -> None:
        """See `connection.Handler`."""
        if not self._over:
            self._asker.resume()
            self._touch()

    def expired(self) -> None:
        """See `connection.Handler`."""
        self._connection.abort()
        self._close(CloseCode.INTERNAL_ERROR)

    # Ending.

    def _touch(self) -> None:
        connection = self._connection
        if connection.reading:
            connection.set_deadline(connection.loop.time() + self._idle)
        else:
            # The silence is the client's, who has its own time to take what waits for it.
            connection.deadline = inf

    def _close(self, code: CloseCode) -> None:
        """End both; the client is told why, if a frame may stand where the function left off."""
        if self._over:
            return
        self._finish()
        self._connection.abort()
        if self._frames.may_close:
            self._asker.write(close_frame(code))
        self._asker.break_off()

    def _finish(self) -> None:
        self._over = True
        self._when_over()
