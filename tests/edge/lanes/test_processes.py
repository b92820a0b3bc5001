"""Functions that the edge runs, on each lane: waking, redeploys, limits, health."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wsproto.events import Message

from edge.running.protocol import Clear, Need
from edge.state import instances
from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.fake_runner import FakeRunner, deploy_run, runner, saying
from tests.support.origin import Behaviour, Visit, resets_before_head
from tests.support.websockets import connected, echo, speaks


@dataclass
class World:
    """An edge with a runner."""

    edge: EdgeInProcess
    runner: FakeRunner

    @property
    def caller(self) -> Caller:
        """Asks the function."""
        return Caller(self.edge, "1.1")

    async def asked(self, **more: Any) -> tuple[int, bytes]:
        """Status and body of one request."""
        answer = await self.caller.ask(**more)
        return answer.status, bytes(answer.body)


async def nothing(_: str) -> None:
    """No process is started."""


async def holds(visit: Visit) -> None:
    """Takes a request and never answers."""
    await visit.request()
    await visit.gone()


@pytest.fixture(params=[False, True], ids=["asgi", "fast"])
def lane(request: Any) -> bool:
    """Whether there is a fast lane."""
    return bool(request.param)


@pytest.fixture
async def world(lane: bool, tmp_path: Path) -> AsyncIterator[World]:
    """An edge on one lane, and a runner whose processes answer `one`."""
    async with (
        runner(tmp_path / "data", saying(b"one")) as fake,
        running(tmp_path, fast_lane=lane, queue=10, queue_timeout=5.0) as edge,
    ):
        yield World(edge, fake)


async def test_the_first_request_wakes_a_function_and_the_next_finds_it_awake(
    world: World,
) -> None:
    deploy_run(world.edge)
    for _ in range(3):
        assert await world.asked() == (200, b"one")
    assert world.runner.needs == 1


async def test_many_at_once_start_one_process(world: World) -> None:
    deploy_run(world.edge)
    answers = await asyncio.gather(*(world.asked() for _ in range(200)))
    assert set(answers) == {(200, b"one")}
    assert len(world.runner.processes) == world.runner.needs == 1


async def test_a_function_that_does_not_start_is_unreachable_and_does_not_say_why(
    world: World,
) -> None:
    deploy_run(world.edge)
    world.runner.on_need = world.runner.fails("ModuleNotFoundError: secret_place")
    for attempt in (1, 2):
        answer = await world.caller.ask()
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
        assert answer.one("x-jelou-error-source") == "edge"
        assert b"secret_place" not in answer.body
        assert world.runner.needs == attempt
    world.runner.on_need = world.runner.starts
    assert await world.asked() == (200, b"one")


async def test_a_process_that_has_just_been_started_is_asked_however_often_others_failed(
    world: World,
) -> None:
    deploy_run(world.edge)
    world.runner.on_need = world.runner.fails("SyntaxError")
    for _ in range(20):
        answer = await world.caller.ask()
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    world.runner.on_need = world.runner.starts
    world.runner.behaviour = resets_before_head
    for _ in range(20):
        answer = await world.caller.ask()
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    await world.runner.crash(next(iter(world.runner.processes)))
    world.runner.behaviour = saying(b"two")
    assert await world.asked() == (200, b"two")


async def test_a_process_that_dies_amid_a_request_gets_none_that_dies_with_it(world: World) -> None:
    """A process closes what it has open one by one: its queue may outlive its connections."""
    deployment = deploy_run(world.edge)
    doubted = asyncio.Event()

    async def says_nothing(_: str, __: str) -> None:
        doubted.set()

    world.runner.on_doubt = says_nothing
    world.runner.behaviour = resets_before_head
    first = asyncio.create_task(world.asked(method="POST", body=b"x"))
    async with asyncio.timeout(5):
        await doubted.wait()
    world.runner.on_need = nothing
    second = asyncio.create_task(world.asked(method="POST", body=b"x"))
    await until(lambda: world.runner.heard.count(Need(deployment.id, 1)) == 2)
    assert not first.done()
    [(name, dying)] = world.runner.processes.items()
    await world.runner.crash(name)
    assert (await first)[0] == 502
    await world.runner.start(deployment.id, saying(b"two"))
    assert await second == (200, b"two")
    assert dying.visits == 1


async def test_who_cuts_requests_off_and_lives_is_asked_again_at_once(world: World) -> None:
    deploy_run(world.edge)
    world.runner.behaviour = resets_before_head
    async with asyncio.timeout(5):  # of which no doubt takes its whole time
        for _ in range(20):
            assert (await world.asked(method="POST", body=b"x"))[0] == 502
    assert len(world.runner.processes) == 1


async def test_a_function_that_takes_too_long_to_start_is_unreachable(
    lane: bool, tmp_path: Path
) -> None:
    async with (
        runner(tmp_path / "data", saying(b"one")) as fake,
        running(tmp_path, fast_lane=lane, start_timeout=0.3) as edge,
    ):
        world = World(edge, fake)
        deployed = deploy_run(edge)

        fake.on_need = nothing
        answer = await world.caller.ask()
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
        await until(lambda: Need(deployed.id, 0) in fake.heard)


async def test_without_a_runner_a_function_is_unreachable(
    lane: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "PATIENCE", 0.2)
    async with running(tmp_path, fast_lane=lane) as edge:
        deploy_run(edge)
        answer = await Caller(edge, "1.1").ask()
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")


async def test_a_request_that_comes_while_the_runner_is_replaced_is_answered(
    world: World,
) -> None:
    deploy_run(world.edge)
    assert await world.asked() == (200, b"one")
    await world.runner.die()
    asking = asyncio.create_task(world.asked())
    await asyncio.sleep(0.05)
    await world.runner.listen()
    assert await asking == (200, b"one")
    assert world.runner.needs == 2


async def test_a_process_that_is_up_already_is_used_without_being_asked_for(
    world: World,
) -> None:
    deployed = deploy_run(world.edge)
    await world.runner.start(deployed.id)
    assert await world.asked() == (200, b"one")
    assert world.runner.needs == 0


async def test_500_requests_during_a_redeploy_are_answered_by_one_version_or_the_other(
    world: World,
) -> None:
    world.runner.behaviour = saying(b"old")
    old = deploy_run(world.edge)
    await world.asked()
    answers: list[tuple[int, bytes]] = []

    async def calls(count: int) -> None:
        async with world.edge.http1() as client:
            for _ in range(count):
                fields = [(TOKEN, world.edge.token)]
                answer = await client.ask("/", "POST", fields, b"x")
                answers.append((answer.status, bytes(answer.body)))

    async def redeploys() -> None:
        await until(lambda: len(answers) >= 100)
        new = deploy_run(world.edge, code="b")
        world.runner.behaviour = saying(b"new")
        await world.runner.start(new.id)
        [instance] = [each for each in world.runner.processes if each == "run_0"]
        await world.runner.stop(instance)
        assert old.id != new.id

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(calls(50))
        tasks.create_task(redeploys())
    assert len(answers) == 500
    assert set(answers) == {(200, b"old"), (200, b"new")}
    assert await world.asked() == (200, b"new")


@pytest.mark.slow
async def test_500_requests_while_processes_take_turns_are_all_answered(world: World) -> None:
    """Secrets that change, and sleep: the same deployment in one process after the other."""
    deployed = deploy_run(world.edge)
    done = 0

    async def calls(count: int) -> None:
        nonlocal done
        for number in range(count):
            # Each on a connection of its own: the upstream's alone are kept.
            method = "POST" if number % 2 else "GET"
            assert await world.asked(method=method) == (200, b"one")
            done += 1

    async def turns() -> None:
        current = await world.runner.start(deployed.id)
        for at in (100, 200, 300):
            await until(lambda: done >= at)  # noqa: B023 - awaited within its turn
            following = await world.runner.start(deployed.id)
            await world.runner.stop(current)
            current = following
        await world.runner.stop(current)  # asleep, amid requests

    async with asyncio.timeout(25), asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(calls(50))
        tasks.create_task(turns())
    assert done == 500


async def test_what_is_in_flight_at_a_leaving_process_finishes(world: World) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(visit: Visit) -> None:
        await visit.request()
        begun.set()
        await finish.wait()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold")
        await visit.gone()

    deployed = deploy_run(world.edge)
    world.runner.behaviour = slow
    asking = asyncio.create_task(world.asked(method="POST"))
    await begun.wait()
    await world.runner.start(deployed.id, saying(b"new"))
    leaving = asyncio.create_task(world.runner.stop("run_0"))
    await until(lambda: world.runner.loads[deployed.id] == 1)
    for _ in range(3):
        assert await world.asked() == (200, b"new")
    assert not leaving.done()
    finish.set()
    assert await asking == (200, b"old")
    await leaving


async def test_a_request_whose_process_has_just_died_is_answered_by_the_next(
    world: World,
) -> None:
    deployed = deploy_run(world.edge)
    instance = await world.runner.start(deployed.id)
    assert await world.asked() == (200, b"one")
    await world.runner._end(instance)  # and the runner has not noticed yet
    asking = asyncio.create_task(world.asked(method="POST"))
    await until(lambda: world.runner.needs)
    assert await asking == (200, b"one")


async def test_the_process_with_the_fewest_requests_in_flight_takes_the_next(
    world: World,
) -> None:
    deployed = deploy_run(world.edge)
    for _ in range(3):
        await world.runner.start(deployed.id, holds)
    asking = [asyncio.create_task(world.asked()) for _ in range(9)]
    processes = world.runner.processes.values()
    await until(lambda: [len(each.seen) for each in processes] == [3, 3, 3])
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await until(lambda: world.runner.most[deployed.id] == 9)
    await until(lambda: world.runner.loads[deployed.id] == 0)


async def test_a_process_has_no_more_in_flight_than_it_says_and_others_wait(
    world: World,
) -> None:
    held, most = asyncio.Semaphore(0), 0
    now = 0

    async def counts(visit: Visit) -> None:
        nonlocal now, most
        while True:
            await visit.request()
            now += 1
            most = max(most, now)
            await held.acquire()
            now -= 1
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    deploy_run(world.edge, scale={"max": 1, "concurrency": 2})
    world.runner.concurrency, world.runner.behaviour = 2, counts
    asking = [asyncio.create_task(world.asked()) for _ in range(12)]
    await until(lambda: now == 2 and world.edge.edge.state is not None)
    turned_away = await world.caller.ask()
    assert (turned_away.status, turned_away.json["code"]) == (503, "overloaded")
    assert turned_away.one("retry-after") == "1"
    for _ in range(12):
        held.release()
    assert set(await asyncio.gather(*asking)) == {(200, b"ok")}
    assert most == 2


async def test_requests_beyond_one_process_are_taken_by_another_that_starts(
    world: World,
) -> None:
    deployed = deploy_run(world.edge, scale={"max": 2, "concurrency": 1})
    world.runner.concurrency, world.runner.behaviour = 1, holds
    asking = asyncio.create_task(world.asked())
    await until(lambda: any(each.seen for each in world.runner.processes.values()))
    world.runner.behaviour = saying(b"two")
    assert await world.asked() == (200, b"two")
    assert world.runner.needs == 2
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: world.runner.loads[deployed.id] == 0)


async def test_a_websocket_goes_through_and_keeps_its_process(world: World) -> None:
    deployed = deploy_run(world.edge)
    world.runner.behaviour = speaks(echo)
    async with connected(world.edge, [(TOKEN, world.edge.token)]) as socket:
        await socket.send(Message("hello"))
        assert await socket.message() == "hello"
        await until(lambda: world.runner.loads[deployed.id] == 1)
        leaving = asyncio.create_task(world.runner.stop("run_0"))
        await socket.send(Message("still"))
        assert await socket.message() == "still"
        await until(lambda: len(world.runner.heard) > 2)
        assert Clear("run_0") not in world.runner.heard
    await leaving


async def test_a_sleeping_function_is_well_and_is_not_woken_to_say_so(world: World) -> None:
    deployed = deploy_run(world.edge)
    answer = await world.caller.ask("/__health", token=None)
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert answer.json["deployment"] == deployed.id
    assert world.runner.needs == 0


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_any_answer_to_the_health_route_is_good_and_keeps_nothing_awake(
    world: World, status: int
) -> None:
    deployed = deploy_run(world.edge)

    async def behave(visit: Visit) -> None:
        seen = await visit.request()
        assert seen.target == b"/__health"
        await visit.send(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)
        assert await visit.gone() == b""

    await world.runner.start(deployed.id, behave)
    await until(lambda: world.runner.heard)
    answer = await world.caller.ask("/__health", token=None)
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert len(world.runner.processes["run_0"].seen) == 1
    assert world.runner.most[deployed.id] == 0


async def test_a_process_that_does_not_answer_is_not_well(world: World) -> None:
    deployed = deploy_run(world.edge)
    await world.runner.start(deployed.id, resets_before_head)
    answer = await world.caller.ask("/__health", token=None)
    assert (answer.status, answer.json["status"]) == (503, "unavailable")


async def test_a_function_that_does_not_start_is_not_well(world: World) -> None:
    deploy_run(world.edge)
    world.runner.on_need = world.runner.fails("it exits with 1")
    await world.asked()
    answer = await world.caller.ask("/__health", token=None)
    assert (answer.status, answer.json["status"]) == (503, "unavailable")


async def test_a_function_made_by_define_says_so(world: World) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "greet", "version": "1"},
        "paths": {"/": {"post": {"operationId": "greet", "summary": "Greets."}}},
        "x-jelou": {"mode": "define", "project": {"description": "Greets."}},
    }
    deploy_run(world.edge, document=document)
    answer = await world.caller.ask("/__health", token=None)
    assert answer.json["mode"] == "define"
    assert answer.json["tool"] == {"name": "greet", "description": "Greets."}
    assert "tools" not in answer.json
    published = await world.caller.ask("/openapi.json", token=None)
    assert "x-jelou" not in published.json


async def test_a_session_of_an_mcp_server_stays_with_the_process_that_opened_it(
    world: World,
) -> None:
    def serves(name: bytes) -> Behaviour:
        answer = b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}'

        async def behave(visit: Visit) -> None:
            while True:
                seen = await visit.request()
                known = seen.values(b"mcp-session-id")
                status = b"404 Not Found" if known not in ([], [name]) else b"200 OK"
                await visit.send(
                    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nmcp-session-id: %b\r\n"
                    b"content-length: %d\r\n\r\n%b" % (status, name, len(answer), answer)
                )

        return behave

    deployed = deploy_run(world.edge, scale={"max": 3}, mcp={"upstream": "/mcp"})
    names = (b"one", b"two", b"three")
    processes = [
        world.runner.processes[await world.runner.start(deployed.id, serves(name))]
        for name in names
    ]
    await until(lambda: world.runner.heard)
    fields = [("content-type", "application/json"), ("accept", "application/json")]
    opening = (
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
        b'"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}'
    )
    opened = await world.caller.ask("/mcp", "POST", fields, opening)
    assert opened.status == 200, opened
    session = ("mcp-session-id", opened.one("mcp-session-id"))
    before = [len(process.seen) for process in processes]
    home = before.index(1)
    calls = [
        world.caller.ask(
            "/mcp", "POST", [*fields, session], b'{"jsonrpc":"2.0","id":2,"method":"ping"}'
        )
        for _ in range(9)
    ]
    assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
    assert len(processes[home].seen) == 10
    assert sum(len(process.seen) for process in processes) == 10
