"""Functions that keep failing: left alone, tried again, and never another's trouble."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.edge.whole.test_failures import is_error
from tests.support.calling import Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Answer
from tests.support.origin import (
    OK,
    Behaviour,
    Visit,
    answering,
    closes_on_second_request,
    closing_after,
    hangs,
    refusing,
    resets_before_head,
    serving,
    unresponsive,
)

LIMIT = 5
"""Failures in a row that open a circuit."""

LANES = {"fast lane": {"fast_lane": True}, "ASGI": {"fast_lane": False}}

ERROR = answering(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops")

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_x"}}


@pytest.fixture(params=LANES.values(), ids=LANES.keys())
async def edge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EdgeInProcess]:
    """An edge whose plain requests take one lane; connecting may take 200 ms."""
    async with running(tmp_path, connect_timeout=0.2, **request.param) as started:
        yield started


async def ask(edge: EdgeInProcess, slug: str = "shop", **more: Any) -> Answer:
    """Ask a function, with its token."""
    host, token = f"{slug}.fn.localhost", edge.tokens[slug]
    return await Caller(edge, "1.1").ask(host=host, token=token, **more)


def is_left_alone(answer: Answer, seconds: tuple[str, ...] = ("1",)) -> None:
    """Refused at once, with the time after which it is worth while to ask again."""
    is_error(answer, 503, "circuit_open")
    assert answer.one("retry-after") in seconds
    assert "is tried again in" in answer.json["message"]


async def broken(
    edge: EdgeInProcess, slug: str = "shop", code: str = "upstream_unreachable"
) -> None:
    """Ask until its circuit is open, and no longer."""
    status = 504 if code == "upstream_timeout" else 502
    for _ in range(LIMIT):
        is_error(await ask(edge, slug), status, code)
    is_left_alone(await ask(edge, slug))


async def well_again(edge: EdgeInProcess, slug: str = "shop") -> Answer:
    """Ask until it is answered by the function; in between it is left alone."""
    with anyio.fail_after(5):
        while (answer := await ask(edge, slug)).status == 503:
            is_left_alone(answer, ("1", "2"))
            await anyio.sleep(0.02)
    return answer


FAILING: dict[str, tuple[Behaviour, str]] = {
    "resets before the head": (resets_before_head, "upstream_unreachable"),
    "closes within the head": (closing_after(b"HTTP/1.1 200 O"), "upstream_unreachable"),
    "says nothing": (hangs, "upstream_timeout"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("behaviour", "code"), FAILING.values(), ids=FAILING.keys())
async def test_a_function_that_keeps_failing_is_left_alone_until_a_probe_is_answered(
    edge: EdgeInProcess, behaviour: Behaviour, code: str
) -> None:
    async with serving(behaviour) as origin:
        edge.deploy(origin.upstream, timeout=100)
        await broken(edge, code=code)
        assert origin.visits == LIMIT
        origin.behaviour = answering(OK)
        assert (await well_again(edge)).status == 200
        assert origin.visits == LIMIT + 1
        assert (await ask(edge)).status == 200


async def test_nothing_listens_then_something_does(edge: EdgeInProcess) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        edge.deploy(type(refusing())("http", "127.0.0.1", port))
        await broken(edge)
        kept.listen()
        kept.setblocking(False)
        server = await asyncio.start_server(_ok, sock=kept.dup())
        assert (await well_again(edge)).status == 200
        server.close()


async def _ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    writer.close()


async def test_a_black_hole_costs_the_time_to_connect_only_for_the_first(
    edge: EdgeInProcess,
) -> None:
    async with unresponsive() as upstream:
        edge.deploy(upstream)
        await broken(edge)
        waited = asyncio.get_running_loop().time()
        for answer in await asyncio.gather(*(ask(edge) for _ in range(20))):
            is_left_alone(answer)
        # One of them could have been a probe only after the whole second.
        assert asyncio.get_running_loop().time() - waited < 1


async def test_one_function_is_dead_and_the_other_is_not_touched(edge: EdgeInProcess) -> None:
    async with serving(answering(OK)) as origin, unresponsive() as upstream:
        edge.deploy(upstream, "dead")
        edge.deploy(origin.upstream, "alive")
        for _ in range(3):
            dead, alive = [asyncio.gather(*(ask(edge, s) for _ in range(LIMIT))) for s in _BOTH]
            assert {answer.status for answer in await alive} == {200}
            assert {answer.json["code"] for answer in await dead} <= _TROUBLE
        is_left_alone(await ask(edge, "dead"), ("1", "2"))
        assert (await ask(edge, "alive")).status == 200


_BOTH = ("dead", "alive")
_TROUBLE = {"upstream_unreachable", "circuit_open"}


async def test_answers_of_a_function_never_open_its_circuit(edge: EdgeInProcess) -> None:
    async with serving(ERROR) as origin:
        edge.deploy(origin.upstream)
        for _ in range(4 * LIMIT):
            answer = await ask(edge)
            assert (answer.status, answer.body) == (500, b"oops")


async def test_what_is_not_http_is_never_left_alone(edge: EdgeInProcess) -> None:
    async with serving(closing_after(b"SSH-2.0-OpenSSH_9.6\r\n")) as origin:
        edge.deploy(origin.upstream)
        for _ in range(4 * LIMIT):
            is_error(await ask(edge), 502, "upstream_invalid")


async def test_only_one_request_goes_as_the_probe(edge: EdgeInProcess) -> None:
    async with serving(resets_before_head) as origin:
        edge.deploy(origin.upstream)
        await broken(edge)
        origin.behaviour = _waits_for_the_cue
        with anyio.fail_after(5):
            probing = asyncio.create_task(well_again(edge))
            await until(lambda: origin.visits > LIMIT)
            for answer in await asyncio.gather(*(ask(edge) for _ in range(10))):
                is_left_alone(answer)
            assert origin.visits == LIMIT + 1
            origin.cue.set()
            assert (await probing).status == 200


async def _waits_for_the_cue(visit: Visit) -> None:
    await visit.request()
    await visit.origin.cue.wait()
    await visit.send(OK)


async def test_a_probe_whose_client_leaves_makes_room_for_the_next(edge: EdgeInProcess) -> None:
    async with serving(resets_before_head) as origin:
        edge.deploy(origin.upstream)
        await broken(edge)
        origin.behaviour = hangs
        with anyio.fail_after(5):
            while origin.visits == LIMIT:
                with anyio.move_on_after(0.1):
                    await ask(edge)
            await origin.departures.acquire()
        origin.behaviour = answering(OK)
        assert (await well_again(edge)).status == 200


@pytest.mark.slow
async def test_a_function_that_flaps_is_served_whenever_it_is_up(edge: EdgeInProcess) -> None:
    async with serving(answering(OK)) as origin:
        edge.deploy(origin.upstream)
        for _ in range(2):
            assert (await ask(edge)).status == 200
            origin.behaviour = resets_before_head
            origin.latest.reset_now()
            await broken(edge)
            origin.behaviour = answering(OK)
            assert (await well_again(edge)).status == 200


async def test_a_function_that_drops_every_other_request_is_not_sent_half_as_many_more(
    edge: EdgeInProcess,
) -> None:
    asked = 100
    async with serving(closes_on_second_request) as origin:
        edge.deploy(origin.upstream)
        began = asyncio.get_running_loop().time()
        statuses = [(await ask(edge)).status for _ in range(asked)]
        took = asyncio.get_running_loop().time() - began
        assert {200, 502} == set(statuses)
        assert len(origin.seen) - asked <= 10 + took + asked * 0.2


# Several addresses.


async def test_of_several_addresses_a_dead_one_costs_no_request(edge: EdgeInProcess) -> None:
    async with serving(answering(OK)) as one, serving(answering(OK)) as two:
        edge.deploy([refusing(), one.upstream, two.upstream])
        answers = [await ask(edge, method="POST", body=b"x") for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert min(len(one.seen), len(two.seen)) >= 8


async def test_of_several_addresses_a_black_hole_delays_few(edge: EdgeInProcess) -> None:
    async with serving(answering(OK)) as origin, unresponsive() as hole:
        edge.deploy([hole, origin.upstream])
        assert {(await ask(edge)).status for _ in range(4)} == {200}
        with anyio.fail_after(0.9):
            assert {(await ask(edge)).status for _ in range(30)} == {200}


async def test_of_several_addresses_the_least_loaded_is_taken(edge: EdgeInProcess) -> None:
    async with serving(_waits_for_the_cue) as busy, serving(answering(OK)) as free:
        edge.deploy([busy.upstream, free.upstream])
        with anyio.fail_after(5):
            slow = asyncio.create_task(ask(edge))
            await until(lambda: busy.seen)
            assert {(await ask(edge)).status for _ in range(10)} == {200}
            assert (len(busy.seen), len(free.seen)) == (1, 10)
            busy.cue.set()
            await slow


async def test_when_all_addresses_are_dead_it_is_left_alone_and_comes_back(
    edge: EdgeInProcess,
) -> None:
    async with serving(resets_before_head) as one, serving(resets_before_head) as two:
        edge.deploy([one.upstream, two.upstream])
        for _ in range(2 * LIMIT):
            is_error(await ask(edge), 502, "upstream_unreachable")
        is_left_alone(await ask(edge))
        two.behaviour = answering(OK)
        with anyio.fail_after(5):
            answer = await ask(edge)
            while answer.status != 200:
                await anyio.sleep(0.02)
                answer = await ask(edge)
        assert two.seen


# MCP.

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {"/x": {"get": {"operationId": "get_x", "responses": {"200": {"description": "x"}}}}},
}
JSON = (
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-06-18"),
)


async def test_a_tool_of_a_function_that_is_left_alone_is_an_error_of_the_tool(
    edge: EdgeInProcess,
) -> None:
    async def call() -> dict[str, Any]:
        body = json.dumps(CALL).encode()
        answer = await ask(edge, target="/mcp", method="POST", fields=JSON, body=body)
        assert answer.status == 200
        result: dict[str, Any] = answer.json["result"]
        return result

    async with serving(resets_before_head) as origin:
        edge.deploy(origin.upstream, document=DOCUMENT)
        called = [await call() for _ in range(LIMIT + 1)]
        assert all(result["isError"] for result in called)
        told = [result["content"][0]["text"] for result in called]
        assert "is tried again in" not in "".join(told[:LIMIT])
        assert "is tried again in" in told[-1]
        assert origin.visits == LIMIT
        origin.behaviour = answering(OK)
        with anyio.fail_after(5):
            result = await call()
            while result.get("isError"):
                await anyio.sleep(0.02)
                result = await call()
        assert origin.visits == LIMIT + 1
        assert not any([(await call()).get("isError") for _ in range(5)])


async def test_an_mcp_server_that_is_left_alone_is_a_json_rpc_error(edge: EdgeInProcess) -> None:
    edge.deploy(refusing(), mcp={"upstream": "/mcp"})
    for _ in range(LIMIT + 1):
        body = json.dumps(CALL).encode()
        answer = await ask(edge, target="/mcp", method="POST", fields=JSON, body=body)
    assert (answer.status, answer.one("retry-after")) == (503, "1")
    assert answer.json["error"]["data"]["code"] == "circuit_open"
