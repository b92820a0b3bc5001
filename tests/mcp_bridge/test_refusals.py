"""Requests that `/mcp` refuses, one row each: status, JSON-RPC code and nothing said in between."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest

from mcp_bridge.catalog import build
from mcp_bridge.specs import ToolSpec
from tests.mcp_bridge.serving import ENVELOPE, STATELESS, serving

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def nested(depth: int) -> bytes:
    inner = b"[" * depth + b"]" * depth
    return b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + inner + b"}}"


BODIES = {
    "no JSON": (b"{", -32700),
    "nothing": (b"", -32700),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', -32700),
    "Infinity": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}', -32700),
    "lone surrogate": (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
    "too deep": (nested(127), -32600),
    "far too deep": (nested(100_000), -32600),
    "a batch": (json.dumps([PING, PING]).encode(), -32600),
    "an empty batch": (b"[]", -32600),
    "a string": (b'"ping"', -32600),
    "another version": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
    "no method": (b'{"jsonrpc":"2.0","id":1}', -32600),
    "a method that is a number": (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
    "params that are an array": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602),
    "a request and a response": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":"x"}}',
        -32600,
    ),
    "too many values": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[' + b"0," * 10_000 + b"0]}}",
        -32600,
    ),
    "id null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    "id a fraction": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    "id a boolean": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
    "id an object": (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    "id an array": (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', -32600),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": STATELESS}])
async def test_a_body_that_is_no_message_is_refused(name: str, headers: dict[str, str]) -> None:
    body, code = BODIES[name]
    async with serving(request_id="req-7") as edge:
        answer = await edge.post(body, headers)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == code
        assert error["data"] == {"code": "bad_request", "requestId": "req-7"}
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-jelou-error-source"] == "edge"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("rpc_id", [0, 1, -5, 2**53, "", "a", "ünïcode"])
async def test_ids_come_back_as_they_were_sent(rpc_id: Any) -> None:
    async with serving() as edge:
        assert (await edge.call("ping", rpc_id=rpc_id)).json()["id"] == rpc_id
        answer = await edge.post(
            {"jsonrpc": "2.0", "id": rpc_id, "method": "tools/list", "params": {"_meta": ENVELOPE}},
            {"mcp-protocol-version": STATELESS, "mcp-method": "tools/list"},
        )
        assert answer.json()["id"] == rpc_id


@pytest.mark.parametrize("depth", [127, 100_000])
async def test_what_is_too_deep_is_told_the_limit(depth: int) -> None:
    async with serving() as edge:
        error = (await edge.post(nested(depth))).json()["error"]
        assert error["message"] == "The body is nested deeper than 128 levels."


async def test_depth_128_is_served() -> None:
    async with serving() as edge:
        assert (await edge.post(nested(126))).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "HEAD"])
async def test_other_methods_are_405_and_say_which_are_served(method: str) -> None:
    async with serving() as edge:
        session = await edge.session()
        for headers in ({}, {"mcp-session-id": session})[: 1 if method == "GET" else 2]:
            answer = await edge.client.request(method, edge.url, headers=headers)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST, DELETE")
        answer = await edge.client.request(
            method, edge.url, headers={"mcp-protocol-version": STATELESS}
        )
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_the_stateless_revision_has_no_delete() -> None:
    async with serving() as edge:
        headers = {"mcp-protocol-version": STATELESS}
        answer = await edge.client.delete(edge.url, headers=headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("revision", ["", "2099-01-01"])
async def test_no_session_seems_ended_by_a_revision_that_nobody_speaks(revision: str) -> None:
    async with serving() as edge:
        session = await edge.session()
        headers = {"mcp-session-id": session, "mcp-protocol-version": revision}
        assert (await edge.client.delete(edge.url, headers=headers)).status_code == 400
        assert (await edge.call("ping", None, {"mcp-session-id": session})).status_code == 200


async def test_a_message_that_says_it_is_over_the_limit_is_413_unread() -> None:
    async with serving() as edge:
        url = httpx2.URL(edge.url)
        async with await anyio.connect_tcp(url.host, url.port or 0) as stream:
            head = "POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            await stream.send(f"{head}Content-Length: {4 * 1024 * 1024 + 1}\r\n\r\n".encode())
            with anyio.fail_after(5):
                answer = await stream.receive()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"body_too_large"' in answer


async def test_a_message_that_turns_out_over_the_limit_is_413() -> None:
    async with serving() as edge:

        async def pieces() -> AsyncIterator[bytes]:
            yield b" " * (4 * 1024 * 1024 + 1)

        headers = {"content-type": "application/json"}
        answer = await edge.client.post(edge.url, content=pieces(), headers=headers)
        assert answer.status_code == 413
        assert answer.json()["error"]["data"]["code"] == "body_too_large"


async def test_another_content_type_is_415_and_another_accept_is_406() -> None:
    async with serving() as edge:
        assert (await edge.post(PING, {"content-type": "text/plain"})).status_code == 415
        assert (await edge.post(PING, {"accept": "text/event-stream"})).status_code == 406
        assert (await edge.post(PING, {"accept": "*/*"})).status_code == 200
        charset = {"content-type": "application/json; charset=utf-8"}
        assert (await edge.post(PING, charset)).status_code == 200


@pytest.mark.parametrize(
    "versions", [["2025-11-25", STATELESS], [STATELESS, "2025-11-25"], [STATELESS, STATELESS]]
)
async def test_two_version_headers_are_refused(versions: list[str]) -> None:
    async with serving() as edge:
        headers = [("content-type", "application/json"), ("mcp-method", "ping")]
        headers += [("mcp-protocol-version", version) for version in versions]
        answer = await edge.client.post(edge.url, json=PING, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize(
    ("method", "name"), [("tools/list", "getOrder"), ("tools/call", "createOrder")]
)
async def test_headers_that_contradict_the_body_are_refused(method: str, name: str) -> None:
    async with serving() as edge:
        params = {"name": "getOrder", "arguments": {"id": "1"}}
        headers = {"mcp-method": method, "mcp-name": name}
        answer = await edge.stateless("tools/call", params, headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
        assert edge.function.requests == []


async def test_a_mirrored_parameter_must_agree_with_its_argument() -> None:
    schema = {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    }
    catalog = build(None, [ToolSpec("go", method="GET", path="/go", input_schema=schema)])
    async with serving(catalog) as edge:
        params = {"name": "go", "arguments": {"region": "eu"}}
        wrong = await edge.stateless("tools/call", params, {"mcp-param-region": "us"})
        right = await edge.stateless("tools/call", params, {"mcp-param-region": "eu"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)
        assert right.status_code == 200


async def test_a_revision_that_nobody_knows_is_refused() -> None:
    async with serving() as edge:
        answer = await edge.post(PING, {"mcp-protocol-version": "1999-01-01", "mcp-method": "ping"})
        assert answer.status_code == 400


async def test_an_unknown_method_is_not_found_by_its_code() -> None:
    async with serving() as edge:
        headers = {"mcp-session-id": await edge.session()}
        for method in ("resources/list", "prompts/list", "sampling/createMessage", "no/such"):
            answer = await edge.call(method, {}, headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32601)


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        {"jsonrpc": "2.0", "method": "notifications/nobody/knows"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ],
)
async def test_what_wants_no_answer_is_accepted(message: dict[str, Any]) -> None:
    async with serving() as edge:
        answer = await edge.post(message, {"mcp-session-id": await edge.session()})
        assert (answer.status_code, answer.content) == (202, b"")


async def test_a_notification_on_the_stateless_revision_is_accepted() -> None:
    async with serving() as edge:
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        answer = await edge.post(message, {"mcp-protocol-version": STATELESS})
        assert answer.status_code == 202


TOOL = {"_meta": ENVELOPE, "name": "getOrder", "arguments": {"id": "7"}}
DISAGREEING: dict[str, tuple[str, dict[str, Any], dict[str, str], int, str]] = {
    "another method": ("tools/call", TOOL, {"mcp-method": "tools/list"}, 400, "bad_request"),
    "no method": ("tools/call", TOOL, {"mcp-method": ""}, 400, "bad_request"),
    "another name": ("tools/call", TOOL, {"mcp-name": "createOrder"}, 400, "bad_request"),
    "another revision": (
        "tools/list",
        {"_meta": {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}},
        {},
        400,
        "bad_request",
    ),
    "no envelope": ("tools/list", {}, {}, 400, "bad_request"),
    "an unknown tool": ("tools/call", {**TOOL, "name": "x"}, {"mcp-name": "x"}, 400, "bad_request"),
    "an unknown method": ("resources/list", {"_meta": ENVELOPE}, {}, 404, "not_found"),
}


@pytest.mark.parametrize("name", DISAGREEING)
async def test_what_the_stateless_revision_refuses_is_told_as_the_edges_own(name: str) -> None:
    method, params, headers, status, code = DISAGREEING[name]
    sent = {"mcp-protocol-version": STATELESS, "mcp-method": method, "mcp-name": "getOrder"}
    if method != "tools/call":
        del sent["mcp-name"]
    message = {"jsonrpc": "2.0", "id": 3, "method": method, "params": params}
    async with serving(request_id="req-7") as edge:
        answer = await edge.post(message, {**sent, **headers})
        assert (answer.status_code, answer.json()["id"]) == (status, 3)
        data = answer.json()["error"]["data"]
        assert {name: data[name] for name in ("code", "requestId")} == {
            "code": code,
            "requestId": "req-7",
        }
        assert answer.headers["x-jelou-error-source"] == "edge"
        assert answer.headers["cache-control"] == "no-store"


async def test_what_the_protocol_says_of_an_unknown_revision_stands_beside_the_edges_code() -> None:
    meta = {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {"_meta": meta}}
    async with serving(request_id="req-7") as edge:
        sent = {"mcp-protocol-version": "2099-01-01", "mcp-method": "tools/list"}
        data = (await edge.post(message, sent)).json()["error"]["data"]
        assert data["code"] == "bad_request"
        assert data["supported"]
