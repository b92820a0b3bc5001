"""A request on its way to a function: its place in line, its address, its connection, its end.

A task runs only where a place must be waited for or a connection opened. Not here: what is sent,
and what becomes of the answer.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from edge.errors import Refusal
from edge.fast.lane import Lane
from edge.forwarding.connection import Connection, Handler
from edge.forwarding.fleet import Fleet
from edge.forwarding.forwarder import left_alone, overloaded, refused
from edge.forwarding.limit import Overloaded
from edge.forwarding.parse import InvalidAnswer
from edge.forwarding.pool import may_retry
from edge.forwarding.reader import AnswerReader
from edge.forwarding.wire import CircuitOpen, FailureKind, RetryRule, UpstreamFailure
from edge.functions import Function


class Errand:
    """What the fast lane's requests to functions have in common.

    Args:
        timeout: milliseconds to the answer's head, for the text of an error.
        reader: of the answer.
    """

    __slots__ = (
        "_carried",
        "_connection",
        "_idle",
        "_instance",
        "_judged",
        "_lane",
        "_over",
        "_probe",
        "_reader",
        "_run",
        "_slot",
        "_slug",
        "_task",
        "_timeout",
        "_upstream",
        "_upstreams",
        "_written",
    )

    def __init__(self, lane: Lane, function: Function, timeout: int, reader: AnswerReader) -> None:
        self._lane = lane
        self._reader = reader
        self._slug = function.slug
        self._run = function.live.project.run
        self._timeout = timeout
        self._upstreams = function.live.project.upstreams
        self._upstream = self._upstreams[0]
        self._idle = lane.idle
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._slot = False
        self._carried = 0
        self._instance = ""
        self._written = False
        self._probe = False
        self._judged = False
        self._over = False

    # What the subclass answers to.

    def _send(self, connection: Connection) -> None:
        """A connection is there, its handler not set."""
        raise NotImplementedError

    def give_up(self, why: Refusal) -> None:
        """It cannot be done; `_end` it and tell."""
        raise NotImplementedError

    def _ended_with(self, connection: Connection) -> None:
        """The answer has come, whole, by its connection's end."""
        raise NotImplementedError

    def _fail(self, kind: FailureKind, detail: str) -> None:
        """There is no answer, or no more of it."""
        raise NotImplementedError

    # For the upstream's connection, where all do the same.

    def expired(self) -> None:
        """See `connection.Handler`."""
        if self._reader.head is None:
            self._fail("timeout", "no answer in time")
        else:
            self._fail("idle", f"no byte of the answer for {self._idle:g} s")

    def lost(self, in_order: bool) -> None:
        """See `connection.Handler`."""
        if in_order and self._reader.end() and self._connection is not None:
            self._ended_with(self._connection)
        elif self._reader.head is None:
            how = "closed" if in_order else "reset"
            self._fail("reset", f"the connection was {how} before an answer")
        else:
            self._fail("truncated", "the connection ended within the answer")

    # For the subclass.

    def _set_out(self) -> None:
        """Find a place and a connection, then `_send`."""
        if self._lane.pool.circuits.known and self._is_left_alone():
            return
        if self._lane.in_flight.try_acquire(self._slug, self._run):
            self._slot = True
            self._choose()
        else:
            self._wait(self._queue_up())

    def _is_left_alone(self) -> bool:
        """Whether it need not wait for a place to be refused, which is told."""
        try:
            self._lane.pool.circuits.check(self._upstreams)
        except CircuitOpen as failure:
            self.give_up(left_alone(failure))
            return True
        return False

    def _reconnect(self) -> None:
        """As `_set_out` where the place is held already, on a fresh connection."""
        self._wait(self._connect())

    def _hold(self, connection: Connection, handler: Handler, data: bytes) -> bool:
        """Send what begins the request; False if it failed at its first byte, which is told."""
        self._carried = connection.exchanges
        self._instance = connection.instance
        self._connection = connection
        connection.handler = handler
        connection.exchanges += 1
        connection.write(data)
        if connection.closing:
            # Nothing was waiting to be sent, so this write failed at its first byte.
            self._fail("reset", "the connection was closed before anything was sent")
            return False
        self._written = True
        return True

    def _fed(self, data: bytes) -> bytes | None:
        """What bytes of the answer bring of its body, perhaps nothing; None if they are no answer,
        which is told.
        """
        try:
            piece = self._reader.feed(data)
        except InvalidAnswer as error:
            self._fail("invalid", str(error))
            return None
        self._reader.interim.clear()
        if self._lane.pool.circuits.known and not self._judged and self._reader.head is not None:
            self._judged = True
            self._lane.pool.circuits.answered(self._upstream, probe=self._probe)
            self._probe = False
        return piece

    def _let_go(self, connection: Connection, *, sent: bool) -> None:
        """The exchange is over: keep the connection if it may be used again.

        Args:
            sent: whether all of the request was handed to it.
        """
        reader = self._reader
        if sent and reader.reusable and not connection.unsent:
            connection.resume()
            self._lane.pool.release(connection, reader.frame.keep_for if reader.frame else None)
        elif sent and not connection.unsent:
            connection.close()
        else:
            connection.abort()
        self._connection = None

    def _failed(self, kind: FailureKind, detail: str) -> UpstreamFailure:
        """What went wrong; the connection is aborted."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        failure = UpstreamFailure(
            kind, detail, written=self._written, reused=self._reused, begun=self._reader.begun
        )
        if self._reader.head is None:
            self._lane.pool.circuits.failed(self._upstream, failure, probe=self._probe)
            self._probe = self._probe and failure.stale
        if failure.cut:
            self._lane.pool.doubt(self._upstream, self._instance)
        return failure

    def _tell(self, failure: UpstreamFailure) -> None:
        """Give up for a failure before an answer, once it may be told: see `Pool.doubt`."""
        why = refused(failure, self._timeout)
        fleet = self._lane.pool.fleets.get(self._upstream.host) if self._instance else None
        if fleet is not None and failure.cut:
            self._wait(self._give_up_settled(fleet, why))
        else:
            self.give_up(why)

    async def _give_up_settled(self, fleet: Fleet, why: Refusal) -> None:
        await fleet.settled(self._instance)
        self._task = None
        self.give_up(why)

    def _repeats(
        self, failure: UpstreamFailure, method: bytes, rule: RetryRule, *, bodiless: bool
    ) -> bool:
        """Whether to send the request again, on a fresh connection; counted if so."""
        if not self._reused or not may_retry(failure, method, rule, bodiless=bodiless):
            return False
        return self._lane.pool.circuits.may_retry(self._upstream, self._carried)

    @property
    def _reused(self) -> bool:
        """Whether the connection had carried an exchange before."""
        return self._carried > 0

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
        if self._probe:
            self._lane.pool.circuits.abandoned(self._upstream)
        if self._slot:
            self._lane.in_flight.release(self._slug)

    async def _queue_up(self) -> None:
        try:
            await self._lane.in_flight.acquire(self._slug, self._run)
        except Overloaded:
            self.give_up(overloaded())
            return
        self._slot = True
        self._task = None
        self._choose()

    def _choose(self) -> None:
        pool = self._lane.pool
        try:
            self._upstreams, self._probe = pool.circuits.choose(self._upstreams)
        except CircuitOpen as failure:
            self.give_up(left_alone(failure))
            return
        self._upstream = self._upstreams[0]
        connection = pool.take(self._upstream)
        if connection is None:
            self._wait(self._connect())
        else:
            self._send(connection)

    async def _connect(self) -> None:
        pool, seconds, first = self._lane.pool, self._lane.connect, self._upstreams[0]
        try:
            found = await pool.connect_any(self._upstreams, seconds, probe=self._probe)
        except UpstreamFailure as failure:
            self._probe = False
            self.give_up(refused(failure, self._timeout))
            return
        self._upstream, connection = found
        self._probe = self._probe and self._upstream is first
        self._task = None
        self._send(connection)
