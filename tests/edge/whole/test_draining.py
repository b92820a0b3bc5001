"""A worker that is told to end: what has begun finishes, what comes then is told so."""

import anyio
import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import Answer
from tests.support.origin import OK, Origin, Visit


async def waits(visit: Visit) -> None:
    """Answers on cue."""
    await visit.request()
    await visit.origin.cue.wait()
    await visit.send(OK)


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
async def test_requests_that_have_begun_finish(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    origin.behaviour = waits
    edge.deploy(origin.upstream)
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await Caller(edge, version).ask())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
        await until(lambda: len(origin.seen) == 3)
        tasks.start_soon(edge.server.drain)
        await until(lambda: edge.edge.state.draining)
        origin.cue.set()
    assert [(answer.status, answer.whole) for answer in answers] == [(200, True)] * 3
    if version == "1.1":
        assert answers[0].one("connection") == "close"


async def test_readiness_flips_and_liveness_does_not(edge: EdgeInProcess, origin: Origin) -> None:
    origin.behaviour = waits
    edge.deploy(origin.upstream)
    caller = Caller(edge, "1.1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller.ask)
        await until(lambda: origin.seen)
        tasks.start_soon(edge.server.drain)
        await until(lambda: edge.edge.state.draining)
        ready = await caller.ask("/__edge/ready", token=None, host="localhost")
        live = await caller.ask("/__edge/live", token=None, host="localhost")
        origin.cue.set()
    assert (ready.status, ready.json["status"]) == (503, "draining")
    assert live.status == 200


async def test_idle_connections_are_closed(edge: EdgeInProcess, origin: Origin) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as http1, edge.http2() as http2:
        assert (await http1.ask("/__edge/live", host="localhost")).status == 200
        assert (await http2.ask("/__edge/live", host="localhost")).status == 200
        await edge.server.drain()
        assert await http1.ending() == "closed"
        await until(lambda: http2.gone)
        assert http2.going_away


async def test_a_connection_that_is_kept_open_is_closed_behind_its_answer(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = waits
    edge.deploy(origin.upstream)
    async with edge.http1() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(Caller(edge, "1.1").ask)
        await until(lambda: origin.seen)
        assert (await client.ask("/__health", fields=[(TOKEN, "x")])).status == 200
        tasks.start_soon(edge.server.drain)
        assert await client.ending() == "closed"
        origin.cue.set()
