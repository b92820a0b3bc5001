"""Tool calls over real connections: the request that they make, and what comes back of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from mcp_bridge.calls import ToolCall
from mcp_bridge.judging import Judge
from tests.support.calling import until
from tests.support.http1_client import Http1Client, request
from tests.support.mcp_function import (
    by_name,
    chunk,
    chunked_head,
    document,
    hold,
    on_cue,
    says,
    sends,
    whole,
)
from tests.support.mcp_wire import (
    JSON_AND_EVENTS,
    McpClient,
    connected,
    good,
    refused,
    serving_tools,
)
from tests.support.origin import (
    Origin,
    Visit,
    closes_at_once,
    hangs,
    refusing,
    resets_before_head,
    resetting_after,
    silent_after,
    unresponsive,
)

MIB4 = 4 * 1024 * 1024
KIND = [("content-type", "application/json"), ("accept", JSON_AND_EVENTS)]


def call(name: str = "echo", id: Any = 1, **arguments: Any) -> bytes:  # noqa: A002
    """A `tools/call`."""
    params = {"name": name, "arguments": arguments}
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})


@pytest.mark.parametrize("stateless", [False, True], ids=["handshake", "stateless"])
async def test_a_call_is_one_request_of_the_function_and_one_answer_of_json(
    mcp: McpClient, origin: Origin, stateless: bool
) -> None:
    begin = mcp.stateless if stateless else mcp.ask
    reading = await begin("tools/call", {"name": "echo", "arguments": {"a": "é"}})
    answer = await reading.end()
    assert (answer.status, answer.whole) == (200, True)
    assert answer.one("content-type") == "application/json"
    assert answer.one("x-request-id")
    assert "x-jelou-token" in answer.one("vary").lower()
    [seen] = origin.seen
    assert (seen.method, seen.target) == (b"POST", b"/echo")
    assert orjson.loads(seen.body) == {"a": "é"}
    fields = good(answer.json)["fields"]
    assert fields["x-jelou-trigger"] == "mcp"
    assert fields["accept"] == "application/json, */*;q=0.5"
    assert fields["x-jelou-token-name"] == "default"
    assert mcp.token not in json.dumps(answer.json)


async def test_calls_reuse_the_functions_connection(mcp: McpClient, origin: Origin) -> None:
    for _ in range(5):
        assert "result" in await (await mcp.call("echo")).result()
    assert (len(origin.seen), origin.visits) == (5, 1)


@pytest.mark.parametrize("framing", ["slow", "chunked"])
async def test_a_message_may_come_in_pieces(mcp: McpClient, origin: Origin, framing: str) -> None:
    body = call(a="x" * 3000)
    if mcp.version == "2":
        pytest.skip("HTTP/2 frames every body")
    async with mcp.edge.http1() as client:
        sized = ("content-length", str(len(body)))
        how = sized if framing == "slow" else ("transfer-encoding", "chunked")
        await client.send(request("/mcp", "POST", [("x-jelou-token", mcp.token), *KIND, how]))
        for at in range(0, len(body), 500):
            piece = body[at : at + 500]
            await client.send(piece if framing == "slow" else chunk(piece))
            await asyncio.sleep(0)
        await client.send(b"" if framing == "slow" else b"0\r\n\r\n")
        answer = await client.answer()
        assert good(answer.json)["target"] == "/echo"
        again = await client.ask("/mcp", "POST", [("x-jelou-token", mcp.token), *KIND], body)
    assert good(again.json)["target"] == "/echo"


@pytest.mark.parametrize("size", [MIB4, MIB4 + 1])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_message_has_four_mebibytes_at_most(
    mcp: McpClient, origin: Origin, framing: str, size: int
) -> None:
    body = call(a="x")
    body = body[:-1] + b" " * (size - len(body)) + b"}"
    if mcp.version == "2":
        if framing == "length" and size > MIB4:
            length = ("content-length", str(size))
            reading = await mcp.begin("POST", [*KIND, length], None, end=False)
        else:
            reading = await mcp.post(body)
        answer = await reading.end()
    else:
        chunked = ("transfer-encoding", "chunked")
        sent = chunk(body) + b"0\r\n\r\n" if framing == "chunked" else body
        fields = [("x-jelou-token", mcp.token), *KIND, *([chunked] if framing == "chunked" else [])]
        async with mcp.edge.http1() as client, anyio.create_task_group() as tasks:
            tasks.start_soon(_pushed, client, request("/mcp", "POST", fields, sent))
            answer = await client.answer()
            tasks.cancel_scope.cancel()
    if size == MIB4:
        assert (answer.status, len(origin.seen)) == (200, 1)
        return
    assert (answer.status, origin.seen) == (413, [])
    error = answer.json["error"]
    assert error["data"] == {"code": "body_too_large", "requestId": answer.one("x-request-id")}
    assert f"{MIB4} bytes" in error["message"]
    assert "mcp_body" in error["message"]


async def _pushed(client: Http1Client, data: bytes) -> None:
    """Send it, as far as the other side takes it."""
    try:
        await client.send(data)
    except OSError:
        return


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "OPTIONS"])
async def test_other_methods_are_told_which_there_are(mcp: McpClient, method: str) -> None:
    answer = await (await mcp.begin(method)).end()
    assert (answer.status, answer.one("allow")) == (405, "POST, DELETE")
    if method == "HEAD":
        assert not answer.body
    else:
        assert answer.json["error"]["data"]["code"] == "method_not_allowed"
    assert "result" in await (await mcp.call("echo")).result()


@pytest.mark.parametrize("kind", ["message", "stream"])
async def test_a_connection_goes_on_after_an_answer_and_requests_behind_it_wait_their_turn(
    mcp: McpClient, origin: Origin, kind: str
) -> None:
    if mcp.version == "2":
        pytest.skip("HTTP/2 has no turns")
    meta = {"progressToken": 1} if kind == "stream" else {}
    origin.behaviour = by_name({"hold": on_cue})
    params = {"name": "hold", "_meta": meta}
    first = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    fields = [("x-jelou-token", mcp.token), *KIND]
    async with mcp.edge.http1() as client:
        behind = [
            request("/mcp", "POST", fields, orjson.dumps(first)),
            request("/mcp", "POST", fields, call(id=2)),
            request("/plain", "GET", fields[:1]),
            request("/mcp", "POST", fields, call(id=3)),
        ]
        await client.send(b"".join(behind))
        await until(lambda: origin.seen)
        assert len(origin.seen) == 1
        origin.cue.set()
        answers = [await client.answer() for _ in behind]
    assert [answer.whole for answer in answers] == [True] * 4
    streamed = answers[0].body.endswith(b"\n\n")
    assert streamed is (kind == "stream")
    assert answers[1].json["id"] == 2
    assert answers[2].json["target"] == "/plain"
    assert answers[3].json["id"] == 3


async def test_who_has_said_all_and_ends_its_side_still_gets_its_answer(
    mcp: McpClient, origin: Origin
) -> None:
    if mcp.version == "2":
        pytest.skip("HTTP/2 ends streams, not connections")
    origin.behaviour = by_name({"hold": on_cue})
    async with mcp.edge.http1() as client:
        body = call("hold")
        await client.send(request("/mcp", "POST", [("x-jelou-token", mcp.token), *KIND], body))
        client.writer.write_eof()
        await until(lambda: origin.seen)
        origin.cue.set()
        answer = await client.answer()
        assert good(answer.json) == {"late": "/hold"}
        assert await client.ending() == "closed"


@pytest.mark.parametrize("begun", ["nothing", "stream"])
async def test_a_client_that_leaves_ends_the_functions_request(
    mcp: McpClient, origin: Origin, begun: str
) -> None:
    origin.behaviour = by_name({"hold": hold})
    meta = {"progressToken": "t"} if begun == "stream" else None
    reading = await mcp.call("hold", meta=meta)
    if begun == "stream":
        await reading.head()
    await until(lambda: origin.seen)
    await reading.leave()
    with anyio.fail_after(5):
        await origin.departures.acquire()
    assert "result" in await (await mcp.call("echo")).result()


async def test_equal_ids_in_flight_get_their_own_answers(mcp: McpClient, origin: Origin) -> None:
    session = await mcp.session()
    readings = [await mcp.call("echo", {"n": n}, id=7, session=session) for n in range(10)]
    answers = [await reading.result() for reading in readings]
    assert [answer["id"] for answer in answers] == [7] * 10
    bodies = [good(answer)["body"] for answer in answers]
    assert [json.loads(body)["n"] for body in bodies] == list(range(10))


@pytest.mark.parametrize("id", [0, -1, "x", "", "é" * 100, 2**53 + 1, 1.5])
async def test_an_id_comes_back_as_it_was(mcp: McpClient, id: Any) -> None:  # noqa: A002
    if id == 1.5:
        assert "error" in await (await mcp.call("echo", id=id)).result()
    else:
        assert (await (await mcp.call("echo", id=id)).result())["id"] == id


async def test_what_the_function_is_told_cannot_be_forged(mcp: McpClient, origin: Origin) -> None:
    forged = [
        ("x-jelou-mcp", '{"requestState":"mine"}'),
        ("x_jelou_mcp", "mine"),
        ("x-jelou-trigger", "cron"),
        ("x-forwarded-for", "203.0.113.9"),
    ]
    await (await mcp.call("echo", fields=forged)).result()
    await (await mcp.stateless("tools/call", {"name": "echo"}, fields=forged)).result()
    for seen in origin.seen:
        assert b"mine" not in seen.raw
        assert b"203.0.113.9" not in seen.raw
        assert seen.values(b"x-jelou-trigger") == [b"mcp"]
    assert origin.seen[0].values(b"x-jelou-mcp") == []
    [told] = origin.seen[1].values(b"x-jelou-mcp")
    assert orjson.loads(told) == {"clientCapabilities": {}}


# Functions that fail.

HALF = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
CUT = chunked_head("application/json") + chunk(b'{"a":')
NONSENSE = b"SSH-2.0-OpenSSH_9.2\r\n"
BIG = whole(b'"' + b"x" * (MIB4 - 1) + b'"')
BIG_CHUNKED = chunked_head("application/json") + chunk(b'"' + b"x" * MIB4 + b'"') + b"0\r\n\r\n"

FAILURES: dict[str, tuple[Any, str]] = {
    "closed at once": (closes_at_once, "cannot be reached"),
    "reset before an answer": (resets_before_head, "cannot be reached"),
    "half a body": (resetting_after(HALF), "The function's answer broke off."),
    "half a chunked body": (resetting_after(CUT), "The function's answer broke off."),
    "no HTTP": (silent_after(NONSENSE), ""),
    "too big": (by_name({"echo": sends(BIG)}), f"over the limit of {MIB4} bytes"),
    "too big in chunks": (by_name({"echo": sends(BIG_CHUNKED)}), f"over the limit of {MIB4} bytes"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_function_that_fails_is_an_error_for_the_model(
    mcp: McpClient, origin: Origin, failure: str
) -> None:
    origin.behaviour, said = FAILURES[failure]
    answer = await (await mcp.call("echo")).end()
    assert answer.status == 200
    text = refused(answer.json)
    assert said in text
    assert list(answer.json["result"]) == ["content", "isError"]
    origin.behaviour = by_name({})
    assert good(await (await mcp.call("one")).result())


async def test_a_request_that_may_have_arrived_is_never_sent_again(
    mcp: McpClient, origin: Origin
) -> None:
    async def dies_on_the_second(visit: Visit) -> None:
        await says({})(visit, await visit.request())
        await visit.request()
        visit.reset()

    origin.behaviour = dies_on_the_second
    await (await mcp.call("echo")).result()
    assert refused(await (await mcp.call("echo")).result())
    assert len(origin.seen) == 2


async def test_a_connection_that_the_function_closed_meanwhile_is_not_used(
    mcp: McpClient, origin: Origin
) -> None:
    async def closes_when_told(visit: Visit) -> None:
        await says({"visit": visit.number})(visit, await visit.request())
        if visit.number == 0:
            await visit.origin.cue.wait()
            visit.reset_now()
        else:
            await visit.gone()

    origin.behaviour = closes_when_told
    await (await mcp.call("echo")).result()
    origin.cue.set()
    answer = await (await mcp.call("echo")).result()
    assert good(answer) == {"visit": 1}


async def test_nobody_at_the_functions_address(mcp: McpClient) -> None:
    mcp.edge.deploy(refusing(), document=document("echo"))
    assert "cannot be reached" in refused(await (await mcp.call("echo")).result())


async def test_no_answer_in_time(mcp: McpClient, origin: Origin) -> None:
    origin.behaviour = hangs
    mcp.edge.deploy(origin.upstream, document=document("echo"), timeout=200)
    text = refused(await (await mcp.call("echo")).result())
    assert "200 ms" in text or "0.2 s" in text
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_an_answer_that_stands_still(way: str, tmp_path: Path, origin: Origin) -> None:
    async with serving_tools(way, tmp_path, origin, answer_idle=0.2) as mcp:
        origin.behaviour = silent_after(HALF)
        assert "broke off" in refused(await (await mcp.call("echo")).result())


async def test_a_connection_that_nobody_accepts(way: str, tmp_path: Path, origin: Origin) -> None:
    hasty = serving_tools(way, tmp_path, origin, connect_timeout=0.2)
    async with hasty as mcp, unresponsive() as upstream:
        mcp.edge.deploy(upstream, document=document("echo"))
        assert "reached" in refused(await (await mcp.call("echo")).result())


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops"])
async def test_a_functions_own_error_is_one_for_the_model(
    mcp: McpClient, origin: Origin, status: str
) -> None:
    origin.behaviour = by_name({"echo": sends(whole(b'{"why":"because"}', status=status))})
    text = refused(await (await mcp.call("echo")).result())
    assert text.startswith(f"HTTP {status[:3]}")
    assert "because" in text


async def test_calls_over_the_functions_limit_wait_and_are_refused(
    way: str, tmp_path: Path, origin: Origin
) -> None:
    async with serving_tools(way, tmp_path, origin, in_flight=1, queue=1) as mcp:
        origin.behaviour = by_name({"hold": on_cue})
        first = await mcp.call("hold")
        await until(lambda: origin.seen)
        second = await mcp.call("echo")
        texts = [refused(await (await mcp.call("echo")).result()) for _ in range(2)]
        assert len(set(texts)) == 1
        origin.cue.set()
        for reading in (first, second):
            assert good(await reading.result())


async def test_an_unknown_tool_and_one_out_of_scope_are_one_and_the_same(mcp: McpClient) -> None:
    token = mcp.edge.mint("some", scopes=["tool:one"]).secret
    async with connected(mcp.edge, mcp.version, token) as some:
        answers = [await (await some.call(name, id=1)).result() for name in ("two", "none")]
        assert "result" in await (await some.call("one")).result()
    assert [answer["error"]["code"] for answer in answers] == [-32602] * 2
    assert answers[0]["error"]["message"].replace("two", "none") == answers[1]["error"]["message"]


@pytest.mark.parametrize("part", ["judging", "piece", "end"])
async def test_an_error_of_the_edges_own_is_told_without_its_text_and_written_down(
    mcp: McpClient,
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("a secret of the edge's")

    owner, name = {
        "judging": (Judge, "_judge"),
        "piece": (ToolCall, "received"),
        "end": (ToolCall, "finished"),
    }[part]
    assert good(await (await mcp.call("echo")).result())
    monkeypatch.setattr(owner, name, breaks)
    answer = await (await mcp.call("echo")).end()
    assert b"secret" not in answer.body
    if part == "judging":
        assert (answer.status, answer.json["error"]["data"]["code"]) == (500, "internal")
    else:
        assert "inside the edge" in refused(answer.json)
    monkeypatch.undo()
    assert good(await (await mcp.call("echo")).result())
    assert "a secret of the edge's" in capfd.readouterr().err + caplog.text
    caplog.clear()
