"""One probe for many askers, good for a second."""

import anyio
import anyio.lowlevel
import pytest

from edge.functions import Upstream
from edge.state.health import Health

ONE = Upstream("http", "127.0.0.1", 9000)
OTHER = Upstream("http", "127.0.0.1", 9001)
BOUND = 5


class Probes:
    """Answers probes as a test says, at a time that it says."""

    def __init__(self, *up: Upstream) -> None:
        self.up = set(up)
        self.made: list[Upstream] = []
        self.now = 100.0
        self.gate: anyio.Event | None = None
        self.health = Health(self.connects, lambda: self.now)

    async def connects(self, upstream: Upstream) -> bool:
        self.made.append(upstream)
        if self.gate is not None:
            await self.gate.wait()
        return upstream in self.up


async def test_a_result_is_good_for_a_second() -> None:
    probes = Probes(ONE)
    assert await probes.health.answers((ONE,))
    probes.up.clear()
    probes.now += 0.999
    assert await probes.health.answers((ONE,))
    probes.now += 0.001
    assert not await probes.health.answers((ONE,))
    assert not await probes.health.answers((ONE,))
    assert len(probes.made) == 2


async def test_askers_at_the_same_time_share_one_probe() -> None:
    probes = Probes(ONE)
    probes.gate = anyio.Event()
    results: list[bool] = []

    async def ask() -> None:
        results.append(await probes.health.answers((ONE,)))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            for _ in range(10):
                askers.start_soon(ask)
            while not probes.made:
                await anyio.lowlevel.checkpoint()
            probes.gate.set()
    assert results == [True] * 10
    assert len(probes.made) == 1


async def test_an_asker_who_leaves_takes_the_probe_from_nobody() -> None:
    probes = Probes(ONE)
    probes.gate = anyio.Event()
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as leavers:
            leavers.start_soon(probes.health.answers, (ONE,))
            while not probes.made:
                await anyio.lowlevel.checkpoint()
            leavers.cancel_scope.cancel()
        probes.gate.set()
        assert await probes.health.answers((ONE,))
    assert len(probes.made) == 1


async def test_any_of_a_functions_upstreams_is_enough() -> None:
    probes = Probes(OTHER)
    assert await probes.health.answers((ONE, OTHER))
    assert not await probes.health.answers((ONE,))
    assert not await probes.health.answers(())
    assert probes.made == [ONE, OTHER]


async def test_a_probe_that_fails_unexpectedly_is_tried_again() -> None:
    calls = 0

    async def breaking(upstream: Upstream) -> bool:
        nonlocal calls
        calls += 1
        raise RuntimeError("boom")

    health = Health(breaking, lambda: 0.0)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await health.answers((ONE,))
    assert calls == 2


async def test_what_is_forgotten_is_probed_again() -> None:
    probes = Probes(ONE)
    assert await probes.health.answers((ONE,))
    probes.health.forget()
    assert await probes.health.answers((ONE,))
    assert len(probes.made) == 2
