"""Whether a function's upstream answers: a connect, at most once a second, shared by all askers."""

import asyncio
from collections.abc import Awaitable, Callable

from edge.functions import Upstream

MAX_AGE = 1.0
"""Seconds for which a probe's result is good."""

Connects = Callable[[Upstream], Awaitable[bool]]


class Health:
    """Probes upstreams.

    Args:
        connects: opens a connection and closes it; whether that worked.
        clock: a monotonic clock, seconds.
    """

    def __init__(self, connects: Connects, clock: Callable[[], float]) -> None:
        self._connects = connects
        self._clock = clock
        self._results: dict[Upstream, tuple[float, bool]] = {}
        self._probes: dict[Upstream, asyncio.Task[bool]] = {}

    async def answers(self, upstreams: tuple[Upstream, ...]) -> bool:
        """Whether any of a function's upstreams accepts a connection."""
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
            result = await self._connects(upstream)
            self._results[upstream] = (self._clock(), result)
            return result
        finally:
            del self._probes[upstream]

    def forget(self) -> None:
        """Drop every result: upstreams may have changed, and the table must not grow."""
        self._results.clear()
