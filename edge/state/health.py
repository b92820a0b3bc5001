"""Whether a function's upstream answers: asked at most once a second, shared by all askers."""

import asyncio
from collections.abc import Awaitable, Callable

from edge.forwarding.exchange import Exchange
from edge.forwarding.pool import Pool
from edge.forwarding.wire import Timeouts, UpstreamFailure, UpstreamRequest
from edge.functions import Upstream
from edge.state.instances import Instances

MAX_AGE = 1.0
"""Seconds for which a probe's result is good."""

Answers = Callable[[Upstream], Awaitable[bool]]


class Probe:
    """Asks an upstream: a connect, or `GET /__health` of a process that the edge runs.

    A sleeping function counts as answering, for it would be started; it is not woken, and a probe
    keeps none awake.

    Args:
        timeout: seconds to the connection, and again to the answer.
    """

    def __init__(self, pool: Pool, instances: Instances, timeout: float) -> None:
        self._pool = pool
        self._instances = instances
        self._timeout = timeout

    async def __call__(self, upstream: Upstream) -> bool:
        """Whether it answers; of a process any HTTP status will do."""
        try:
            if upstream.scheme == "run":
                return await self._is_well(upstream.host)
            self._pool.release(await self._pool.connect(upstream, self._timeout), None)
        except UpstreamFailure:
            return False
        return True

    async def _is_well(self, deployment: str) -> bool:
        address = self._instances.address(deployment)
        if address is None:
            return not self._instances.failed(deployment)
        fields = ((b"host", address.authority.encode()), (b"connection", b"close"))
        asked = UpstreamRequest(b"GET", b"/__health", fields)
        times = Timeouts(self._timeout, self._timeout, self._timeout)
        connection = await self._pool.connect(address, self._timeout)
        exchange = Exchange(self._pool, connection, asked, times)
        await exchange.begin()
        await exchange.aclose()
        return True


class Health:
    """Probes upstreams.

    Args:
        answers: asks one upstream, as `Probe` does.
        clock: a monotonic clock, seconds.
    """

    def __init__(self, answers: Answers, clock: Callable[[], float]) -> None:
        self._asks = answers
        self._clock = clock
        self._results: dict[Upstream, tuple[float, bool]] = {}
        self._probes: dict[Upstream, asyncio.Task[bool]] = {}

    async def answers(self, upstreams: tuple[Upstream, ...]) -> bool:
        """Whether any of a function's upstreams answers."""
        for upstream in upstreams:
            if await self._answers(upstream):
                return True
        return False

    async def _answers(self, upstream: Upstream) -> bool:
        probed, result = self._results.get(upstream, (float("-inf"), False))
        if self._clock() - probed < MAX_AGE:
            return result
        probe = self._probes.get(upstream)
        if probe is None:
            probe = asyncio.create_task(self._probe(upstream))
            self._probes[upstream] = probe
        return await asyncio.shield(probe)

    async def _probe(self, upstream: Upstream) -> bool:
        try:
            result = await self._asks(upstream)
            self._results[upstream] = (self._clock(), result)
            return result
        finally:
            del self._probes[upstream]

    def forget(self) -> None:
        """Drop every result: upstreams may have changed, and the table must not grow."""
        self._results.clear()
