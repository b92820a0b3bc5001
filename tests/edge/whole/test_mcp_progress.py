"""Functions that stream: what their callers are told meanwhile, and how long calls stay alive."""

import asyncio
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from edge.doors import mcp_streams
from edge.fast import bridging
from mcp_bridge import serving
from tests.support.calling import until
from tests.support.mcp_function import by_name, chunk, chunked_head, on_cue
from tests.support.mcp_wire import McpClient, good, refused, serving_tools, text_of
from tests.support.origin import Origin, Seen, Visit

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
LAST = b"0\r\n\r\n"


def written(kind: str, value: Any, name: str = "") -> bytes:
    """An event as a function of that kind writes it."""
    data = orjson.dumps(value)
    named = f"event: {name}\n".encode() if name else b""
    return chunk(data + b"\n" if kind == NDJSON else named + b"data: " + data + b"\n\n")


def stepwise(kind: str, *values: Any) -> Any:
    """Streams one event each time that the test says so."""

    async def part(visit: Visit, _seen: Seen) -> None:
        await visit.send(chunked_head(kind))
        for value in values:
            await visit.origin.cue.wait()
            visit.origin.cue.clear()
            await visit.send(written(kind, value))
        await visit.origin.cue.wait()
        await visit.send(LAST)

    return part


@pytest.mark.parametrize("kind", [SSE, NDJSON])
@pytest.mark.parametrize("token", ["t", 0, 7])
async def test_who_asks_for_progress_is_told_each_event_as_it_comes(
    mcp: McpClient, origin: Origin, kind: str, token: Any
) -> None:
    origin.behaviour = by_name({"hold": stepwise(kind, {"a": 1}, {"a": 2})})
    reading = await mcp.call("hold", meta={"progressToken": token}, id="c")
    head = await reading.head()
    assert (head.status, head.one("content-type")) == (200, SSE)
    assert head.one("x-accel-buffering") == "no"
    reached = []
    for _ in range(2):
        origin.cue.set()
        told = await reading.message()
        assert told["method"] == "notifications/progress"
        assert told["params"]["progressToken"] == token
        assert type(told["params"]["progressToken"]) is type(token)
        reached.append(told["params"]["progress"])
    assert reached == sorted(set(reached))
    origin.cue.set()
    [answer] = await reading.rest()
    assert (answer["id"], good(answer)) == ("c", {"a": 2})


@pytest.mark.parametrize("kind", [SSE, NDJSON])
@pytest.mark.parametrize("stateless", [False, True], ids=["handshake", "stateless"])
async def test_who_does_not_ask_gets_the_result_alone(
    mcp: McpClient, origin: Origin, kind: str, stateless: bool
) -> None:
    origin.behaviour = by_name({"hold": stepwise(kind, {"a": 1}, {"a": 2})})
    begin = mcp.stateless if stateless else mcp.ask
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_let_all_go, origin)
        reading = await begin("tools/call", {"name": "hold"})
        answer = await reading.end()
        tasks.cancel_scope.cancel()
    assert answer.one("content-type") == "application/json"
    assert good(answer.json) == {"a": 2}


async def _let_all_go(origin: Origin) -> None:
    while True:
        origin.cue.set()
        await asyncio.sleep(0.01)


async def test_who_takes_no_events_gets_json_though_it_asks_for_progress(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": stepwise(SSE, {"a": 1})})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_let_all_go, origin)
        meta = {"progressToken": 1}
        reading = await mcp.call("hold", meta=meta, accept="application/json")
        answer = await reading.end()
        tasks.cancel_scope.cancel()
    assert answer.one("content-type") == "application/json"
    assert good(answer.json) == {"a": 1}


async def test_a_call_with_a_progress_token_answers_events_even_if_there_is_no_progress(
    mcp: McpClient,
) -> None:
    reading = await mcp.call("echo", meta={"progressToken": 1})
    [answer] = await reading.rest()
    assert (await reading.head()).one("content-type") == SSE
    assert good(answer)["target"] == "/echo"


async def test_an_event_named_result_is_the_result_and_one_named_error_a_failure(
    mcp: McpClient, origin: Origin
) -> None:
    async def results(visit: Visit, _seen: Seen) -> None:
        events = (written(SSE, {"r": 1}, "result"), written(SSE, {"late": 1}))
        await visit.send(chunked_head(SSE) + b"".join(events) + LAST)

    async def fails(visit: Visit, _seen: Seen) -> None:
        events = (written(SSE, {"a": 1}), written(SSE, {"message": "no luck"}, "error"))
        await visit.send(chunked_head(SSE) + b"".join(events) + LAST)

    origin.behaviour = by_name({"one": results, "two": fails})
    assert good(await (await mcp.call("one")).result()) == {"r": 1}
    assert "no luck" in refused(await (await mcp.call("two")).result())


async def test_a_stream_that_breaks_off_is_a_failure_not_a_result(
    mcp: McpClient, origin: Origin
) -> None:
    async def breaks(visit: Visit, _seen: Seen) -> None:
        await visit.send(chunked_head(SSE) + written(SSE, {"a": 1}))
        visit.reset()

    origin.behaviour = by_name({"hold": breaks})
    reading = await mcp.call("hold", meta={"progressToken": 1})
    answer = (await reading.rest())[-1]
    assert "broke off" in refused(answer)


async def test_a_client_that_leaves_amid_progress_ends_the_functions_request(
    mcp: McpClient, origin: Origin
) -> None:
    async def goes_on(visit: Visit, _seen: Seen) -> None:
        await visit.send(chunked_head(SSE) + written(SSE, {"a": 1}))
        await visit.gone()

    origin.behaviour = by_name({"hold": goes_on})
    reading = await mcp.call("hold", meta={"progressToken": 1})
    await reading.message()
    await reading.leave()
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_a_client_that_does_not_read_holds_up_the_function_and_nobody_else(
    mcp: McpClient, origin: Origin
) -> None:
    sent = 0

    async def floods(visit: Visit, _seen: Seen) -> None:
        nonlocal sent
        await visit.send(chunked_head(SSE))
        event = written(SSE, "x" * 900)
        while True:
            await visit.send(event)
            sent += len(event)

    origin.behaviour = by_name({"hold": floods})
    if mcp.version == "2":
        http2 = await mcp.stack.enter_async_context(mcp.edge.http2())
        http2.protocol.acknowledge_received_data = lambda *_: None  # type: ignore[method-assign]
        mcp._http2 = http2
    reading = await mcp.call("hold", meta={"progressToken": 1})
    if mcp.version == "1.1":
        reading.exchange.client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    before = -1
    with anyio.fail_after(10):
        while before != sent or not sent:
            before = sent
            await asyncio.sleep(0.3)
    assert sent < 16 * 1024 * 1024  # the kernel's buffers included
    mcp._http2 = None
    for _ in range(3):
        assert good(await (await mcp.call("echo")).result())


# Calls that take long.


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes ten seconds, or fifteen, takes a moment."""
    for module in (bridging, serving):
        monkeypatch.setattr(module, "STREAM_AFTER", 0.1)
    for module in (bridging, serving, mcp_streams):
        monkeypatch.setattr(module, "COMMENT_EVERY", 0.1)


HASTY = {"keep_alive": 0.3}
"""The worker's sweep goes by the shortest of its limits."""


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("stateless", [False, True], ids=["handshake", "stateless"])
async def test_a_call_that_takes_long_turns_into_a_stream_with_comments(
    way: str, tmp_path: Path, origin: Origin, stateless: bool
) -> None:
    async with serving_tools(way, tmp_path, origin, **HASTY) as mcp:
        origin.behaviour = by_name({"hold": on_cue})
        begin = mcp.stateless if stateless else mcp.ask
        reading = await begin("tools/call", {"name": "hold"})
        head = await reading.head()
        assert head.one("content-type") == SSE
        for _ in range(2):
            assert (await reading.frame()).startswith(":")
        origin.cue.set()
        [answer] = await reading.rest()
        assert good(answer) == {"late": "/hold"}


@pytest.mark.usefixtures("hasty")
async def test_a_call_of_who_takes_no_events_is_waited_for(
    way: str, tmp_path: Path, origin: Origin
) -> None:
    async with serving_tools(way, tmp_path, origin, **HASTY) as mcp:
        origin.behaviour = by_name({"hold": on_cue})
        reading = await mcp.call("hold", accept="application/json")
        await until(lambda: origin.seen)
        await asyncio.sleep(0.5)  # several times what would make it a stream
        origin.cue.set()
        answer = await reading.end()
        assert answer.one("content-type") == "application/json"
        assert good(answer.json) == {"late": "/hold"}


@pytest.mark.usefixtures("hasty")
async def test_progress_begins_once_a_call_is_a_stream_only_for_who_asked(
    way: str, tmp_path: Path, origin: Origin
) -> None:
    async with serving_tools(way, tmp_path, origin, **HASTY) as mcp:
        origin.behaviour = by_name({"hold": stepwise(SSE, {"a": 1})})
        reading = await mcp.call("hold")
        assert (await reading.head()).one("content-type") == SSE
        origin.cue.set()
        await until(lambda: not origin.cue.is_set())
        origin.cue.set()
        [answer] = await reading.rest()
        assert text_of(answer) == '{"a":1}'


@pytest.mark.usefixtures("hasty")
async def test_a_stream_that_has_failed_says_so_as_its_last_event(
    way: str, tmp_path: Path, origin: Origin
) -> None:
    async with serving_tools(way, tmp_path, origin, config={"timeout": 500}, **HASTY) as mcp:
        origin.behaviour = by_name({"hold": on_cue})
        reading = await mcp.call("hold")
        assert (await reading.head()).one("content-type") == SSE
        [answer] = await reading.rest()
        assert refused(answer)


async def test_a_call_that_streams_ends_with_its_token_and_never_looks_whole(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": stepwise(SSE, {"a": 1}, {"a": 2})})
    reading = await mcp.call("hold", meta={"progressToken": "t"}, id="c")
    await reading.head()
    mcp.edge.revoke()
    with anyio.fail_after(2):
        assert not (await reading.end()).whole
