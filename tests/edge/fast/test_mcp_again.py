"""What a connection remembers of its last request to `/mcp` is never seen by anyone.

Each request is asked on a kept connection and on a fresh one; both get the same.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from edge.fast.connection import FastConnection
from tests.support.again import Outcome, Pair, asked, warm
from tests.support.asking import MADE_UP
from tests.support.expected import is_exact_401

STATELESS = "2026-07-28"
TRACE = "00-384d9319530682b55651605272ed354f-2d9869f9551f9627-01"
OTHER_TRACE = "00-384d9319530682b55651605272ed354f-2d9869f9551f9628-01"
ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOOLS = {
    name: {"method": "POST", "path": f"/{name}", "inputSchema": {"type": "object"}}
    for name in ("first", "second")
}


def deploy(both: Pair, slug: str = "shop", **more: Any) -> None:
    keys = {"tools": more.pop("tools", TOOLS), "openapi": False}
    both.edge.deploy(both.origin.upstream, slug, keys=keys, **more)


def call(
    token: str | None,
    *lines: str,
    method: str = "tools/call",
    tool: str = "first",
    id: int | str = 1,  # noqa: A002
    arguments: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    named: str | None = None,
    host: str = "shop.fn.localhost",
    **more: Any,
) -> bytes:
    """A request of the stateless revision; `named` is what `Mcp-Name` says."""
    params: dict[str, Any] = {"_meta": {**ENVELOPE, **(meta or {})}, **more}
    if method == "tools/call":
        params |= {"name": tool, "arguments": arguments or {}}
        lines = (f"Mcp-Name: {tool if named is None else named}", *lines)
    body = json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    return asked(
        token,
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"MCP-Protocol-Version: {STATELESS}",
        f"Mcp-Method: {method}",
        *lines,
        body=body.encode(),
        line="POST /mcp HTTP/1.1",
        host=host,
    )


def answer_of(outcome: Outcome) -> Any:
    return json.loads(outcome.body)


def names_of(outcome: Outcome) -> list[str]:
    return [tool["name"] for tool in answer_of(outcome)["result"]["tools"]]


async def test_calls_are_known_again_at_all(both: Pair) -> None:
    deploy(both)
    await warm(both, call(both.edge.token))
    connections = [c for c in both.edge.server.connections if isinstance(c, FastConnection)]
    kept = [(each.rote, each.bridged) for each in connections if each.rote]
    assert len(kept) == 1
    await both.ask(call(both.edge.token, id=2, arguments={"a": "another"}))
    assert [(each.rote, each.bridged) for each in connections if each.rote] == kept


async def test_each_call_has_its_own_id_arguments_and_ids(both: Pair) -> None:
    deploy(both)
    token = both.edge.token
    await warm(both, call(token))
    for number in (7, "seven", 7, "é"):
        outcome = await both.ask(call(token, id=number, arguments={"n": number}))
        answered = answer_of(outcome)
        assert answered["id"] == number
        assert json.loads(answered["result"]["content"][0]["text"]) == {"n": number}
        assert json.loads(outcome.seen[-1][3]) == {"n": number}


async def test_each_call_has_its_own_request_id_and_trace(both: Pair) -> None:
    deploy(both)
    for lines in (
        [["X-Request-Id: one"], ["X-Request-Id: two"], ["X-Request-Id: a b"]],
        [[f"traceparent: {TRACE}"], [f"traceparent: {OTHER_TRACE}"], [f"traceparent: ff{TRACE}"]],
        [["tracestate: a=1", f"traceparent: {TRACE}"], ["tracestate: a=1", "traceparent: x"]],
        [[], ["X-Request-Id: one"]],
    ):
        for turn in (*lines, *lines, *reversed(lines)):
            await warm(both, call(both.edge.token, *turn))
    for id_line in ("one", "two"):
        seen = (await both.ask(call(both.edge.token, f"X-Request-Id: {id_line}"))).seen[-1]
        assert (b"x-request-id", id_line.encode()) in seen[2]


async def test_a_trace_in_one_message_is_not_the_next_ones(both: Pair) -> None:
    deploy(both)
    token = both.edge.token
    await warm(both, call(token))
    for meta in (
        {"traceparent": TRACE, "tracestate": "a=1"},
        {},
        {"traceparent": OTHER_TRACE},
        {"tracestate": "a=1"},
        {"traceparent": "nonsense"},
        {},
    ):
        seen = dict((await both.ask(call(token, meta=meta))).seen[-1][2])
        trace = str(meta.get("traceparent", "")).encode()
        assert (seen[b"traceparent"] == trace) is (trace in (TRACE.encode(), OTHER_TRACE.encode()))
        assert (b"tracestate" in seen) is (meta.get("traceparent") == TRACE)


async def test_errors_name_the_request_that_they_answer(both: Pair) -> None:
    deploy(both)
    token = both.edge.token
    for number in ("one", "two", "three", "four"):
        sent = call(
            token, f"X-Request-Id: {number}", meta={STATELESS: None}, tool="first", named="x"
        )
        error = answer_of(await both.ask(sent))["error"]
        assert error["data"]["requestId"] == number


Change = Callable[[Pair], Any]


def redeployed(**more: Any) -> Change:
    """The function as it was, but for these settings."""
    return lambda both: deploy(both, **more)


CHANGES: dict[str, tuple[Change, int]] = {
    "revoked": (lambda both: both.edge.revoke(), 401),
    "rotated": (lambda both: both.edge.token_service.rotate("shop", "default"), 401),
    "deleted": (lambda both: both.edge.delete(), 404),
    "made public": (redeployed(public=True), 200),
    "without MCP": (redeployed(mcp=False), 404),
    "without this tool": (redeployed(tools={"second": TOOLS["second"]}), 400),
    "at another path": (
        redeployed(tools={"first": {**TOOLS["first"], "path": "/elsewhere"}}),
        200,
    ),
    "fields of its own": (redeployed(how={"headers": {"X-Own": "new"}}), 200),
    "the caller's host": (redeployed(how={"preserveHost": True}), 200),
    "search": (redeployed(mcp={"search": True}), 200),
    "fields that go on": (redeployed(mcp={"forwardHeaders": ["X-Own"]}), 200),
    "no CORS": (redeployed(cors=False), 200),
    "CORS of one origin": (redeployed(cors={"origin": ["https://a.example"]}), 200),
    "nothing": (lambda both: both.edge.mint("another"), 200),
}


@pytest.mark.parametrize(("change", "status"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
async def test_what_changes_between_two_equal_requests_bites_on_the_very_next(
    both: Pair, change: Change, status: int, method: str
) -> None:
    deploy(both)
    sent = call(both.edge.token, "X-Own: said", method=method)
    await warm(both, sent)
    change(both)
    already = len(both.origin.seen)
    outcome = await both.ask(sent)
    if method == "tools/call":
        assert outcome.status == status
        assert status == 200 or len(both.origin.seen) == already
    for _ in range(3):
        assert await both.ask(sent) == outcome


async def test_the_exact_401_comes_on_the_very_next_request(both: Pair) -> None:
    deploy(both)
    for number in range(5):
        minted = both.edge.mint(f"n{number}")
        sent = call(minted.secret)
        await warm(both, sent)
        both.edge.revoke(f"n{number}")
        await both.kept.send(sent)
        is_exact_401(await both.kept.answer())
        await both.ask(sent)


async def test_what_a_token_may_do_now_is_what_it_may_do(both: Pair) -> None:
    deploy(both)
    listing = call(both.edge.token, method="tools/list")
    await warm(both, listing)
    assert names_of(await both.ask(listing)) == ["first", "second"]
    narrow = both.edge.mint("narrow", scopes=["tool:second"]).secret
    for _ in range(4):
        for token, seen in ((narrow, ["second"]), (both.edge.tokens["shop"], ["second"])):
            assert names_of(await both.ask(call(token, method="tools/list"))) == seen
    assert (await both.ask(call(narrow, tool="first"))).status == 400
    assert (await both.ask(call(narrow, tool="second"))).status == 200


async def test_a_header_that_disagrees_with_its_body_is_refused_after_any_that_agreed(
    both: Pair,
) -> None:
    deploy(both)
    token = both.edge.token
    await warm(both, call(token))
    for sent, refused in (
        (call(token, tool="second", named="first"), True),
        (call(token), False),
        (call(token, meta={"io.modelcontextprotocol/protocolVersion": "2025-11-25"}), True),
        (call(token, meta={"io.modelcontextprotocol/clientCapabilities": []}), True),
        (call(token, meta={"progressToken": []}), True),
        (call(token, inputResponses=[]), True),
        (call(token, requestState=7), True),
        (call(token), False),
    ):
        for _ in range(2):
            outcome = await both.ask(sent)
            assert (outcome.status == 400) is refused
            assert bool(outcome.seen) is not refused


def _session(token: str, *lines: str, **message: Any) -> bytes:
    return asked(
        token,
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        *lines,
        body=json.dumps({"jsonrpc": "2.0", **message}).encode(),
        line="POST /mcp HTTP/1.1",
    )


async def _opened(both: Pair, token: str) -> str:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    async with both.edge.http1() as client:
        await client.send(_session(token, id=1, method="initialize", params=params))
        answer = await client.answer()
    return dict(answer.headers)["mcp-session-id"]


async def test_a_session_that_is_over_is_not_found_on_the_very_next_request(both: Pair) -> None:
    deploy(both)
    token = both.edge.token
    session = f"Mcp-Session-Id: {await _opened(both, token)}"
    params = {"name": "first", "arguments": {}}
    sent = _session(token, session, id=1, method="tools/call", params=params)
    await warm(both, sent)
    async with both.edge.http1() as client:
        await client.send(asked(token, session, body=None, line="DELETE /mcp HTTP/1.1"))
        assert (await client.answer("DELETE")).status == 204
    assert (await both.ask(sent)).status == 404


KINDS: list[Callable[[str, str], bytes]] = [
    lambda good, _: call(good),
    lambda good, _: call(good, id="x", arguments={"a": 1}),
    lambda good, _: call(good, tool="second"),
    lambda good, _: call(good, tool="third"),
    lambda good, _: call(good, tool="second", named="first"),
    lambda good, _: call(good, "X-Request-Id: a"),
    lambda good, _: call(good, "Connection: close"),
    lambda good, _: call(good, "Origin: https://a.example"),
    lambda good, _: call(good, meta={"traceparent": TRACE}),
    lambda good, _: call(good, method="tools/list"),
    lambda good, _: call(good, method="tools/list", cursor="nonsense"),
    lambda good, _: call(good, method="server/discover"),
    lambda good, _: call(good, method="no/such"),
    lambda good, bad: call(good, host="open.fn.localhost"),
    lambda _, bad: call(bad, host="open.fn.localhost"),
    lambda *_: call(None, host="open.fn.localhost"),
    lambda *_: call(MADE_UP),
    lambda _, bad: call(bad),
    lambda good, _: asked(good),
]


@pytest.mark.parametrize("seed", range(4))
async def test_requests_in_any_order_are_each_answered_as_on_a_fresh_connection(
    both: Pair, seed: int
) -> None:
    chosen = random.Random(seed)
    deploy(both)
    deploy(both, "open", public=True)
    good, bad = both.edge.tokens["shop"], both.edge.tokens["open"]
    few = chosen.sample(KINDS, 4)
    for number in range(30):
        sent = chosen.choice(few)(good, bad)
        for _ in range(chosen.choice([1, 1, 2, 4])):
            await both.ask(sent)
        if number % 10 == 9:
            both.edge.revoke()
            good = both.edge.mint().secret
