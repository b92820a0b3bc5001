"""The pool of upstream connections: reuse, ageing, failover, and the retry rule.

`exchange` is for callers that await; `circuits`, `take`, `connect_any` and `release` are what it is
made of, for a lane that has handlers of its own.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from edge.forwarding.answer import UpstreamAnswer
from edge.forwarding.breaker import USUAL, BreakerLimits
from edge.forwarding.circuits import Circuits
from edge.forwarding.connect import Contexts, open_connection
from edge.forwarding.connection import Connection
from edge.forwarding.exchange import Exchange, InterimCallback
from edge.forwarding.fleet import Fleet, Fleets
from edge.forwarding.names import Names
from edge.forwarding.process import Process
from edge.forwarding.sweep import Sweep
from edge.forwarding.wire import PIECE, RetryRule, Timeouts, UpstreamFailure, UpstreamRequest
from edge.functions import Upstream

_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})

CLOSING = 1.0
"""Seconds for which the loop may take to drop connections that were aborted."""

PROBE = 0.5
"""Share of the time to a connection that a probe has which may go to another address instead."""

RequestFor = Callable[[Upstream], UpstreamRequest]
"""Makes the request for the address that was chosen: `Host` and base path depend on it."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How long and how many connections are kept.

    Attributes:
        idle: seconds without an exchange; less if the upstream's `Keep-Alive` says so.
        age: seconds since it was opened after which a connection is not used again.
        idle_count: idle connections kept for one address.
        start: seconds for which a request waits for a process that the edge runs.
        circuits: when addresses that fail are left alone, and how much is repeated.
    """

    idle: float = 55.0
    age: float = 600.0
    idle_count: int = 256
    start: float = 30.0
    circuits: BreakerLimits = USUAL


class Pool:
    """Connections to upstreams, of one event loop.

    Attributes:
        circuits: which addresses take requests.
        fleets: the processes of functions that the edge runs; filled by whoever knows them.
    """

    def __init__(
        self, limits: PoolLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits or PoolLimits()
        self.circuits = Circuits(self.limits.circuits, clock, self.load)
        self.sweep = Sweep()
        self.inbox = memoryview(bytearray(PIECE))
        self._contexts = Contexts()
        self._names = Names()
        self._idle: dict[Hashable, list[Connection] | Fleet] = {}
        self.fleets = Fleets(self._idle)
        self._made: Counter[Hashable] = Counter()
        self._closing = False
        self._emptied: asyncio.Event | None = None

    async def exchange(
        self,
        upstream: Upstream | tuple[Upstream, ...],
        request: UpstreamRequest | RequestFor,
        timeouts: Timeouts,
        *,
        retry: RetryRule = RetryRule.SAFE,
        on_interim: InterimCallback | None = None,
    ) -> UpstreamAnswer:
        """Send a request and wait for its answer's head.

        The caller reads the answer's body to its end or calls `aclose`; cancelling this call
        aborts the request.

        Args:
            upstream: an address, or several: see `Circuits.choose`; the first that connects.
            request: with several addresses mostly a function of the one that was chosen.

        Raises:
            UpstreamFailure: no answer came; `CircuitOpen`, nothing was tried.
            InvalidRequest: the request cannot be written as HTTP/1.1; nothing was sent.
            BodyMismatch: the request's body did not have its declared length.
            Exception: whatever the request's body raised while it was read.
        """
        upstreams = upstream if isinstance(upstream, tuple) else (upstream,)
        choices, probe = self.circuits.choose(upstreams)
        asking = _Asking(request, timeouts, retry, on_interim, choices, probe)
        try:
            return await self._ask(asking)
        except BaseException:
            if probe:
                self.circuits.abandoned(choices[0])
            raise

    async def _ask(self, asking: "_Asking") -> UpstreamAnswer:
        choices, probe, choice = asking.choices, asking.probe, asking.choices[0]
        sending = _for(asking.request, choice)
        connection = self.take(choice)
        if connection is not None:
            carried = connection.exchanges
            try:
                return await self._answer(asking, connection, sending, choice)
            except UpstreamFailure as failure:
                rule, bodiless = asking.retry, sending.bodiless
                if not may_retry(failure, sending.method, rule, bodiless=bodiless):
                    raise
                if not self.circuits.may_retry(choice, carried):
                    raise
        connect = asking.timeouts.connect
        choice, connection = await self.connect_any(choices, connect, probe=probe)
        if choice is not choices[0]:
            sending = self._remade(connection, asking.request, choice)
        return await self._answer(asking, connection, sending, choice)

    async def _answer(
        self, asking: "_Asking", connection: Connection, sending: UpstreamRequest, choice: Upstream
    ) -> UpstreamAnswer:
        """One exchange up to its answer's head; what came of it is told to the circuits."""
        probe = asking.probe and choice is asking.choices[0]
        exchange = Exchange(self, connection, sending, asking.timeouts, asking.on_interim)
        try:
            answer = UpstreamAnswer(exchange, choice, *await exchange.begin())
        except UpstreamFailure as failure:
            self.circuits.failed(choice, failure, probe=probe)
            fleet = self.doubt(choice, exchange.instance) if failure.cut else None
            if fleet is not None:
                await fleet.settled(exchange.instance)
            raise
        self.circuits.answered(choice, probe=probe)
        return answer

    def take(self, upstream: Upstream) -> Connection | None:
        """An idle connection, the one used last; its handler is the caller's to set."""
        idle = self._idle.get(upstream.key)
        while idle:
            connection = idle.pop()
            if not connection.closing:
                connection.deadline = inf
                return connection
        if upstream.scheme == "run" and upstream.socket:
            return self._take_at(upstream)
        return None

    def _take_at(self, upstream: Upstream) -> Connection | None:
        """An idle connection to the process that an address of a function names."""
        fleet = self.fleets.of(upstream.host)
        while (connection := fleet.pop_at(upstream.socket)) is not None:
            if not connection.closing:
                connection.deadline = inf
                return connection
        return None

    async def connect(self, upstream: Upstream, timeout: float) -> Connection:
        """A new connection, its TLS handshake done, within `timeout` seconds.

        To a function that the edge runs those seconds begin when a process takes the request.

        Raises:
            UpstreamFailure: `unreachable`; `overloaded`, no process takes the request.
        """
        if upstream.scheme == "run":
            return await self._connect_process(upstream, timeout)
        return await self._open(upstream, upstream.key, timeout)

    async def _connect_process(self, upstream: Upstream, timeout: float) -> Connection:
        """A connection to a process of a deployment; if that does not take it, perhaps another."""
        fleet, patience, wanted = self.fleets.of(upstream.host), self.limits.start, upstream.socket
        process = await fleet.reserve(patience, wanted)
        with suppress(UpstreamFailure):
            return await self._reach(fleet, process, timeout)
        process = await fleet.reserve(patience, wanted)
        return await self._reach(fleet, process, timeout)

    async def _reach(self, fleet: Fleet, process: Process, timeout: float) -> Connection:
        try:
            connection = await self._open(process.place.upstream, fleet.key, timeout)
        except BaseException as error:
            fleet.missed(process, refused=isinstance(error, UpstreamFailure))
            raise
        fleet.opened(process, connection)
        return connection

    async def _open(self, upstream: Upstream, key: Hashable, timeout: float) -> Connection:
        if self._closing:
            raise UpstreamFailure("unreachable", "the edge is shutting down")
        self._made[key] += 1
        try:
            connection = await open_connection(
                upstream, self, key, self._contexts, self._names, timeout
            )
            if connection.closing:
                raise UpstreamFailure("unreachable", "the connection was closed at once")
            if self._closing:
                connection.abort()
                raise UpstreamFailure("unreachable", "the edge is shutting down")
        except BaseException:
            self._unmade(key)
            raise
        self.sweep.members.add(connection)
        return connection

    def _unmade(self, key: Hashable) -> None:
        """A connection is no more, or did not come to be."""
        self._made[key] -= 1
        if not self._made[key]:
            del self._made[key]

    def doubt(self, upstream: Upstream, instance: str) -> Fleet | None:
        """A request was cut off where this leads; the fleet of which that is a process, if any.

        Nobody is to be told before its `settled`: who then asks again, by whichever worker, finds
        the process wholly gone if that was its end, and not a queue that dies with it.
        """
        fleet = self.fleets.get(upstream.host) if upstream.scheme == "run" else None
        if fleet is not None:
            fleet.doubt(instance)
        return fleet

    def release(self, connection: Connection, keep_for: float | None) -> None:
        """Take a connection back whose exchange ended exactly, or that was not used.

        Args:
            keep_for: seconds that the upstream says it keeps it idle, or None.
        """
        connection.handler = None
        now = connection.loop.time()
        allowed = self.limits.idle
        if keep_for is not None:
            # Be gone before the upstream is: a second earlier, or half of what is very short.
            allowed = min(allowed, max(keep_for - 1, keep_for / 2))
        idle = self._idle.setdefault(connection.key, [])
        worn = now - connection.born >= self.limits.age or allowed <= 0
        if worn or self._closing or connection.closing or len(idle) >= self.limits.idle_count:
            connection.close()
            return
        idle.append(connection)
        connection.set_deadline(now + allowed)

    async def aclose(self) -> None:
        """Abort every connection, those in use too, and take no more requests."""
        self._closing = True
        for _, fleet in self.fleets:
            fleet.fails("the edge is shutting down")
        members = self._members()
        if members:
            self._emptied = asyncio.Event()
            for connection in members:
                connection.cut()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await self._emptied.wait()
        self.sweep.stop()

    @property
    def open_count(self) -> int:
        """Connections that stand, idle ones included."""
        return len(self.sweep.members)

    def load(self, upstream: Upstream) -> int:
        """Requests and streams in flight to an address, those that are connecting included."""
        key = upstream.key
        return self._made.get(key, 0) - len(self._idle.get(key, ()))

    @property
    def unsent(self) -> int:
        """Bytes of requests that the kernel has not taken yet, over all connections."""
        return sum(connection.unsent for connection in self._members())

    # For connections.

    def gone(self, connection: Connection) -> None:
        """See `connection.Owner`."""
        if connection in self.sweep.members:
            self.sweep.members.remove(connection)
            self._unmade(connection.key)
        idle = self._idle.get(connection.key)
        if isinstance(idle, Fleet):
            idle.gone(connection)
        elif idle is not None:
            if connection in idle:
                idle.remove(connection)
            if not idle:
                del self._idle[connection.key]
        if self._emptied is not None and not self.sweep.members:
            self._emptied.set()

    def _members(self) -> list[Connection]:
        return [member for member in self.sweep.members if isinstance(member, Connection)]

    # Choosing among addresses.

    def _remade(
        self, connection: Connection, request: UpstreamRequest | RequestFor, choice: Upstream
    ) -> UpstreamRequest:
        """The request for another address than it was made for first."""
        try:
            return _for(request, choice)
        except BaseException:
            self.release(connection, None)
            raise

    async def connect_any(
        self, choices: tuple[Upstream, ...], timeout: float, *, probe: bool = False
    ) -> tuple[Upstream, Connection]:
        """The first that connects within `timeout` seconds; a sole one is tried twice in them.

        Args:
            probe: whether the first is tried to see if it is well again.

        Raises:
            UpstreamFailure: `unreachable`, all of them.
        """
        if len(choices) == 1:
            return choices[0], await self._connect_sole(choices[0], timeout, probe=probe)
        failure = UpstreamFailure("unreachable", "there is no address")
        for choice in choices:
            trial = probe and choice is choices[0]
            try:
                connection = await self.connect(choice, timeout * PROBE if trial else timeout)
            except UpstreamFailure as error:
                failure = error
                self.circuits.failed(choice, error, probe=trial, spare=True)
            else:
                self.circuits.connected(choice, probe=trial)
                return choice, connection
        raise failure

    async def _connect_sole(self, choice: Upstream, timeout: float, *, probe: bool) -> Connection:
        if choice.scheme == "run":
            return await self.connect(choice, timeout)
        try:
            connection = await self._connect_twice(choice, timeout)
        except UpstreamFailure as error:
            self.circuits.failed(choice, error, probe=probe)
            raise
        self.circuits.connected(choice, probe=probe)
        return connection

    async def _connect_twice(self, choice: Upstream, timeout: float) -> Connection:
        ends = asyncio.get_running_loop().time() + timeout
        try:
            return await self.connect(choice, timeout)
        except UpstreamFailure:
            left = ends - asyncio.get_running_loop().time()
            if left <= 0 or not self.circuits.may_retry(choice):
                raise
        return await self.connect(choice, left)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What one call of `Pool.exchange` is about; `probe`: whether going to the first is one."""

    request: UpstreamRequest | RequestFor
    timeouts: Timeouts
    retry: RetryRule
    on_interim: InterimCallback | None
    choices: tuple[Upstream, ...]
    probe: bool


def may_retry(failure: UpstreamFailure, method: bytes, rule: RetryRule, *, bodiless: bool) -> bool:
    """Whether a request that failed on a connection may be sent again on a fresh one."""
    if not failure.written:
        return True
    return failure.stale and bodiless and method in _REPEATABLE and rule is RetryRule.SAFE


def _for(request: UpstreamRequest | RequestFor, upstream: Upstream) -> UpstreamRequest:
    return request if isinstance(request, UpstreamRequest) else request(upstream)
