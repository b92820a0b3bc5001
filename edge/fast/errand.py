"""A request on its way to a function: its place in line, its address, its connection.

A task runs only where a place must be waited for or a connection opened. Not here: what is sent,
and what becomes of the answer.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from edge.errors import Errors, Refusal, refusal
from edge.fast.lane import Lane
from edge.forwarding.connection import Connection
from edge.forwarding.forwarder import refused
from edge.forwarding.limit import Overloaded
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Function


class Errand:
    """What the fast lane's requests to functions have in common.

    Args:
        timeout: milliseconds to the answer's head, for the text of an error.
    """

    __slots__ = (
        "_connection",
        "_lane",
        "_over",
        "_slot",
        "_slug",
        "_task",
        "_timeout",
        "_upstream",
        "_upstreams",
    )

    def __init__(self, lane: Lane, function: Function, timeout: int) -> None:
        self._lane = lane
        self._slug = function.slug
        self._timeout = timeout
        self._upstreams = lane.pool.order(function.live.project.upstreams)
        self._upstream = self._upstreams[0]
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._slot = False
        self._over = False

    # What the subclass answers to.

    def _send(self, connection: Connection) -> None:
        """A connection is there, its handler not set."""
        raise NotImplementedError

    def give_up(self, why: Refusal) -> None:
        """It cannot be done; `_end` it and tell."""
        raise NotImplementedError

    # For the subclass.

    def _set_out(self) -> None:
        """Find a place and a connection, then `_send`."""
        if self._lane.in_flight.try_acquire(self._slug):
            self._slot = True
            self._choose()
        else:
            self._wait(self._queue_up())

    def _reconnect(self) -> None:
        """As `_set_out` where the place is held already, on a fresh connection."""
        self._wait(self._connect())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)

    def _end(self) -> None:
        """Give back everything that is held."""
        if self._over:
            return
        self._over = True
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._connection is not None:
            self._connection.abort()
        if self._slot:
            self._lane.in_flight.release(self._slug)

    async def _queue_up(self) -> None:
        try:
            await self._lane.in_flight.acquire(self._slug)
        except Overloaded:
            self.give_up(refusal(Errors.OVERLOADED, headers=((b"retry-after", b"1"),)))
            return
        self._slot = True
        self._task = None
        self._choose()

    def _choose(self) -> None:
        connection = self._lane.pool.take(self._upstream)
        if connection is None:
            self._wait(self._connect())
        else:
            self._send(connection)

    async def _connect(self) -> None:
        pool, seconds = self._lane.pool, self._lane.connect
        try:
            self._upstream, connection = await pool.connect_any(self._upstreams, seconds)
        except UpstreamFailure as failure:
            self.give_up(refused(failure, self._timeout))
            return
        self._task = None
        self._send(connection)
