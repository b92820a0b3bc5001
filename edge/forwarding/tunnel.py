"""A connection after `101 Switching Protocols`: bytes both ways, of no known meaning."""

import asyncio
from math import inf

from edge.forwarding.backlog import Backlog
from edge.forwarding.connection import Connection
from edge.forwarding.wire import PIECE, UpstreamFailure


class Tunnel:
    """The upstream's end of a switched connection; one reader and one writer at a time."""

    __slots__ = (
        "_backlog",
        "_connection",
        "_drained",
        "_ended",
        "_failure",
        "_idle",
        "_more",
    )

    def __init__(self, connection: Connection, first: bytes, idle: float) -> None:
        """Take over the connection; `first` are bytes of the new protocol that came already."""
        self._connection = connection
        self._idle = idle
        self._backlog = Backlog()
        self._more: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._ended = False
        self._failure: UpstreamFailure | None = None
        connection.handler = self
        self._touch()
        if first:
            self.received(first)

    @property
    def held(self) -> int:
        """Bytes that have come and were not read yet."""
        return self._backlog.held

    async def read(self) -> bytes:
        """The next bytes, at most 64 KiB; none at the end.

        Raises:
            UpstreamFailure: `truncated`, cut; `idle`, nothing moved in either direction.
        """
        while not self._backlog:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._more = self._connection.loop.create_future()
            await self._more
        piece = self._backlog.pop()
        if not self._connection.reading and self._backlog.relaxed:
            self._connection.resume()
            self._touch()
        return piece

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait while the upstream takes them too slowly.

        Raises:
            UpstreamFailure: the connection is gone.
        """
        for at in range(0, len(data), PIECE):
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise UpstreamFailure("reset", "the tunnel is closed", written=True, begun=True)
            self._connection.write(data[at : at + PIECE])
            self._touch()
            if self._connection.congested:
                self._drained = self._connection.loop.create_future()
                await self._drained

    def set_idle(self, seconds: float) -> None:
        """Allow this long without a byte in either direction, from now on."""
        self._idle = seconds
        self._touch()

    def close(self) -> None:
        """End it once everything written has gone."""
        self._end(None)
        self._connection.close()

    def abort(self) -> None:
        """End it at once."""
        self._backlog.clear()
        self._end(None)
        self._connection.abort()

    # For the connection.

    def received(self, data: bytes) -> None:
        """See `connection.Handler`."""
        self._backlog.push(data)
        if self._backlog.full:
            self._connection.pause()
        self._touch()
        self._wake()

    def lost(self, in_order: bool) -> None:
        """See `connection.Handler`."""
        cut = UpstreamFailure("truncated", "the tunnel was cut", written=True, begun=True)
        self._end(None if in_order else cut)

    def writable(self) -> None:
        """See `connection.Handler`."""
        self._touch()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def expired(self) -> None:
        """See `connection.Handler`."""
        self._end(UpstreamFailure("idle", "nothing moved", written=True, begun=True))
        self._connection.abort()

    def _touch(self) -> None:
        connection = self._connection
        if self._ended:
            return
        if connection.reading:
            connection.set_deadline(connection.loop.time() + self._idle)
        else:
            # The silence is ours, not the upstream's.
            connection.deadline = inf

    def _end(self, failure: UpstreamFailure | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._failure = failure
        self.writable()
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        self._more = None
