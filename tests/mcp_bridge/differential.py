"""What is asked of tools to hold two ways of answering equal: good, odd and damaged."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from mcp_bridge.admission import McpHead
from mcp_bridge.catalog import build
from mcp_bridge.endpoint import Endpoint, McpRequest
from mcp_bridge.revisions import HANDSHAKE
from mcp_bridge.specs import ToolSpec
from mcp_bridge.tools import ToolRequest, ToolResponse
from tests.mcp_bridge.serving import ENVELOPE, STATELESS, document, principal, response

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

ENDPOINT = Endpoint("shop", "dep_1", CATALOG, principal(scopes=SCOPES), False, title="Sh")

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


def posted(sent: list[tuple[bytes, bytes]], body: bytes) -> McpRequest:
    """A POST as the bridge reads it."""
    return McpRequest(McpHead("POST", sent), body, id="req-1")


def headers_for(message: dict[str, Any], revision: str | None) -> list[tuple[bytes, bytes]]:
    """What a good client of the revision sends with a message."""
    sent = [(b"content-type", b"application/json")]
    if revision is not None:
        sent.append((b"mcp-protocol-version", revision.encode()))
    if revision != STATELESS:
        return sent
    params = message.get("params", {})
    sent.append((b"mcp-method", str(message.get("method")).encode()))
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
    return posted(headers_for(message, revision), json.dumps(message).encode())


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
    "many arguments": {"name": "still", "arguments": {"a": [0] * 20_000}},
    "null meta": {"name": "still", "_meta": None},
    "progress": {
        "name": "say",
        "arguments": {"kind": "events"},
        "_meta": {**ENVELOPE, "progressToken": "p"},
    },
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

RAW = {
    "name twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
    b'{"name":"hidden","name":"still","_meta":%b}}',
    "name twice, the other way": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
    b'{"name":"still","name":"hidden","_meta":%b}}',
    "params twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden"},'
    b'"params":{"name":"still","_meta":%b}}',
    "method twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call",'
    b'"params":{"name":"still","_meta":%b}}',
    "id twice": b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call",'
    b'"params":{"name":"still","_meta":%b}}',
    "an argument twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"still","arguments":{"a":1,"a":2},"_meta":%b}}',
    "names that are one when unescaped": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"\\u006eame":"hidden","name":"still","_meta":%b}}',
    "a result beside the method": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"result":{},"params":{"name":"still","_meta":%b}}',
    "an error beside the method": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"error":{"code":1,"message":""},"params":{"name":"still","_meta":%b}}',
    "white space": b' \t\r\n{"jsonrpc" : "2.0" ,"id":1,"method":"tools/call",'
    b'"params":{"name":"still","_meta":%b} } \n',
    "a mark in front": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"still","_meta":%b}}',
    "UTF-16": '{"jsonrpc":"2.0","id":1,"method":"tools/call"}'.encode("utf-16"),
    "a big integer": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"save","arguments":{"item":123456789012345678901234567890},"_meta":%b}}',
    "a big negative integer": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"save","arguments":{"item":-9223372036854775809},"_meta":%b}}',
    "the biggest of 64 bits": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"save","arguments":{"item":18446744073709551615},"_meta":%b}}',
    "one more": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"save","arguments":{"item":18446744073709551616},"_meta":%b}}',
    "a small fraction": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"save","arguments":{"item":1e-400,"n":-0.0,"m":1.0},"_meta":%b}}',
    "a big fraction": b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    b'"params":{"name":"save","arguments":{"item":1e400},"_meta":%b}}',
    "a big id": b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"tools/call",'
    b'"params":{"name":"still","_meta":%b}}',
    "an id with a fraction": b'{"jsonrpc":"2.0","id":1.0,"method":"tools/call",'
    b'"params":{"name":"still","_meta":%b}}',
}

Sent = list[tuple[bytes, bytes]]


def without(name: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: [pair for pair in sent if pair[0] != name]


def saying(name: bytes, *values: bytes) -> Callable[[Sent], Sent]:
    return lambda sent: [*without(name)(sent), *((name, value) for value in values)]


NAMED = (b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-param-region", b"mcp-param-on")

WRONG: dict[str, Callable[[Sent], Sent]] = {
    **{f"without {name!r}": without(name) for name in NAMED},
    **{f"{name!r} empty": saying(name, b"") for name in NAMED},
    **{f"{name!r} of bytes": saying(name, b"\xff\x00") for name in NAMED},
    **{f"{name!r} twice": saying(name, b"a", b"b") for name in NAMED},
    "method twice, right": saying(b"mcp-method", b"tools/call", b"tools/call"),
    "name twice, right": saying(b"mcp-name", b"go", b"go"),
    "names in one": saying(b"mcp-name", b"go, go"),
    "method of another": saying(b"mcp-method", b"tools/list"),
    "method in capitals": saying(b"mcp-method", b"Tools/Call"),
    "name of another": saying(b"mcp-name", b"still"),
    "name in capitals": saying(b"mcp-name", b"GO"),
    "name with a space": saying(b"mcp-name", b" go"),
    "name in base64": saying(b"mcp-name", encoded("go", always=True)),
    "name in base64, capitals": saying(b"mcp-name", b"=?BASE64?Z28=?="),
    "name in base64, unpadded": saying(b"mcp-name", b"=?base64?Z28?="),
    "name in base64, of base64": saying(b"mcp-name", encoded("=?base64?Z28=?=", always=True)),
    "name in base64, broken": saying(b"mcp-name", b"=?base64?!?="),
    "name in base64, no UTF-8": saying(b"mcp-name", b"=?base64?/w==?="),
    "version of another": saying(b"mcp-protocol-version", b"2025-11-25"),
    "version that nobody knows": saying(b"mcp-protocol-version", b"2099-01-01"),
    "region twice, right": saying(b"mcp-param-region", b"eu", b"eu"),
    "region of another": saying(b"mcp-param-region", b"us"),
    "region in base64": saying(b"mcp-param-region", encoded("eu", always=True)),
    "region in base64, broken": saying(b"mcp-param-region", b"=?base64?!?="),
    "region with spaces": saying(b"mcp-param-region", b" eu "),
    "count with a fraction": saying(b"mcp-param-count", b"42.0"),
    "count with another fraction": saying(b"mcp-param-count", b"42.5"),
    "count with a sign": saying(b"mcp-param-count", b"+42"),
    "count in words": saying(b"mcp-param-count", b"4_2"),
    "on in capitals": saying(b"mcp-param-on", b"True"),
    "on as a number": saying(b"mcp-param-on", b"1"),
    "of no argument": saying(b"mcp-param-leaf", b"x"),
    "that nobody knows": saying(b"mcp-param-other", b"x"),
    "that nobody knows, twice": saying(b"mcp-param-other", b"x", b"y"),
    "of nothing": saying(b"mcp-param-", b"x"),
    "of the protocol, unknown": saying(b"mcp-anything", b"x", b"y"),
    "type in capitals": saying(b"content-type", b"Application/JSON;Charset=UTF-8"),
    "any answer": saying(b"accept", b"*/*"),
    "any answer but JSON": saying(b"accept", b"application/json;q=0"),
    "a session": saying(b"mcp-session-id", b"v1.k1.x.y"),
}

STILL = {"name": "still"}

CLIENT = "io.modelcontextprotocol/clientInfo"

PROGRESS_TOKENS: list[Any] = [0, 1, "a", "", None, True, 1.5, [], {}, 2**63]
METAS: list[Any] = [
    None,
    7,
    [],
    {},
    *({"progressToken": value} for value in PROGRESS_TOKENS),
    {"progress_token": {}},
    {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"traceparent": 7, "tracestate": ["a"]},
    {"traceparent": "00-0\r\nx: y"},
    *({CLIENT: value} for value in (None, 7, {}, {"name": "a"}, {"name": "a", "version": "1"})),
    {"io.modelcontextprotocol/protocolVersion": STATELESS},
    {"io.modelcontextprotocol/protocolVersion": "2025-11-25"},
    {"io.modelcontextprotocol/protocolVersion": None},
    {"io.modelcontextprotocol/clientCapabilities": None},
    {"io.modelcontextprotocol/clientCapabilities": []},
    {"io.modelcontextprotocol/clientCapabilities": {"elicitation": 7}},
    {"io.modelcontextprotocol/clientCapabilities": {"sampling": {}, "own": {"a": [1]}}},
    {"io.modelcontextprotocol/logLevel": "debug"},
    {"io.modelcontextprotocol/logLevel": "loud"},
    {"own/key": {"deep": [None]}},
]

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["still", "say", "go", "hidden", "tools/call", STATELESS, "2025-11-25", ".."]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "region", "a"]) | st.text(max_size=5), inner)
    ),
    max_leaves=6,
)

TOKENS = st.sampled_from([b"go", b"still", b"tools/call", b"", b"eu", STATELESS.encode()])

KEYS = ["name", "arguments", "_meta", "cursor", "task", "requestState", "inputResponses", *ENVELOPE]


@st.composite
def requests(draw: st.DrawFn) -> McpRequest:
    """A good request, or one with damage in its body and its head."""
    revision = draw(st.sampled_from([*REVISIONS, STATELESS, STATELESS]))
    method, params = draw(
        st.sampled_from(
            [("tools/call", params) for params in CALLS.values()]
            + [("tools/list", params) for params in LISTS]
        )
    )
    good = asking(method, params, revision, draw(st.sampled_from(IDS)))
    message, sent = json.loads(good.body), list(good.headers)
    for _ in range(draw(st.integers(0, 2))):
        _damage(draw, message)
    if draw(st.booleans()):
        sent = headers_for(message, revision) if isinstance(message.get("params"), dict) else sent
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        name = draw(st.sampled_from(NAMED))
        values = draw(st.lists(TOKENS | st.binary(max_size=8), max_size=2))
        sent = saying(name, *values)(sent)
    return posted(sent, json.dumps(message).encode())


def _damage(draw: st.DrawFn, message: dict[str, Any]) -> None:
    params = message.get("params")
    places = [message]
    if isinstance(params, dict):
        places += [params, *(v for v in params.values() if isinstance(v, dict))] * 2
    place = draw(st.sampled_from(places))
    key = draw(st.sampled_from([*place, *KEYS]) | st.text(max_size=5))
    if draw(st.booleans()):
        place[key] = draw(VALUES)
    else:
        place.pop(key, None)
