"""Processes of functions that the edge runs, in the pool: who waits, which is chosen, what ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge.forwarding.homes import short
from edge.forwarding.limit import InFlight, Overloaded
from edge.forwarding.pool import Pool, PoolLimits
from edge.forwarding.process import Place
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Run, Scale, Upstream
from tests.support import origin
from tests.support.origin import OK, Origin, answering, serving
from tests.support.upstream_calls import call, pooled, read, until

DEPLOYMENT = Upstream("run", host="dep_1")


def place(server: Origin, instance: str = "a", concurrency: int | None = None) -> Place:
    """Where a server is, as a process."""
    return Place(instance, server.upstream, concurrency)


async def asked(pool: Pool, upstream: Upstream = DEPLOYMENT) -> bytes:
    """The whole answer to a request."""
    return await read(await call(pool, upstream))


async def test_two_thousand_waiters_stir_once_and_are_all_served(tmp_path: Path) -> None:
    async with serving(answering(OK), path=tmp_path / "a") as server, pooled() as pool:
        asking = [asyncio.create_task(asked(pool)) for _ in range(2000)]
        fleet = pool.fleets.of("dep_1")
        await until(lambda: fleet.waiting == 2000)
        pool.fleets.stirred.clear()
        asking.append(asyncio.create_task(asked(pool)))
        await until(lambda: fleet.waiting == 2001)
        assert not pool.fleets.stirred.is_set()
        fleet.joins(place(server))
        assert set(await asyncio.gather(*asking)) == {b"ok"}
        assert fleet.active == 0


async def test_a_full_queue_of_connections_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    served = Origin(answering(OK), Upstream("unix", socket=path))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(1)
        async with pooled() as pool:
            asking = [asyncio.create_task(asked(pool, served.upstream)) for _ in range(50)]
            await asyncio.sleep(0.01)  # the queue holds two, whoever is behind them tries again
            server = await asyncio.start_unix_server(served.accept, sock=listening, backlog=1)
            assert set(await asyncio.gather(*asking)) == {b"ok"}
            server.close()
            await served.stop()


async def test_waiting_for_a_process_ends_after_its_time() -> None:
    async with pooled(PoolLimits(start=0.05)) as pool:
        with pytest.raises(UpstreamFailure, match="not started") as caught:
            await call(pool, DEPLOYMENT)
        assert (caught.value.kind, caught.value.written) == ("unreachable", False)
        assert pool.fleets.of("dep_1").waiting == 0
        pool.fleets.tidy()
        assert len(pool.fleets) == 0


async def test_a_pool_that_closes_lets_nobody_wait() -> None:
    pool = Pool()
    asking = asyncio.create_task(call(pool, DEPLOYMENT))
    await until(lambda: pool.fleets.of("dep_1").waiting)
    await pool.aclose()
    with pytest.raises(UpstreamFailure, match="shutting down"):
        await asking


@asynccontextmanager
async def holding(tmp_path: Path, name: str) -> AsyncIterator[tuple[Origin, asyncio.Event]]:
    """A process that answers when it is told."""
    finish = asyncio.Event()

    async def holds(visit: origin.Visit) -> None:
        while True:
            await visit.request()
            await finish.wait()
            await visit.send(OK)

    async with serving(holds, path=tmp_path / name) as server:
        yield server, finish


async def test_requests_beyond_what_a_process_takes_wait_and_then_give_up(tmp_path: Path) -> None:
    async with holding(tmp_path, "a") as (server, finish), pooled(PoolLimits(start=0.3)) as pool:
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(server, concurrency=2))
        first = [asyncio.create_task(asked(pool)) for _ in range(2)]
        await until(lambda: len(server.seen) == 2)
        third = asyncio.create_task(asked(pool))
        await until(lambda: fleet.waiting == 1)
        with pytest.raises(UpstreamFailure) as caught:
            await third
        assert caught.value.kind == "overloaded"
        fourth = asyncio.create_task(asked(pool))
        await until(lambda: fleet.waiting == 1)
        finish.set()
        assert await asyncio.gather(*first, fourth) == [b"ok"] * 3


async def test_who_waits_and_leaves_takes_no_place_with_it(tmp_path: Path) -> None:
    async with holding(tmp_path, "a") as (server, finish), pooled() as pool:
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(server, concurrency=1))
        first = asyncio.create_task(asked(pool))
        await until(lambda: server.seen)
        waiters = [asyncio.create_task(asked(pool)) for _ in range(3)]
        await until(lambda: fleet.waiting == 3)
        waiters[0].cancel()
        await until(lambda: fleet.waiting == 2)
        finish.set()
        assert await asyncio.gather(first, *waiters[1:]) == [b"ok"] * 3
        assert fleet.active == 0


async def test_a_leaving_process_is_still_only_when_nothing_is_in_flight_there(
    tmp_path: Path,
) -> None:
    async with holding(tmp_path, "a") as (server, finish), pooled() as pool:
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(server))
        asking = asyncio.create_task(asked(pool))
        await until(lambda: server.seen)
        assert fleet.leaves("a")
        assert [fleet.still() for _ in range(3)] == [[], [], []]
        finish.set()
        assert await asking == b"ok"
        await until(lambda: pool.open_count == 0)
        assert [fleet.still() for _ in range(3)] == [[], ["a"], []]
        assert not fleet.leaves("a")
        assert fleet.over


async def test_a_leaving_process_takes_what_nothing_else_can_take(tmp_path: Path) -> None:
    async with serving(answering(OK), path=tmp_path / "a") as server, pooled() as pool:
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(server))
        fleet.leaves("a")
        asking = asyncio.create_task(asked(pool))
        await until(lambda: fleet.waiting)
        fleet.still()
        assert fleet.still() == []  # somebody may need it yet
        fleet.fails("not live any more")
        assert await asking == b"ok"


async def test_a_failure_of_a_further_process_harms_nobody(tmp_path: Path) -> None:
    async with holding(tmp_path, "a") as (server, finish), pooled() as pool:
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(server, concurrency=1))
        asking = [asyncio.create_task(asked(pool)) for _ in range(2)]
        await until(lambda: server.seen and fleet.waiting)
        fleet.fails("no memory")
        finish.set()
        assert await asyncio.gather(*asking) == [b"ok"] * 2
        assert fleet.failure == ""


async def test_other_addresses_keep_their_connections(tmp_path: Path) -> None:
    async with (
        serving(answering(OK), path=tmp_path / "a") as process,
        serving(answering(OK)) as plain,
        pooled() as pool,
    ):
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(process))
        for _ in range(3):
            await asked(pool)
            await asked(pool, plain.upstream)
        assert (process.visits, plain.visits) == (1, 1)
        fleet.ends("a")
        await until(lambda: pool.open_count == 1)
        pool.fleets.tidy()
        await asked(pool, plain.upstream)
        assert (plain.visits, len(pool.fleets)) == (1, 0)


@pytest.mark.parametrize(
    ("scale", "workers", "places"),
    [
        (Scale(maximum=1, concurrency=2), 1, 2),
        (Scale(maximum=3, concurrency=2), 1, 6),
        (Scale(maximum=2, concurrency=5), 2, 6),
        (Scale(maximum=1, concurrency=1), 4, 1),
        (Scale(maximum=64, concurrency=100), 1, 8),
        (Scale(maximum=2), 1, 8),
    ],
)
async def test_a_function_has_as_many_places_as_its_processes_take(
    scale: Scale, workers: int, places: int
) -> None:
    limit = InFlight(in_flight=8, queue=0, workers=workers)
    run = Run(command=("serve",), scale=scale)
    for _ in range(places):
        assert limit.try_acquire("f", run)
    assert not limit.try_acquire("f", run)
    with pytest.raises(Overloaded, match=f"{places} in flight"):
        await limit.acquire("f", run)


async def test_a_request_for_one_process_goes_there_for_as_long_as_it_takes_requests(
    tmp_path: Path,
) -> None:
    async with (
        serving(answering(OK), path=tmp_path / "a") as one,
        serving(answering(OK), path=tmp_path / "b") as other,
        pooled() as pool,
    ):
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(one, "a"))
        fleet.joins(place(other, "b"))
        there = replace(DEPLOYMENT, socket=short("b"))
        for _ in range(3):
            answer = await call(pool, there)
            assert (await read(answer), answer.instance) == (b"ok", "b")
        assert (one.visits, other.visits, pool.open_count) == (0, 1, 1)
        fleet.leaves("b")
        answer = await call(pool, there)
        assert (await read(answer), answer.instance) == (b"ok", "a")


async def test_who_waits_for_one_process_keeps_nobody_from_another(tmp_path: Path) -> None:
    async with (
        holding(tmp_path, "a") as (one, finish_one),
        holding(tmp_path, "b") as (other, finish_other),
        pooled() as pool,
    ):
        fleet = pool.fleets.of("dep_1")
        fleet.joins(place(one, "a", concurrency=1))
        fleet.joins(place(other, "b", concurrency=1))
        busy = [asyncio.create_task(asked(pool)) for _ in range(2)]
        await until(lambda: one.seen and other.seen)
        particular = asyncio.create_task(asked(pool, replace(DEPLOYMENT, socket=short("a"))))
        await until(lambda: fleet.waiting == 1)
        anyone = asyncio.create_task(asked(pool))
        await until(lambda: fleet.waiting == 2)
        finish_other.set()
        assert await anyone == b"ok"
        assert not particular.done()
        finish_one.set()
        assert await asyncio.gather(particular, *busy) == [b"ok"] * 3
