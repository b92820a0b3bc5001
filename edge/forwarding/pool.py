"""The pool of upstream connections: reuse, ageing, choice among addresses, and the retry rule.

`exchange` is for callers that await; `order`, `take`, `connect_any` and `release` are what it is
made of, for a lane that has handlers of its own.
"""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from edge.forwarding.answer import UpstreamAnswer
from edge.forwarding.connect import Contexts, open_connection
from edge.forwarding.connection import Connection
from edge.forwarding.exchange import Exchange, InterimCallback
from edge.forwarding.fleet import Fleet, Fleets, Process
from edge.forwarding.sweep import Sweep
from edge.forwarding.wire import PIECE, RetryRule, Timeouts, UpstreamFailure, UpstreamRequest
from edge.functions import Upstream

_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})

CLOSING = 1.0
"""Seconds for which the loop may take to drop connections that were aborted."""

TURNS = 4096
"""Groups of addresses whose turn is remembered."""

RequestFor = Callable[[Upstream], UpstreamRequest]
"""Makes the request for the address that was chosen: `Host` and base path depend on it."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How long and how many connections are kept.

    Attributes:
        idle: seconds without an exchange; less if the upstream's `Keep-Alive` says so.
        age: seconds since it was opened after which a connection is not used again.
        idle_count: idle connections kept for one address.
        shun: seconds for which an address that did not connect is tried after the others.
        start: seconds for which a request waits for a process that the edge runs.
    """

    idle: float = 55.0
    age: float = 600.0
    idle_count: int = 256
    shun: float = 5.0
    start: float = 30.0


class Pool:
    """Connections to upstreams, of one event loop.

    Attributes:
        fleets: the processes of functions that the edge runs; filled by whoever knows them.
    """

    def __init__(self, limits: PoolLimits | None = None) -> None:
        self.limits = limits or PoolLimits()
        self.sweep = Sweep()
        self.inbox = memoryview(bytearray(PIECE))
        self._contexts = Contexts()
        self._idle: dict[Hashable, list[Connection] | Fleet] = {}
        self.fleets = Fleets(self._idle)
        self._turn: dict[tuple[Upstream, ...], int] = {}
        self._shunned: dict[Upstream, float] = {}
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
            upstream: an address, or several: taken in turn, the first that connects.
            request: with several addresses mostly a function of the one that was chosen.

        Raises:
            UpstreamFailure: no answer came.
            InvalidRequest: the request cannot be written as HTTP/1.1; nothing was sent.
            BodyMismatch: the request's body did not have its declared length.
            Exception: whatever the request's body raised while it was read.
        """
        choices = self.order(upstream) if isinstance(upstream, tuple) else (upstream,)
        choice = choices[0]
        sending = _for(request, choice)
        connection = self.take(choice)
        if connection is not None:
            try:
                exchange = Exchange(self, connection, sending, timeouts, on_interim)
                return UpstreamAnswer(exchange, choice, *await exchange.begin())
            except UpstreamFailure as failure:
                if not may_retry(failure, sending.method, retry, bodiless=sending.bodiless):
                    raise
        choice, connection = await self.connect_any(choices, timeouts.connect)
        if choice is not choices[0]:
            sending = self._remade(connection, request, choice)
        exchange = Exchange(self, connection, sending, timeouts, on_interim)
        return UpstreamAnswer(exchange, choice, *await exchange.begin())

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
        connection = await open_connection(upstream, self, key, self._contexts, timeout)
        if connection.closing:
            raise UpstreamFailure("unreachable", "the connection was closed at once")
        if self._closing:
            connection.abort()
            raise UpstreamFailure("unreachable", "the edge is shutting down")
        self.sweep.members.add(connection)
        return connection

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

    @property
    def unsent(self) -> int:
        """Bytes of requests that the kernel has not taken yet, over all connections."""
        return sum(connection.unsent for connection in self._members())

    # For connections.

    def gone(self, connection: Connection) -> None:
        """See `connection.Owner`."""
        self.sweep.members.discard(connection)
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

    def order(self, upstreams: tuple[Upstream, ...]) -> tuple[Upstream, ...]:
        """Each begins in its turn; those that failed a moment ago come last."""
        if len(upstreams) == 1:
            return upstreams
        if len(self._turn) > TURNS:
            self._turn.clear()
        turn = self._turn.get(upstreams, 0)
        self._turn[upstreams] = (turn + 1) % len(upstreams)
        order = upstreams[turn:] + upstreams[:turn]
        if self._shunned:
            now = asyncio.get_running_loop().time()
            self._shunned = {u: until for u, until in self._shunned.items() if until > now}
            order = tuple(sorted(order, key=self._shunned.__contains__))
        return order

    async def connect_any(
        self, choices: tuple[Upstream, ...], timeout: float
    ) -> tuple[Upstream, Connection]:
        """The first that connects within `timeout` seconds; a sole one is tried twice in them.

        Raises:
            UpstreamFailure: `unreachable`, all of them.
        """
        loop = asyncio.get_running_loop()
        sole = len(choices) == 1
        if sole and choices[0].scheme == "run":
            return choices[0], await self.connect(choices[0], timeout)
        ends = loop.time() + timeout
        failure = UpstreamFailure("unreachable", "there is no address")
        for choice in choices * 2 if sole else choices:
            try:
                return choice, await self.connect(choice, timeout)
            except UpstreamFailure as error:
                failure = error
            if not sole:
                self._shunned[choice] = loop.time() + self.limits.shun
            elif (timeout := ends - loop.time()) <= 0:
                break
        raise failure


def may_retry(failure: UpstreamFailure, method: bytes, rule: RetryRule, *, bodiless: bool) -> bool:
    """Whether a request that failed on a connection may be sent again on a fresh one."""
    if not failure.written:
        return True
    stale = failure.kind == "reset" and failure.reused and not failure.begun
    return stale and bodiless and method in _REPEATABLE and rule is RetryRule.SAFE


def _for(request: UpstreamRequest | RequestFor, upstream: Upstream) -> UpstreamRequest:
    return request if isinstance(request, UpstreamRequest) else request(upstream)
