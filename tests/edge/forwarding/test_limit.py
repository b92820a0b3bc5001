"""Places in flight: who gets one, who waits, who is turned away."""

import asyncio
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.limit import InFlight, Overloaded
from tests.support.upstream_calls import until


async def waiting(limit: InFlight, count: int) -> None:
    """Let tasks run until so many wait."""
    await until(lambda: limit.waiting("f") == count)


async def test_up_to_the_limit_nobody_waits_and_other_functions_are_not_touched() -> None:
    limit = InFlight(in_flight=2, queue=0)
    async with limit.slot("f"), limit.slot("f"):
        with pytest.raises(Overloaded, match="2 in flight and 0 waiting"):
            await limit.acquire("f")
        async with limit.slot("g"):
            assert limit.taken("f") == 2
    assert limit.taken("f") == limit.taken("g") == 0


async def test_places_are_given_in_the_order_of_asking() -> None:
    limit = InFlight(in_flight=1, queue=10)
    served: list[int] = []

    async def ask(number: int) -> None:
        async with limit.slot("f"):
            served.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, limit.slot("f"):
            for number in range(4):
                tasks.start_soon(ask, number)
                await waiting(limit, number + 1)
            assert not limit.try_acquire("f")
    assert served == [0, 1, 2, 3]


async def test_a_full_queue_turns_away_at_once() -> None:
    limit = InFlight(in_flight=1, queue=1)
    async with limit.slot("f"):
        waiter = asyncio.create_task(limit.acquire("f"))
        await waiting(limit, 1)
        with pytest.raises(Overloaded):
            await limit.acquire("f")
    await waiter
    assert limit.taken("f") == 1


async def test_waiting_ends_after_its_time() -> None:
    limit = InFlight(in_flight=1, queue=1, wait=0.01)
    async with limit.slot("f"):
        with pytest.raises(Overloaded, match=r"no place within 0\.01 s"):
            await limit.acquire("f")
        assert limit.waiting("f") == 0
    assert limit.taken("f") == 0


async def test_a_waiter_that_leaves_makes_no_hole() -> None:
    limit = InFlight(in_flight=1, queue=3)
    await limit.acquire("f")
    waiters = [asyncio.create_task(limit.acquire("f")) for _ in range(3)]
    await waiting(limit, 3)
    waiters[0].cancel()
    limit.release("f")
    with anyio.fail_after(5):
        await waiters[1]
    waiters[2].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    limit.release("f")
    assert limit.taken("f") == limit.waiting("f") == 0


async def test_a_place_given_to_a_waiter_that_leaves_at_that_moment_is_the_next_ones() -> None:
    limit = InFlight(in_flight=1, queue=3)
    await limit.acquire("f")
    waiters = [asyncio.create_task(limit.acquire("f")) for _ in range(2)]
    await waiting(limit, 2)
    limit.release("f")
    waiters[0].cancel()
    with anyio.fail_after(5):
        await asyncio.wait(waiters)
    assert waiters[0].cancelled()
    assert limit.taken("f") == 1
    limit.release("f")
    assert limit.taken("f") == 0


@given(st.lists(st.sampled_from(["ask", "finish", "leave"]), max_size=40), st.randoms())
def test_whatever_happens_places_are_neither_lost_nor_invented(
    steps: list[str], random: Random
) -> None:
    asyncio.run(_play(steps, random))


async def _play(steps: list[str], random: Random) -> None:
    limit = InFlight(in_flight=3, queue=4)
    asked: list[asyncio.Task[None]] = []
    inside: set[asyncio.Task[None]] = set()
    for step in steps:
        if step == "ask":
            asked.append(asyncio.create_task(limit.acquire("f")))
        elif step == "finish" and inside:
            inside.remove(random.choice(list(inside)))
            limit.release("f")
        elif step == "leave" and asked:
            random.choice(asked).cancel()
        if random.random() < 0.5:
            inside |= await _settled(asked)
            assert limit.taken("f") == len(inside) <= 3
    inside |= await _settled(asked)
    while inside or asked:
        for _ in tuple(inside):
            limit.release("f")
        inside = await _settled(asked)
    assert limit.taken("f") == limit.waiting("f") == 0


async def _settled(asked: list["asyncio.Task[None]"]) -> set["asyncio.Task[None]"]:
    """Let everything happen that can; those that have got their place."""
    for _ in range(5):
        await asyncio.sleep(0)
    done = [task for task in asked if task.done()]
    asked[:] = [task for task in asked if not task.done()]
    return {task for task in done if not task.cancelled() and task.exception() is None}
