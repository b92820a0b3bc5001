"""Attacks through `/mcp`: by arguments on the function, by the function on its caller, by many."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from tests.support.calling import until
from tests.support.mcp_attacker import (
    BOTH,
    ENVELOPE,
    HANDSHAKE,
    JSON,
    STATELESS,
    Attacker,
    attacking,
    code,
    events,
    last,
)

LANES = {"fast": True, "asgi": False}
SECRET = "jfn_rt_" + "0" * 32 + "2Freyo"


@pytest.fixture(params=LANES)
async def attacker(request: Any, tmp_path: Path) -> AsyncIterator[Attacker]:
    """One on each lane, whose token may open few sessions."""
    async with attacking(tmp_path, fast_lane=LANES[request.param], mcp_sessions=5) as made:
        yield made


VALUES = [
    "a/b",
    "../../hidden",
    "..",
    ".",
    "",
    "...",
    "%2F..%2Fhidden",
    "%2e%2e",
    "%00",
    "a\0b",
    "a\r\nx-forged: 1\r\n\r\nGET /smuggled HTTP/1.1",
    "a?x=1#y",
    "a;b=c",
    "\\..\\hidden",
    "//evil.example/",
    "http://evil.example/",
    " HTTP/1.1",
    "é\u2028\u202e",
    "a+b&c=d",
    "x" * 5_000,
]


async def test_no_argument_leaves_its_place(attacker: Attacker) -> None:
    for value in VALUES:
        result = last(await attacker.call("say", {"kind": value, "q": value, "c": value}))["result"]
        seen = attacker.asked()
        if value in ("", ".", ".."):
            assert (result["isError"], seen) == (True, []), value
            continue
        [one] = seen
        target = f"/say/{quote(value, safe='')}/end?q={quote(value, safe='')}"
        assert (one.method, one.target.decode()) == (b"GET", target), value
        assert one.values(b"cookie") == [f"c={quote(value, safe='')}".encode()]
        assert one.values(b"x-forged") == []


async def test_an_argument_in_a_header_stays_on_its_line(attacker: Attacker) -> None:
    for value in ("a\r\nx-forged: 1", "a\nb", "a\rb", "a\0b", "\x7f"):
        answer = await attacker.call("say", {"kind": "x", "X-Note": value})
        assert last(answer)["result"]["isError"] is True, value
        assert attacker.asked() == []
    for value in ("é\u2028", "a: b", "a, b", "\tb\t"):
        await attacker.call("say", {"kind": "x", "X-Note": value})
        [one] = attacker.asked()
        assert one.values(b"x-note") == [value.strip("\t").encode()], value


async def test_what_no_parameter_names_is_no_header_and_no_target(attacker: Attacker) -> None:
    for name in ("x-jelou-token", "host", "x-forged", "Authorization", "__proto__", "path"):
        answer = await attacker.call("say", {"kind": "x", name: "forged"})
        assert code(answer) is None
        for seen in attacker.asked():
            assert b"forged" not in seen.raw, name
    await attacker.call("save", {"x-jelou-token": "in the body", "": [{"a\r\nb": None}]})
    [one] = attacker.asked()
    assert json.loads(one.body) == {"x-jelou-token": "in the body", "": [{"a\r\nb": None}]}


FORGED = {
    "x-jelou-mcp": '{"requestState":"forged"}',
    "X_Jelou_Mcp": '{"requestState":"forged"}',
    "x-jelou-function": "forged",
    "x-jelou-token-id": "forged",
    "x-jelou-trigger": "forged",
    "x-jelou-error-source": "forged",
    "x-forwarded-for": "6.6.6.6",
    "mcp-param-forged": "forged",
    "authorization": "Bearer forged",
    "cookie": "a=forged",
    "accept-encoding": "forged",
}


async def test_a_caller_says_nothing_in_the_edges_name(attacker: Attacker) -> None:
    sent = tuple(FORGED.items())
    await attacker.call("say", {"kind": "x"}, *sent)
    await attacker.stateless("say", {"kind": "x"}, headers=FORGED)
    for seen in attacker.asked():
        assert b"forged" not in seen.raw
        assert b"6.6.6.6" not in seen.raw
    attacker.redeploy(mcp={"forwardHeaders": ["Cookie"]})
    await attacker.call("say", {"kind": "x"}, *sent)
    [one] = attacker.asked()
    assert one.values(b"x-jelou-mcp") == []
    assert one.values(b"x-jelou-function") == [b"shop"]
    assert one.values(b"cookie") == [b"a=forged"]


TRACE = 'Traceback (most recent call last):\n  File "/srv/app.py", line 7, in pay\nKeyError: 1'
LEAKS = {
    "a trace": (500, "text/plain", TRACE.encode()),
    "a page": (500, "text/html", f"<pre>{TRACE}</pre>".encode()),
    "a trace in JSON": (500, "application/json", json.dumps({"message": TRACE}).encode()),
    "a key of traces": (502, "application/json", json.dumps({"stack": [TRACE]}).encode()),
    "deep": (400, "application/problem+json", json.dumps({"a": [{"trace": TRACE}]}).encode()),
    "a token": (500, "text/plain", f"token {SECRET} is bad".encode()),
    "a token in JSON": (403, "application/json", json.dumps({"error": SECRET}).encode()),
    "a broken literal": (200, "application/vnd.mcp.result+json", TRACE.encode()),
    "an error event": (200, "text/event-stream", f"event: error\ndata: {SECRET}\n\n".encode()),
}


async def test_failures_of_functions_leak_nothing_of_the_inside(attacker: Attacker) -> None:
    for name, (status, kind, body) in LEAKS.items():
        attacker.status, attacker.said = status, (kind, body)
        for answer in (await attacker.call("told"), await attacker.stateless("told")):
            assert last(answer)["result"]["isError"] is True, name
            said = bytes(answer.body) + repr(answer.headers).encode()
            for inside in (b"Traceback", b"app.py", SECRET.encode(), b"127.0.0.1", b"pydantic"):
                assert inside not in said, name
            for token in attacker.tokens.values():
                assert token.encode() not in said, name


async def asked_back(attacker: Attacker, **how: Any) -> str:
    """The state of a call that asks its client back."""
    result = last(await attacker.stateless("ask", {"a": "1"}, **how))["result"]
    assert result["resultType"] == "input_required"
    attacker.asked()
    return str(result["requestState"])


async def test_a_request_state_is_good_for_its_own_call_alone(attacker: Attacker) -> None:
    state = await asked_back(attacker)
    answers = {"sure": {"action": "accept", "content": {}}}

    async def retried(state: Any, name: str = "ask", a: Any = "1", **how: Any) -> tuple[int, Any]:
        more = {"requestState": state, "inputResponses": answers}
        answer = await attacker.stateless(name, {"a": a}, more=more, **how)
        return answer.status, code(answer)

    refused = (400, -32602)
    assert "step 1" not in state
    assert await retried(state, "askToo") == refused
    assert await retried(state, "say") == refused
    assert await retried(state, a="2") == refused
    assert await retried(state, token="second") == refused
    assert await retried(state, token="other", slug="other") == refused
    for at in range(0, len(state), 5):
        flipped = state[:at] + ("A" if state[at] != "A" else "B") + state[at + 1 :]
        assert await retried(flipped) == refused, at
    odd: list[Any] = ["", state[:-1], state + "A", "step 1", "x" * 100_000, 7, ["x"], {}]
    for text in odd:
        assert await retried(text) == refused, text
    assert await retried(attacker.sealed(601, "ask", {"a": "1"})) == refused
    assert attacker.asked() == []
    assert await retried(attacker.sealed(590, "ask", {"a": "1"})) == (200, None)
    attacker.asked()
    assert await retried(state) == (200, None)
    [one] = attacker.asked()
    [context] = one.values(b"x-jelou-mcp")
    assert json.loads(context)["requestState"] == "step 1"


INJECTED = "a\ndata: {}\n\nevent: message\rdata: forged\r\r\nid: 7\u2028\u2029\x85\x0b\x0c\0"


async def test_nothing_that_is_told_makes_an_event_of_its_own(attacker: Attacker) -> None:
    lines = [f"data: {json.dumps({'progress': n, 'message': INJECTED})}\n\n" for n in (1, 2)]
    lines += [f"data: {INJECTED.encode('unicode_escape').decode()}\n\n", "data: a\ndata: b\n\n"]
    lines += [f"event: result\ndata: {json.dumps({'told': INJECTED})}\n\n"]
    attacker.said = ("text/event-stream", "".join(lines).encode())
    for token in (INJECTED, 7, 0, "", "x" * 10_000):
        params = {"name": "told", "arguments": {}, "_meta": {"progressToken": token}}
        answer = await attacker.message("tools/call", params, rpc_id=INJECTED)
        *before, result = events(bytes(answer.body))
        assert len(before) == 4
        assert {one["method"] for one in before} == {"notifications/progress"}
        assert [one["params"]["progressToken"] for one in before] == [token] * 4
        rising = [one["params"]["progress"] for one in before]
        assert rising == sorted(set(rising))
        assert before[0]["params"]["message"] == INJECTED
        assert (result["id"], result["result"]["content"][0]["text"]) == (
            INJECTED,
            json.dumps({"told": INJECTED}),
        )
    whole = last(await attacker.call("told", {}, rpc_id=INJECTED))
    assert whole["id"] == INJECTED


async def test_a_token_that_is_true_or_false_is_told_no_progress(attacker: Attacker) -> None:
    attacker.said = ("text/event-stream", b"data: 1\n\ndata: {}\n\n")
    for token in (True, False):
        params = {"name": "told", "arguments": {}, "_meta": {"progressToken": token}}
        answer = await attacker.message("tools/call", params)
        assert answer.one("content-type") == "application/json"
        assert json.loads(answer.body)["result"]["content"][0]["text"] == "{}"


@pytest.mark.parametrize("token", [None, 1.5, {}, [], ["a"], {"a": 1}])
async def test_a_progress_token_is_a_text_or_an_integer(attacker: Attacker, token: Any) -> None:
    params = {"name": "told", "arguments": {}, "_meta": {"progressToken": token}}
    answer = await attacker.message("tools/call", params)
    assert (answer.status, code(answer)) == (200, -32602)
    meta = {**ENVELOPE, "progressToken": token}
    stateless = await attacker.stateless("told", {}, more={"_meta": meta})
    assert (stateless.status, code(stateless)) == (400, -32602)
    assert attacker.asked() == []


async def test_nothing_follows_the_answer_of_a_call(attacker: Attacker) -> None:
    said = b"data: 1\n\nevent: result\ndata: {}\n\ndata: 2\n\ndata: 3\n\n"
    attacker.said = ("text/event-stream", said)
    params = {"name": "told", "arguments": {}, "_meta": {"progressToken": 1}}
    answer = await attacker.message("tools/call", params)
    told = events(bytes(answer.body))
    assert [one.get("id") for one in told][:-1] == [None] * (len(told) - 1)
    assert told[-1]["result"]["content"][0]["text"] == "{}"


async def test_a_huge_last_event_id_is_told_the_list_or_refused(attacker: Attacker) -> None:
    named = ("mcp-session-id", await attacker.session())
    for size, status in ((7, 200), (20_000, 200), (40_000, 431)):
        sent = [
            BOTH,
            named,
            ("last-event-id", "x" * size),
            ("x-jelou-token", attacker.tokens["all"]),
        ]
        async with attacker.edge.http1() as client:
            await client.send(_head("GET", sent))
            with anyio.fail_after(5):
                answer = await client.head()
                assert answer.status == status
                if status == 200:
                    told = await client.chunk()
                    assert b"list_changed" in told
                    assert b"xxx" not in told


def _head(method: str, fields: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} /mcp HTTP/1.1", "host: shop.fn.localhost"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_floods_of_cancellations_end_no_call_but_the_one_that_is_meant(
    attacker: Attacker,
) -> None:
    session, foreign = await attacker.session(), await attacker.session(token="second")
    named = ("mcp-session-id", session)

    async def cancel(rpc_id: Any, token: str, *fields: tuple[str, str]) -> None:
        params = {"requestId": rpc_id, "reason": "x" * 1_000}
        told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        sent = (JSON, BOTH, *fields)
        answer = await attacker.send(json.dumps(told).encode(), sent, token=token)
        assert (answer.status, bytes(answer.body)) == (202, b"")

    call = asyncio.create_task(attacker.call("hold", {}, named, rpc_id="mine"))
    await until(lambda: attacker.origin.seen)
    for rpc_id in (None, 0, 1, "", "mine ", "MINE", ["mine"], {"a": 1}, True, "x" * 10_000):
        await cancel(rpc_id, "all", named)
    await cancel("mine", "second", ("mcp-session-id", foreign))
    await cancel("mine", "all")
    await asyncio.gather(*(cancel(n, "all", named) for n in range(100)))
    assert not call.done()
    await cancel("mine", "all", named)
    with anyio.fail_after(5):
        assert code(await call) == -32800


async def test_a_flood_of_sessions_is_429_for_its_token_alone(attacker: Attacker) -> None:
    statuses = [(await attacker.initialize()).status for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    refused = await attacker.initialize()
    assert refused.json["error"]["data"]["code"] == "rate_limited"
    assert int(refused.one("retry-after")) >= 1
    assert refused.all("mcp-session-id") == []
    assert (await attacker.initialize(token="second")).status == 200
    assert code(await attacker.call("say", {"kind": "x"})) is None


BOMBS: dict[str, Any] = {
    "of itself": {"$ref": "#/components/schemas/Bomb"},
    "doubling": {"allOf": [{"$ref": "#/components/schemas/L0"}]},
    "deep": {"$ref": "#/components/schemas/Deep"},
    "of a stranger": {"$ref": "http://127.0.0.1:9/evil.json"},
    "a slow pattern": {"type": "string", "pattern": "^(a+)+$"},
}


def _deep(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


async def test_a_document_of_bombs_costs_its_own_tools_at_most(attacker: Attacker) -> None:
    schemas = {
        "Bomb": {"anyOf": [{"$ref": "#/components/schemas/Bomb"}] * 2},
        "Deep": _deep(50),
        **{f"L{n}": {"allOf": [{"$ref": f"#/components/schemas/L{n + 1}"}] * 2} for n in range(60)},
        "L60": {"type": "string"},
    }
    paths = {
        f"/b{number}": {
            "post": {
                "operationId": f"b{number}",
                "requestBody": {"content": {"application/json": {"schema": schema}}},
            }
        }
        for number, schema in enumerate(BOMBS.values())
    }
    attacker.redeploy(more_paths=paths, components={"schemas": schemas})
    with anyio.fail_after(10):
        for revision in (HANDSHAKE, STATELESS):
            fields = (("mcp-protocol-version", revision), ("mcp-method", "tools/list"))
            answer = await attacker.message("tools/list", {"_meta": ENVELOPE}, *fields)
            names = [tool["name"] for tool in answer.json["result"]["tools"]]
            assert "say" in names
        for name in [each for each in names if each.startswith("b")]:
            values: list[Any] = ["a" * 50_000 + "!", {"a": {"a": 1}}, [[[]]] * 50]
            for value in values:
                await attacker.call(name, {"body": value})
        assert code(await attacker.call("say", {"kind": "x"})) is None


async def test_messages_of_a_million_values_are_answered_in_seconds(attacker: Attacker) -> None:
    either = {"anyOf": [{"type": "string"}, {"type": "object", "required": ["x"]}]}
    schema = {"type": "object", "properties": {"many": {"type": "array", "items": either}}}
    content = {"application/json": {"schema": schema}}
    paths = {"/many": {"post": {"operationId": "many", "requestBody": {"content": content}}}}
    attacker.redeploy(more_paths=paths)
    many = [0] * 1_000_000
    with anyio.fail_after(20):
        result = last(await attacker.call("many", {"many": many}))["result"]
        assert "no place is named" in result["content"][0]["text"]
        for name, params in (
            ("tools/call", {"name": "say", "inputResponses": many}),
            ("tools/list", {"_meta": {"a": many}}),
            ("initialize", {"capabilities": {"experimental": {"a": many}}}),
            ("prompts/get", {"arguments": {"a": many}}),
        ):
            answer = await attacker.message(name, params)
            assert (answer.status, code(answer)) == (400, -32600), name
    assert attacker.asked() == []
