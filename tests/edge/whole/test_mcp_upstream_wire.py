"""Functions that are MCP servers, byte by byte: what passes, what ends, what is refused."""

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.calling import TOKEN, Caller
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Fields, request
from tests.support.origin import (
    Behaviour,
    Origin,
    Visit,
    answering,
    hangs,
    refusing,
    serving,
    silent_after,
)

SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
JSON: Fields = (("Content-Type", "application/json"), ("Accept", "application/json"))
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}'
INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}},
    }
).encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def json_answer(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer of the function's."""
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n" % status
    extra = b"".join(field + b"\r\n" for field in fields)
    return head + extra + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def deploy(edge: EdgeInProcess, origin: Origin, **config: Any) -> None:
    """Put the edge before a server."""
    edge.deploy(origin.upstream, **{"mcp": {"upstream": "/own/mcp"}, **config})


async def opens(visit: Visit) -> None:
    """Answers `initialize` with a session and everything else with its body; ends none."""
    while True:
        seen = await visit.request()
        said = b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'
        body = said if b"initialize" in seen.body else seen.body or b"{}"
        await visit.send(json_answer(body, b"mcp-session-id: own-1"))


async def open_session(caller: Caller, **more: Any) -> str:
    """A session by the edge's id."""
    answer = await caller.ask("/mcp", "POST", JSON, INITIALIZE, **more)
    assert answer.status == 200
    return answer.one("mcp-session-id")


@pytest.mark.parametrize(
    "body",
    [b"[" + CALL + b"]", b'{"a":NaN,"a":1}', b"", b"no JSON", b"\x00\xff" * 70_000],
    ids=["batch", "odd JSON", "empty", "text", "140 kB"],
)
async def test_bodies_pass_byte_for_byte_both_ways(
    edge: EdgeInProcess, origin: Origin, caller: Caller, body: bytes
) -> None:
    deploy(edge, origin)
    answer = await caller.ask("/mcp", "POST", JSON, body)
    assert (answer.status, answer.body) == (200, body)
    assert (origin.seen[0].target, origin.seen[0].body) == (b"/own/mcp", body)


async def test_the_functions_session_id_stays_behind_the_edge(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = opens
    deploy(edge, origin)
    session = await open_session(caller)
    assert "own-1" not in session
    assert len(session) < 1024
    answer = await caller.ask("/mcp", "POST", (*JSON, ("Mcp-Session-Id", session)), CALL)
    assert (answer.status, answer.one("mcp-session-id")) == (200, session)
    assert origin.seen[-1].values(b"mcp-session-id") == [b"own-1"]


async def test_a_session_is_its_token_lines_and_functions_own(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = opens
    deploy(edge, origin)
    edge.deploy(origin.upstream, "other", mcp={"upstream": "/own/mcp"})
    caller = Caller(edge, "1.1")
    mine = edge.tokens["shop"]
    session = await open_session(caller)
    named = (*JSON, ("Mcp-Session-Id", session))
    rotated = edge.token_service.rotate("shop", "default", 0.0).secret
    strange = edge.mint("strange").secret

    async def status(token: str | None, host: str = "shop.fn.localhost") -> int:
        return (await caller.ask("/mcp", "POST", named, CALL, token=token, host=host)).status

    assert await status(rotated) == 200
    assert await status(strange) == 404
    assert await status(edge.tokens["other"], "other.fn.localhost") == 404
    assert await status(mine) == 401
    assert await status(None) == 401


@pytest.mark.parametrize("forged", ["own-1", "v1.a.b", "x" * 3000, "{id}x", "\xe9"])
async def test_a_forged_session_is_not_found_and_reaches_nobody(
    edge: EdgeInProcess, origin: Origin, forged: str
) -> None:
    origin.behaviour = opens
    deploy(edge, origin)
    caller = Caller(edge, "1.1")
    session = await open_session(caller)
    named = (*JSON, ("Mcp-Session-Id", forged.format(id=session)))
    answer = await caller.ask("/mcp", "POST", named, CALL)
    assert (answer.status, answer.json["error"]["code"]) == (404, -32001)
    assert answer.json["error"]["data"]["code"] == "not_found"
    assert len(origin.seen) == 1


async def test_a_session_outlives_the_edge(tmp_path: Path, origin: Origin) -> None:
    origin.behaviour = opens
    async with running(tmp_path) as edge:
        deploy(edge, origin)
        token = edge.token
        session = await open_session(Caller(edge, "1.1"))
    async with running(tmp_path) as edge:
        named = (*JSON, ("Mcp-Session-Id", session))
        answer = await Caller(edge, "1.1").ask("/mcp", "POST", named, CALL, token=token)
        assert answer.status == 200


@pytest.mark.parametrize("says", [b"200 OK", b"405 Method Not Allowed", b"404 Not Found", b""])
async def test_delete_ends_a_session_whatever_the_function_says(
    edge: EdgeInProcess, origin: Origin, says: bytes
) -> None:
    async def ends(visit: Visit) -> None:
        await visit.request()
        if says:
            await visit.send(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % says)
        visit.close()

    origin.behaviour = opens
    deploy(edge, origin)
    caller = Caller(edge, "1.1")
    named = (*JSON, ("Mcp-Session-Id", await open_session(caller)))
    origin.latest.close()
    origin.behaviour = ends
    answer = await caller.ask("/mcp", "DELETE", named)
    assert answer.status == (200 if says == b"200 OK" else 204)
    assert origin.seen[-1].values(b"mcp-session-id") == [b"own-1"]
    seen = len(origin.seen)
    for method, body in (("POST", CALL), ("GET", None), ("DELETE", None)):
        assert (await caller.ask("/mcp", method, named, body)).status == 404
    assert len(origin.seen) == seen


async def test_the_stateless_revision_has_no_sessions(edge: EdgeInProcess, origin: Origin) -> None:
    deploy(edge, origin)
    fields = (*JSON, ("Mcp-Session-Id", "own-1"), ("MCP-Protocol-Version", "2026-07-28"))
    assert (await Caller(edge, "1.1").ask("/mcp", "POST", fields, CALL)).status == 200
    assert origin.seen[0].values(b"mcp-session-id") == []


async def test_events_arrive_as_they_are_sent(edge: EdgeInProcess, origin: Origin) -> None:
    async def one_by_one(visit: Visit) -> None:
        await visit.request()
        await visit.send(SSE + chunk(b"data: 1\n\n"))
        await origin.cue.wait()
        await visit.send(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    origin.behaviour = one_by_one
    deploy(edge, origin)
    async with edge.http1() as client:
        await client.send(request("/mcp", "POST", (*JSON, (TOKEN, edge.token)), CALL))
        answer = await client.head()
        assert await client.chunk() == b"data: 1\n\n"
        origin.cue.set()
        await client.body(answer, "POST")
        assert answer.whole


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stream_ends_with_its_token_and_does_not_look_whole(
    edge: EdgeInProcess, origin: Origin, method: str
) -> None:
    origin.behaviour = silent_after(SSE + chunk(b"data: 1\n\n"))
    deploy(edge, origin)
    async with edge.http1() as client:
        body = CALL if method == "POST" else None
        await client.send(request("/mcp", method, (*JSON, (TOKEN, edge.token)), body))
        answer = await client.head()
        assert await client.chunk() == b"data: 1\n\n"
        edge.revoke()
        with anyio.fail_after(5):
            await client.body(answer, method)
            await origin.departures.acquire()
        assert not answer.whole


async def test_a_shutdown_ends_streams_without_an_end_and_lets_calls_finish(
    tmp_path: Path, origin: Origin
) -> None:
    async def until_told(visit: Visit) -> None:
        seen = await visit.request()
        await visit.send(SSE + chunk(b"data: 1\n\n"))
        if seen.method == b"POST":
            await origin.cue.wait()
            await visit.send(chunk(b"data: 2\n\n") + b"0\r\n\r\n")
        else:
            await visit.gone()

    origin.behaviour = until_told
    async with running(tmp_path, drain_timeout=10.0) as edge:
        deploy(edge, origin)
        async with edge.http1() as stream, edge.http1() as call:
            fields = (*JSON, (TOKEN, edge.token))
            await stream.send(request("/mcp", "GET", fields))
            await call.send(request("/mcp", "POST", fields, CALL))
            heads = [await stream.head(), await call.head()]
            assert await stream.chunk() == await call.chunk() == b"data: 1\n\n"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(edge.server.drain)
                with anyio.fail_after(5):
                    await stream.body(heads[0])
                origin.cue.set()
                await call.body(heads[1], "POST")
            assert [head.whole for head in heads] == [True, True]
            assert heads[1].body.endswith(b"data: 2\n\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_client_that_leaves_aborts_the_functions_request(
    edge: EdgeInProcess, origin: Origin, method: str
) -> None:
    origin.behaviour = silent_after(SSE)
    deploy(edge, origin)
    async with edge.http1() as client:
        body = CALL if method == "POST" else None
        await client.send(request("/mcp", method, (*JSON, (TOKEN, edge.token)), body))
        await client.head()
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def refusal(edge: EdgeInProcess, method: str = "POST", **more: Any) -> tuple[Any, ...]:
    """Status, code and JSON-RPC code of the edge's own error."""
    answer = await Caller(edge, "1.1").ask("/mcp", method, JSON, **more)
    assert answer.one("x-jelou-error-source") == "edge"
    error = answer.json["error"]
    assert error["data"]["requestId"] == answer.one("x-request-id")
    return answer.status, error["data"]["code"], error["code"]


async def test_failures_are_json_rpc_errors_with_their_status(edge: EdgeInProcess) -> None:
    edge.deploy(refusing(), mcp={"upstream": "/mcp"}, timeout=50)
    assert await refusal(edge, body=CALL) == (502, "upstream_unreachable", -32000)
    async with serving(hangs) as origin:
        edge.deploy(origin.upstream, mcp={"upstream": "/mcp"}, timeout=50)
        assert await refusal(edge, body=CALL) == (504, "upstream_timeout", -32000)
    assert await refusal(edge, "PUT", body=b"") == (405, "method_not_allowed", -32000)


@pytest.mark.parametrize("framed", ["length", "chunked"])
async def test_a_message_over_the_limit_is_refused(
    tmp_path: Path, origin: Origin, framed: str
) -> None:
    async with running(tmp_path, mcp_body=100_000) as edge:
        deploy(edge, origin)
        async with edge.http1() as client:
            fields = (*JSON, (TOKEN, edge.token))
            if framed == "length":
                await client.send(request("/mcp", "POST", fields, b"x" * 100_001))
            else:
                head = request("/mcp", "POST", (*fields, ("Transfer-Encoding", "chunked")))
                await client.send(head + chunk(b"x" * 50_000) * 3)
            answer = await client.head()
            await client.body(answer, "POST")
    assert (answer.status, answer.json["error"]["data"]["code"]) == (413, "body_too_large")
    assert not any(seen.whole for seen in origin.seen)


LIST = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"},{"name":"secret"}]}}'
EVENTS = SSE + chunk(b"id: 7\ndata: " + LIST[:30]) + chunk(LIST[30:] + b"\n\n") + b"0\r\n\r\n"


@pytest.mark.parametrize("answer", [json_answer(LIST), EVENTS], ids=["JSON", "events"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_no_answer_shows_a_token_other_tools_than_its_own(
    edge: EdgeInProcess, origin: Origin, method: str, answer: bytes
) -> None:
    origin.behaviour = answering(answer)
    deploy(edge, origin)
    edge.mint("some", scopes=["tool:echo"])
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}' if method == "POST" else None
    fields = (*JSON, ("Last-Event-ID", "6"), ("Accept-Encoding", "gzip"))
    shown = await Caller(edge, "1.1").ask("/mcp", method, fields, body)
    assert shown.whole
    assert b"echo" in shown.body
    assert b"secret" not in shown.body
    assert origin.seen[0].values(b"accept-encoding") == [b"identity"]


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(LIST, b"content-encoding: br"),
        json_answer(b"tools: secret"),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nsecret",
    ],
)
async def test_what_cannot_be_read_is_not_shown(
    edge: EdgeInProcess, origin: Origin, answer: bytes
) -> None:
    origin.behaviour = answering(answer)
    deploy(edge, origin)
    edge.mint("some", scopes=["tool:echo"])
    assert await refusal(edge, body=CALL) == (502, "upstream_invalid", -32000)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CALL.replace(b"echo", b"secret"), (200, "forbidden", -32602)),
        (b'{"jsonrpc":"2.0","id":1,"method":"resources/list"}', (200, "forbidden", -32601)),
        (b"[" + CALL + b"]", (400, "bad_request", -32600)),
        (CALL.replace(b'"echo"', b'"secret","name":"echo"'), (400, "bad_request", -32600)),
        (CALL.replace(b'"echo"', b'"echo","Name":"secret"'), (400, "bad_request", -32600)),
    ],
)
async def test_a_token_of_one_tool_gets_nothing_else_through(
    edge: EdgeInProcess, origin: Origin, body: bytes, expected: tuple[Any, ...]
) -> None:
    deploy(edge, origin)
    edge.mint("some", scopes=["tool:echo", "tool:other"])
    assert await refusal(edge, body=body) == expected
    assert origin.seen == []
    assert (await Caller(edge, "1.1").ask("/mcp", "POST", JSON, CALL)).body == CALL


def forgets(status: bytes, body: bytes, *, revision: bytes = b"2025-11-25") -> Behaviour:
    """Knows only the session that it opens last."""
    opened = 0

    async def behave(visit: Visit) -> None:
        nonlocal opened
        while True:
            seen = await visit.request()
            named = seen.values(b"mcp-session-id")
            if b'"initialize"' in seen.body:
                opened += 1
                identity = json.loads(seen.body)["id"]
                said = b'{"jsonrpc":"2.0","id":%b,"result":{"protocolVersion":"%b"}}'
                message = said % (json.dumps(identity).encode(), revision)
                await visit.send(json_answer(message, b"mcp-session-id: own-%d" % opened))
            elif named == [b"own-%d" % opened] and opened > 1:
                await visit.send(json_answer(seen.body or b"{}", b"mcp-session-id: " + named[0]))
            else:
                await visit.send(json_answer(body, status=status))

    return behave


NO_SESSION = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No valid session ID"}}'


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("status", "body"), [(b"404 Not Found", b"{}"), (b"400 Bad Request", NO_SESSION)]
)
async def test_a_session_that_the_function_forgot_is_opened_again(
    edge: EdgeInProcess, origin: Origin, method: str, status: bytes, body: bytes
) -> None:
    origin.behaviour = forgets(status, body)
    deploy(edge, origin)
    caller = Caller(edge, "1.1")
    session = await open_session(caller)
    named = (
        *JSON,
        ("Mcp-Session-Id", session),
        ("MCP-Protocol-Version", "2025-11-25"),
        ("Last-Event-ID", "1"),
    )
    for _ in range(2):
        answer = await caller.ask("/mcp", method, named, CALL if method == "POST" else None)
        assert (answer.status, answer.one("mcp-session-id")) == (200, session)
    said = [seen.body for seen in origin.seen if b"nitialize" in seen.body]
    assert [json.loads(each)["method"] for each in said] == [
        "initialize",
        "initialize",
        "notifications/initialized",
    ]
    assert json.loads(said[1])["params"] == json.loads(INITIALIZE)["params"]
    resent = origin.seen[-2]
    assert resent.values(b"mcp-session-id") == [b"own-2"]
    assert resent.values(b"last-event-id") == []
    await caller.ask("/mcp", "DELETE", named)
    assert origin.seen[-1].values(b"mcp-session-id") == [b"own-2"]


async def test_a_session_of_another_revision_is_not_the_one_that_was_lost(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = forgets(b"404 Not Found", b"{}", revision=b"2025-06-18")
    deploy(edge, origin)
    caller = Caller(edge, "1.1")
    session = await open_session(caller)
    named = (*JSON, ("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25"))
    answer = await caller.ask("/mcp", "POST", named, CALL)
    assert (answer.status, answer.json["error"]["code"]) == (404, -32001)


async def test_two_revisions_are_refused(edge: EdgeInProcess, origin: Origin) -> None:
    deploy(edge, origin)
    twice = (("MCP-Protocol-Version", "2026-07-28"), ("MCP-Protocol-Version", "2025-11-25"))
    answer = await Caller(edge, "1.1").ask("/mcp", "POST", (*JSON, *twice), CALL)
    assert (answer.status, answer.json["error"]["code"]) == (400, -32020)
    assert origin.seen == []


async def test_a_slow_reader_holds_up_the_function_not_the_edge(
    edge: EdgeInProcess, origin: Origin
) -> None:
    sent = 0

    async def floods(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        await visit.send(SSE)
        event = chunk(b"data: " + b"x" * 60_000 + b"\n\n")
        while sent < 1000:
            await visit.send(event)
            sent += 1

    origin.behaviour = floods
    deploy(edge, origin)
    async with edge.http1() as client:
        await client.send(request("/mcp", "POST", (*JSON, (TOKEN, edge.token)), CALL))
        await client.head()
        before = -1
        with anyio.fail_after(10):
            while sent != before:
                before = sent
                await asyncio.sleep(0.2)
        assert sent < 300  # 60 MB would have come, were nothing held back
