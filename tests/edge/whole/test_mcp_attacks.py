"""Attacks on `/mcp` by what is asked: each gets its honest answer, and reaches no function."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.mcp_bridge.test_refusals import BODIES
from tests.support.http1_client import request
from tests.support.mcp_attacker import (
    BOTH,
    ENVELOPE,
    HANDSHAKE,
    JSON,
    STATELESS,
    Attacker,
    attacking,
    code,
    last,
)

LANES = {"fast": True, "asgi": False}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


@pytest.fixture(params=LANES)
async def attacker(request: Any, tmp_path: Path) -> AsyncIterator[Attacker]:
    """One on each lane."""
    async with attacking(tmp_path, fast_lane=LANES[request.param]) as made:
        yield made


HEADERS: dict[str, dict[str, Any]] = {
    "another method": {"mcp-method": "tools/list"},
    "no method": {"mcp-method": None},
    "two methods": {"mcp-method": ["tools/call", "tools/call"]},
    "another name": {"mcp-name": "hidden"},
    "another name in base64": {"mcp-name": "=?base64?aGlkZGVu?="},
    "no name": {"mcp-name": None},
    "two names": {"mcp-name": ["say", "say"]},
    "two versions": {"mcp-protocol-version": [STATELESS, HANDSHAKE]},
    "two versions, the other first": {"mcp-protocol-version": [HANDSHAKE, STATELESS]},
    "two versions that agree": {"mcp-protocol-version": [STATELESS, STATELESS]},
    "versions in one": {"mcp-protocol-version": f"{STATELESS}, {STATELESS}"},
    "an unknown version": {"mcp-protocol-version": "2099-01-01"},
    "an empty version": {"mcp-protocol-version": ""},
}


async def test_head_and_body_that_disagree_are_400_and_nothing_is_called(
    attacker: Attacker,
) -> None:
    for name, headers in HEADERS.items():
        answer = await attacker.stateless("say", {"kind": "x"}, headers=headers)
        assert answer.status == 400, name
        assert answer.json["error"]["data"]["code"] == "bad_request", name
    for version in (HANDSHAKE, "2099-01-01", None, 7):
        meta = {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": version}
        answer = await attacker.stateless("say", {"kind": "x"}, more={"_meta": meta})
        assert (answer.status, code(answer)) == (400, -32020), version
    assert attacker.asked() == []


STRANGERS = [
    "null",
    "https://evil.example",
    "http://shop.fn.localhost.evil.example",
    "http://evil.example/shop.fn.localhost",
    "http://shop.fn.localhost@evil.example",
    "file://",
    "chrome-extension://abc",
    "",
    "http://[::1",
]


async def test_pages_of_strangers_are_403(attacker: Attacker) -> None:
    for stranger in STRANGERS:
        answer = await attacker.call("say", {"kind": "x"}, ("origin", stranger))
        assert answer.status == 403, stranger
        assert answer.json["error"]["data"]["code"] == "forbidden"
    two = [("origin", "http://shop.fn.localhost")] * 2
    assert (await attacker.call("say", {"kind": "x"}, *two)).status == 403
    assert attacker.asked() == []
    own = await attacker.call("say", {"kind": "x"}, ("origin", "http://shop.fn.localhost"))
    assert own.status == 200


async def test_bodies_that_are_no_message_are_400(attacker: Attacker) -> None:
    for name, (body, rpc_code) in BODIES.items():
        for fields in ((JSON, BOTH), (JSON, BOTH, ("mcp-protocol-version", STATELESS))):
            answer = await attacker.send(body, fields)
            assert (answer.status, code(answer)) == (400, rpc_code), name
    assert attacker.asked() == []


@pytest.mark.parametrize(
    "rpc_id", [0, -1, 2**53 + 1, 2**64, 10**30, "", "x" * 10_000, "\r\n\u2028"]
)
async def test_ids_come_back_untouched(attacker: Attacker, rpc_id: Any) -> None:
    for method, params in (
        ("ping", None),
        ("tools/call", {"name": "say", "arguments": {"kind": "x"}}),
    ):
        assert last(await attacker.message(method, params, rpc_id=rpc_id))["id"] == rpc_id
    meta = {"progressToken": "p"}
    params = {"name": "say", "arguments": {"kind": "x"}, "_meta": meta}
    assert last(await attacker.message("tools/call", params, rpc_id=rpc_id))["id"] == rpc_id


def forged(session: str) -> dict[str, str]:
    """Ids made from a good one."""
    version, kid, payload, mac = session.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(payload + "=="))
    longer = base64.urlsafe_b64encode(
        json.dumps([*decoded[:3], decoded[3] + 1, decoded[4]]).encode()
    )
    flipped = {
        f"flipped at {at}": session[:at] + ("A" if session[at] != "A" else "B") + session[at + 1 :]
        for at in range(0, len(session), 7)
    }
    return {
        **flipped,
        "cut": session[:-1],
        "cut in half": session[: len(session) // 2],
        "longer": session + "A",
        "twice": session + session,
        "another payload": f"{version}.{kid}.{longer.decode().rstrip('=')}.{mac}",
        "no mac": f"{version}.{kid}.{payload}.",
        "another key": f"{version}.k0.{payload}.{mac}",
        "another version": f"v0.{kid}.{payload}.{mac}",
        "empty": "",
        "a path": "../../session-keys",
        "10 kB": "A" * 10_000,
        "no ASCII": "\xe9" * 40,
    }


async def test_session_ids_that_are_not_the_callers_are_404(attacker: Attacker) -> None:
    session = await attacker.session()
    for name, text in forged(session).items():
        answer = await attacker.call("say", {"kind": "x"}, ("mcp-session-id", text))
        assert (answer.status, code(answer)) == (404, -32001), name
    named = ("mcp-session-id", session)
    for how in ({"token": "second"}, {"token": "other", "slug": "other"}):
        answer = await attacker.call("say", {"kind": "x"}, named, **how)
        assert (answer.status, code(answer)) == (404, -32001), how
    assert (await attacker.call("say", {"kind": "x"}, named, token="other")).status == 401
    assert attacker.asked() == []
    assert (await attacker.call("say", {"kind": "x"}, named)).status == 200
    twice = await attacker.call("say", {"kind": "x"}, named, named)
    assert (twice.status, code(twice)) == (400, -32020)


async def test_a_session_is_dead_once_ended_or_aged_and_401_once_its_token_is_revoked(
    attacker: Attacker,
) -> None:
    session = await attacker.session(token="second")
    named = ("mcp-session-id", session)
    assert (await attacker.send(None, [named], token="all", method="DELETE")).status == 404
    assert (await attacker.send(None, [named], token="second", method="DELETE")).status == 204
    for method in ("POST", "DELETE", "GET"):
        body = PING if method == "POST" else None
        answer = await attacker.send(body, (JSON, BOTH, named), token="second", method=method)
        assert (answer.status, code(answer)) == (404, -32001), method
    lineage = attacker.lineage("second")
    for age, status in (
        (0, 200),
        (7 * 24 * 3600 - 60, 200),
        (7 * 24 * 3600 + 1, 404),
        (-3600, 404),
    ):
        aged = ("mcp-session-id", attacker.minted(age, lineage))
        assert (await attacker.send(PING, (JSON, BOTH, aged), token="second")).status == status, age
    attacker.edge.revoke("second")
    good = ("mcp-session-id", attacker.minted(0, lineage))
    assert (await attacker.send(PING, (JSON, BOTH, good), token="second")).status == 401


NAMES = [
    "hidden",
    "Say",
    "SAY",
    "say ",
    " say",
    "say\0",
    "say\n",
    "say/../hidden",
    "hid",
    "hidden\u200b",
    "\uff53\uff41\uff59",
    "s\u0430y",
    "tool:say",
    "*",
    "say,hidden",
    "",
    "find_tools",
    "__proto__",
    "x" * 100_000,
]


async def test_names_that_are_not_in_scope_are_unknown(attacker: Attacker) -> None:
    for name in NAMES:
        answer = await attacker.call(name, {"kind": "x"}, token="scoped")
        assert (answer.status, code(answer)) == (200, -32602), name
        encoded = base64.b64encode(name[:1_000].encode()).decode()
        headers = {"mcp-name": f"=?base64?{encoded}?="}
        answer = await attacker.stateless(
            name[:1_000], {"kind": "x"}, headers=headers, token="scoped"
        )
        assert (answer.status, code(answer)) == (400, -32602), name
    listed = (await attacker.message("tools/list", {}, token="scoped")).json["result"]["tools"]
    assert "hidden" not in {tool["name"] for tool in listed}
    assert attacker.asked() == []


async def test_of_two_names_the_one_that_counts_is_the_one_that_is_judged(
    attacker: Attacker,
) -> None:
    for first, second in (("hidden", "say"), ("say", "hidden")):
        params = f'{{"name":"{first}","name":"{second}","arguments":{{"kind":"x"}}}}'
        body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'.encode()
        answer = await attacker.send(body, token="scoped")
        called = [seen.target for seen in attacker.asked()]
        if second == "hidden":
            assert (code(answer), called) == (-32602, [])
        else:
            assert (code(answer), called) == (None, [b"/say/x/end"])


async def test_search_finds_and_calls_nothing_out_of_scope(attacker: Attacker) -> None:
    big: dict[str, Any] = {"token": "big", "slug": "big"}
    found = (await attacker.call("find_tools", {"query": "hidden say"}, **big)).json["result"]
    tools = json.loads(found["content"][0]["text"])["tools"]
    assert [tool["name"] for tool in tools] == ["say"]
    inner = {"name": "call_tool", "arguments": {"name": "hidden"}}
    for arguments in (
        {"name": "hidden"},
        {"name": "Hidden"},
        inner,
        {"name": ["hidden"]},
        {"name": "say", "name ": "hidden"},
        {"name": "hidden", "arguments": {"kind": "x"}},
    ):
        result = (await attacker.call("call_tool", arguments, **big)).json["result"]
        assert result["isError"] is True, arguments
    assert code(await attacker.call("hidden", {}, **big)) == -32602
    stateless = await attacker.stateless("call_tool", {"name": "hidden"}, **big)
    assert stateless.json["result"]["isError"] is True
    assert attacker.asked() == []
    assert (
        code(await attacker.call("call_tool", {"name": "say", "arguments": {"kind": "x"}}, **big))
        is None
    )
    assert [seen.target for seen in attacker.asked()] == [b"/say/x/end"]


METHODS = ["tools/call\0", "TOOLS/CALL", "tools/call ", "tools//call", "/tools/call", "tools.call"]
METHODS += ["tools/ca\u0142l", "", "\r\n", "initialize/../tools/call", "__init__", "x" * 100_000]


async def test_methods_that_nobody_knows_are_not_found(attacker: Attacker) -> None:
    params = {"name": "say", "arguments": {"kind": "x"}}
    for method in METHODS:
        answer = await attacker.message(method, params)
        assert (answer.status, code(answer)) == (200, -32601), method
        assert len(answer.body) < 300_000
    assert attacker.asked() == []


async def test_what_wants_no_answer_is_not_carried_out(attacker: Attacker) -> None:
    params = {"name": "say", "arguments": {"kind": "x"}, "_meta": ENVELOPE}
    told = json.dumps({"jsonrpc": "2.0", "method": "tools/call", "params": params}).encode()
    stateless = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call")]
    for fields in ([], [("mcp-session-id", await attacker.session())], stateless):
        answer = await attacker.send(told, [JSON, BOTH, *fields])
        assert (answer.status, bytes(answer.body)) == (202, b""), fields
    assert attacker.asked() == []


OTHER_PATHS = ["/mcp/", "/MCP", "/%6dcp", "//mcp", "/x/../mcp", "/mcp;x", "/mcp%2f", "/mcp/../mcp"]


async def test_a_path_that_is_not_mcps_opens_nothing_to_a_token_of_tools(
    attacker: Attacker,
) -> None:
    params = {"name": "say", "arguments": {"kind": "x"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    fields = [JSON, BOTH, ("x-jelou-token", attacker.tokens["scoped"])]
    async with attacker.edge.http1() as client:
        for path in OTHER_PATHS:
            answer = await client.ask(path, "POST", fields, json.dumps(call).encode())
            assert answer.status == 403, path
    assert attacker.asked() == []


async def test_cursors_that_nobody_gave_are_refused(attacker: Attacker) -> None:
    texts = ["", "x", "MQ", "=", "\0", "x" * 100_000, "../../etc/passwd"]
    texts += [
        base64.urlsafe_b64encode(raw).decode() for raw in (b"1:", b"1:a b", b"2:say", b"1:\xff")
    ]
    for text in texts:
        for how in ({}, {"token": "big", "slug": "big"}):
            answer = await attacker.message("tools/list", {"cursor": text}, **how)
            assert code(answer) == -32602, text
    after_hidden = base64.urlsafe_b64encode(b"1:hidden").decode().rstrip("=")
    page = await attacker.message("tools/list", {"cursor": after_hidden}, token="scoped")
    names = [tool["name"] for tool in page.json["result"]["tools"]]
    assert names == ["hold", "save", "say", "told"]


ACCEPTED = {
    "*/*": 200,
    "application/*": 200,
    "APPLICATION/JSON": 200,
    "application/json;q=0.1": 200,
    "": 200,
    "text/html, application/json": 200,
    "application/json;q=0": 406,
    "application/json; Q=0.000": 406,
    "application/jsonx": 406,
    "application": 406,
    "text/event-stream": 406,
    "text/*": 406,
}
TYPES = {
    "application/json; charset=utf-8": 200,
    "Application/JSON": 200,
    "application/json;": 200,
    "multipart/form-data; boundary=x": 415,
    "application/x-www-form-urlencoded": 415,
    "text/plain": 415,
    "text/plain; application/json": 415,
    "application/json, text/plain": 415,
    "application/json-patch+json": 415,
    "application/jsonx": 415,
    "": 415,
}


async def test_media_types_are_taken_at_their_word(attacker: Attacker) -> None:
    for accept, status in ACCEPTED.items():
        assert (await attacker.send(PING, (JSON, ("accept", accept)))).status == status, accept
    for kind, status in TYPES.items():
        assert (await attacker.send(PING, (("content-type", kind), BOTH))).status == status, kind
    assert (await attacker.send(PING, (BOTH,))).status == 415
    assert (await attacker.send(PING, (JSON, JSON, BOTH))).status == 415


async def test_no_body_is_ever_decompressed(attacker: Attacker) -> None:
    bomb = gzip.compress(b" " * 20_000_000 + PING)
    for body in (gzip.compress(PING), bomb, PING):
        for coding in ("gzip", "br", "gzip, identity", "x"):
            answer = await attacker.send(body, (JSON, BOTH, ("content-encoding", coding)))
            assert (answer.status, answer.json["error"]["data"]["code"]) == (
                415,
                "unsupported_media_type",
            )
    assert (await attacker.send(PING, (JSON, BOTH, ("content-encoding", "identity")))).status == 200


SMUGGLED = "GET /say/smuggled/end HTTP/1.1\r\nhost: shop.fn.localhost\r\nx-jelou-token: {}\r\n\r\n"
CHUNKED = ("transfer-encoding", "chunked")
HIDING: dict[str, tuple[list[tuple[str, str]], bytes, int]] = {
    "the whole body": ([JSON], b"%s", 400),
    "a body behind a message": ([JSON], PING + b"\r\n\r\n%s", 400),
    "the body of another type": ([("content-type", "text/plain")], b"%s", 415),
    "a chunk": ([JSON, CHUNKED], b"%x\r\n%s\r\n0\r\n\r\n", 400),
}
BREAKING: dict[str, tuple[list[tuple[str, str]], bytes]] = {
    "behind a bad chunk": ([JSON, CHUNKED], b"zz\r\n%s"),
    "behind a chunk that is too short": ([JSON, CHUNKED], b"1\r\n{}\r\n%s"),
    "within trailers": ([JSON, CHUNKED], b"2\r\n{}\r\n0\r\n%s"),
    "with both framings": ([JSON, CHUNKED, ("content-length", "5")], b"0\r\n\r\n%s"),
    "with two lengths": ([JSON, ("content-length", "0"), ("content-length", "9")], b"%s"),
    "with a coding of another kind": ([JSON, ("transfer-encoding", "xchunked")], b"0\r\n\r\n%s"),
}


async def test_a_body_that_looks_like_a_request_is_never_run(attacker: Attacker) -> None:
    smuggled = SMUGGLED.format(attacker.tokens["all"]).encode()
    token = ("x-jelou-token", attacker.tokens["all"])
    for name, (fields, body, status) in HIDING.items():
        filled = body.replace(b"%x", b"%x" % len(smuggled)).replace(b"%s", smuggled)
        async with attacker.edge.http1() as client:
            for sent in ([*fields, token], [*fields, ("x-jelou-token", "none")]):
                answer = await client.ask("/mcp", "POST", sent, filled)
                assert answer.status == (status if sent[-1] == token else 401), name
                assert (await client.ask("/__health")).status == 200, name
    for name, (fields, body) in BREAKING.items():
        async with attacker.edge.http1() as client:
            await client.send(
                request("/mcp", "POST", [*fields, token], body.replace(b"%s", smuggled))
            )
            assert (await client.answer()).status == 400, name
            assert await client.reader.read() == b"", name
    assert attacker.asked() == []
