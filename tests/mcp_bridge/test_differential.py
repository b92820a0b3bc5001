"""What is answered without the SDK's server is what that server would have answered.

Allowed to differ, each because the SDK's server is never asked in its place: `requestState` and
`inputResponses`, which only the bridge opens; results that ask the client back; progress.
"""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_bridge.catalog import build
from mcp_bridge.endpoint import Endpoint, McpRequest
from mcp_bridge.judging import ForSdk
from mcp_bridge.revisions import HANDSHAKE
from mcp_bridge.specs import ToolSpec
from mcp_bridge.tools import ToolRequest, ToolResponse
from tests.mcp_bridge.serving import ENVELOPE, STATELESS, document, principal, response
from tests.mcp_bridge.twice import Told, Twice, twice

TEXT = {"type": "string"}
OPERATIONS = {
    "/say/{kind}": {
        "get": {
            "operationId": "say",
            "parameters": [
                {"name": "kind", "in": "path", "required": True, "schema": TEXT},
                {"name": "X-Note", "in": "header", "schema": TEXT},
                {"name": "n", "in": "query", "schema": {"type": ["integer", "number", "null"]}},
            ],
        }
    },
    "/save": {
        "post": {
            "operationId": "save",
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": {"type": "object", "properties": {"item": {"minLength": 1}}}
                    }
                }
            },
        }
    },
    "/hidden": {"get": {"operationId": "hidden"}},
    "/kept/{kind}": {
        "get": {
            "operationId": "kept",
            "parameters": [{"name": "kind", "in": "path", "required": True, "schema": TEXT}],
            "responses": {
                "200": {
                    "description": "ok",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"a": {"type": "integer"}},
                                "required": ["a"],
                            }
                        }
                    },
                }
            },
        }
    },
}
MIRRORED = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "on": {"type": "boolean", "x-mcp-header": "On"},
        "deep": {
            "type": "object",
            "properties": {"leaf": {"type": "string", "x-mcp-header": "Leaf"}},
        },
    },
}
CATALOG = build(
    document(OPERATIONS),
    [
        ToolSpec("go", method="POST", path="/go", input_schema=MIRRORED, title="Go"),
        ToolSpec("still", method="GET", path="/still", icons=({"src": "https://x/i.png"},)),
    ],
)
SCOPES = tuple(f"tool:{name}" for name in CATALOG.entries if name != "hidden")
ENDPOINT = Endpoint("shop", "dep_1", CATALOG, principal(scopes=SCOPES), False, "req-1", title="Sh")
SEARCHING = replace(ENDPOINT, search=True)

LITERAL = "application/vnd.mcp.result+json"
SAID: dict[str, ToolResponse] = {
    "object": response({"a": 1, "b": [1.0, -0.0, 1e300, 2**63, "\u2028é\ud83d\ude00", None, True]}),
    "list": response([1, {"a": None}]),
    "text": response("one\nline"),
    "null": response(None),
    "number": response(1.0),
    "empty": ToolResponse(204, (), b""),
    "plain": response(b"a\r\nb", content_type="text/plain; charset=iso-8859-1"),
    "image": response(b"\x89PNG", content_type="image/png"),
    "audio": response(b"RIFF", content_type="audio/wav"),
    "binary": response(b"\0\1", content_type="application/octet-stream"),
    "csv": response(b"a,b", content_type="application/csv"),
    "broken": response(b"{", content_type="application/json"),
    "failed": response({"error": "no"}, status=500),
    "missing": response(b"<html>", status=404, content_type="text/html"),
    "moved": ToolResponse(302, ((b"location", b"/x"),), b""),
    "events": response(b"data: 1\n\ndata: {}\n\n", content_type="text/event-stream"),
    "lines": response(b'{"a":1}\n{"a":2}\n', content_type="application/x-ndjson"),
    "literal": response(
        {
            "content": [
                {"type": "text", "text": "t", "annotations": {"priority": 1}, "_meta": {"k": 1}},
                {"type": "audio", "data": "AA==", "mimeType": "audio/wav"},
                {"type": "resource_link", "uri": "test://x", "name": "x", "size": 7},
                {"type": "resource", "resource": {"uri": "test://y", "text": "y"}},
            ],
            "structuredContent": {"a": 1, "n": None},
            "_meta": {"own/key": {"a": [None]}},
        },
        content_type=LITERAL,
    ),
    "literal failure": response({"content": [], "isError": True}, content_type=LITERAL),
    "literal nonsense": response({"content": [{"type": "text"}]}, content_type=LITERAL),
}


async def answer(request: ToolRequest) -> ToolResponse:
    """What its path says; else what it was asked."""
    kind = request.target.decode().partition("?")[0].rpartition("/")[2].replace("%20", " ")
    return SAID.get(kind) or response({"a": 1, "body": (request.body or b"").decode()})


def headers_for(message: dict[str, Any], revision: str | None) -> list[tuple[bytes, bytes]]:
    """What a good client of the revision sends with a message."""
    sent = [(b"content-type", b"application/json")]
    if revision is not None:
        sent.append((b"mcp-protocol-version", revision.encode()))
    if revision != STATELESS:
        return sent
    params = message.get("params", {})
    sent.append((b"mcp-method", str(message["method"]).encode()))
    if isinstance(params.get("name"), str):
        sent.append((b"mcp-name", encoded(params["name"])))
    return sent + list(mirrors(params))


def mirrors(params: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The `Mcp-Param-*` headers of a call of `go`."""
    arguments = params.get("arguments")
    if params.get("name") != "go" or not isinstance(arguments, dict):
        return []
    deep = arguments.get("deep")
    values = {
        "region": arguments.get("region"),
        "count": arguments.get("count"),
        "on": arguments.get("on"),
        "leaf": deep.get("leaf") if isinstance(deep, dict) else None,
    }
    return [
        (f"mcp-param-{name}".encode(), encoded(str(value).lower() if value is True else str(value)))
        for name, value in values.items()
        if value is not None and not isinstance(value, dict | list)
    ]


def encoded(text: str, *, always: bool = False) -> bytes:
    """A header's value; in base64 where it must be (MCP 2026-07-28, SEP-2243)."""
    plain = text.isascii() and text.isprintable() and text == text.strip() and text
    if plain and not always:
        return text.encode()
    return b"=?base64?" + base64.b64encode(text.encode()) + b"?="


def asking(
    method: str, params: dict[str, Any] | None, revision: str | None, rpc_id: Any = 1
) -> McpRequest:
    """A good request."""
    if revision == STATELESS:
        params = {"_meta": dict(ENVELOPE), **(params or {})}
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": rpc_id, "method": method}
    if params is not None:
        message["params"] = params
    return McpRequest("POST", headers_for(message, revision), json.dumps(message).encode())


REVISIONS = [None, *HANDSHAKE, STATELESS]
CALLS: dict[str, dict[str, Any]] = {
    **{f"say {kind}": {"name": "say", "arguments": {"kind": kind}} for kind in SAID},
    **{f"kept {kind}": {"name": "kept", "arguments": {"kind": kind}} for kind in ("x", "list")},
    "mirrored": {
        "name": "go",
        "arguments": {"region": " é", "count": 42, "on": True, "deep": {"leaf": "x"}},
    },
    "a note and a number": {"name": "say", "arguments": {"kind": "x", "X-Note": "a", "n": 1.5}},
    "a null": {"name": "say", "arguments": {"kind": "x", "n": None}},
    "without arguments": {"name": "still"},
    "null arguments": {"name": "still", "arguments": None},
    "arguments that are none of its": {"name": "still", "arguments": {"a": 1}},
    "unknown keys": {"name": "still", "anything": {"a": [1]}, "cursor": "x"},
    "a task": {"name": "still", "task": {"ttl": 1000}},
    "a task of no shape": {"name": "still", "task": 7},
    "missing arguments": {"name": "say", "arguments": {}},
    "wrong arguments": {"name": "say", "arguments": {"kind": 7}},
    "a dot segment": {"name": "say", "arguments": {"kind": ".."}},
    "arguments in a list": {"name": "say", "arguments": ["kind"]},
    "empty list of arguments": {"name": "still", "arguments": []},
    "arguments false": {"name": "still", "arguments": False},
    "no name": {"arguments": {}},
    "name null": {"name": None},
    "name a number": {"name": 7},
    "name in a list": {"name": ["still"]},
    "unknown": {"name": "nobody"},
    "hidden": {"name": "hidden"},
    "capitals": {"name": "Still"},
    "empty": {"name": ""},
    "long": {"name": "x" * 10_000},
    "find": {"name": "find_tools", "arguments": {"query": "say"}},
    "find nothing": {"name": "find_tools", "arguments": {}},
    "call": {"name": "call_tool", "arguments": {"name": "still"}},
    "call hidden": {"name": "call_tool", "arguments": {"name": "hidden"}},
    "null meta": {"name": "still", "_meta": None},
    "a progress token": {"name": "say", "arguments": {"kind": "events"}, "_meta": {}},
}
LISTS: list[dict[str, Any] | None] = [
    None,
    {},
    {"cursor": None},
    {"cursor": "nonsense"},
    {"cursor": ""},
    {"cursor": 7},
    {"cursor": base64.urlsafe_b64encode(b"say").decode()},
    {"anything": 1},
    {"_meta": {"own": 1}},
    {"_meta": 7},
]
IDS = [0, 1, -1, 2**53, 2**63 - 1, 2**64 - 1, "", "1", "é\u2028", "x" * 10_000, "\0"]


async def compare(both: Twice, endpoint: Endpoint, request: McpRequest) -> Told | None:
    """Hold the two equal; what came without the SDK's server, if anything did."""
    outcome = both.judged(endpoint, request)
    ours = await both.without_sdk(endpoint, request, outcome)
    theirs = await both.by_sdk(endpoint, request)
    if isinstance(outcome, ForSdk):
        assert theirs is not None
        if outcome.message.method in ("tools/call", "tools/list"):
            assert not theirs.accepted, "left to the SDK, though it is a common call"
    if ours is None or not ours.accepted:
        assert ours is None or ours.asked == []
        return ours
    assert theirs is not None, "accepted what is no message"
    assert theirs.accepted, f"the SDK refuses it: {theirs.told}"
    assert (ours.status, ours.text) == (theirs.status, theirs.text)
    assert ours.asked == theirs.asked
    return ours


@pytest.mark.parametrize("revision", REVISIONS)
async def test_calls_are_answered_as_the_sdk_answers_them(revision: str | None) -> None:
    async with twice(answer) as both:
        for name, params in CALLS.items():
            for endpoint in (ENDPOINT, SEARCHING):
                ours = await compare(both, endpoint, asking("tools/call", params, revision))
                assert ours is not None or not name.startswith("say")


@pytest.mark.parametrize("revision", REVISIONS)
async def test_lists_are_answered_as_the_sdk_answers_them(revision: str | None) -> None:
    async with twice(answer) as both:
        for params in LISTS:
            for endpoint in (ENDPOINT, SEARCHING, replace(ENDPOINT, principal=None)):
                await compare(both, endpoint, asking("tools/list", params, revision))


@pytest.mark.parametrize("revision", [None, STATELESS])
async def test_ids_come_back_as_the_sdk_returns_them(revision: str | None) -> None:
    async with twice(answer) as both:
        for rpc_id in IDS:
            for method, params in (("tools/list", {}), ("tools/call", {"name": "still"})):
                request = asking(method, params, revision, rpc_id)
                ours = await compare(both, ENDPOINT, request)
                assert ours is not None
                assert ours.told["id"] == rpc_id
