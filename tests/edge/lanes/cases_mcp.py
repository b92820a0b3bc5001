"""Messages to `/mcp`, and what comes of them; a plain request follows each. Data only."""

import json
from dataclasses import replace
from typing import Any

from tests.edge.lanes.cases_requests import CHUNKED, ask, chunked
from tests.support.lanes_case import Act, Answered, Case, Pairs, Received, token
from tests.support.lanes_expected import (
    CORS,
    by_name,
    received,
    refused,
    relayed,
    unauthorized,
)

HOST = "tools.fn.localhost"
TOKEN = (("X-Jelou-Token", token(slug="tools")),)
JSON: Pairs = (
    ("Accept", "application/json, text/event-stream"),
    ("Content-Type", "application/json"),
)
STATELESS: Pairs = (
    ("MCP-Protocol-Version", "2026-07-28"),
    ("Mcp-Method", "tools/call"),
    ("Mcp-Name", "getOrder"),
)
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
SSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + chunked(b"data: half\n\n", b"event: result\ndata: whole\n\n")
)


def message(method: str, params: Any = None, rpc_id: Any = 1) -> bytes:
    """One JSON-RPC request."""
    said = {"jsonrpc": "2.0", "id": rpc_id, "method": method}
    return json.dumps(said if params is None else {**said, "params": params}).encode()


def call(**more: Any) -> bytes:
    """A `tools/call` of the function's only tool."""
    return message("tools/call", {"name": "getOrder", "arguments": {"id": "a/b"}, **more})


def answered(body: bytes, status: int = 200) -> Answered:
    """An answer of the bridge in JSON, or of nothing."""
    fields = (
        *((("content-type", "application/json"),) if body else ()),
        ("content-length", str(len(body))),
        ("x-request-id", "<uuid>"),
        ("date", "<date>"),
        ("cache-control", "private"),
        ("vary", "X-Jelou-Token"),
        *CORS,
    )
    return Answered(status, by_name(fields), body)


def declined(status: int, code: str, *fields: tuple[str, str]) -> Answered:
    """A refusal of the bridge, which knows whose request it was."""
    return refused(status, code, (("vary", "X-Jelou-Token"), *fields))


def streamed(*events: bytes) -> Answered:
    """An answer of the bridge in events."""
    body = b"".join(b"event: message\ndata: %b\n\n" % event for event in events)
    fields = (
        ("content-type", "text/event-stream"),
        ("transfer-encoding", "chunked"),
        ("x-accel-buffering", "no"),
        ("x-request-id", "<uuid>"),
        ("date", "<date>"),
        ("cache-control", "no-cache"),
        ("vary", "X-Jelou-Token"),
        *CORS,
    )
    return Answered(200, by_name(fields), body, "chunked")


def called(**more: Any) -> Received:
    """The function's request that `call` makes."""
    plain = received(
        "GET",
        "/orders/a%2Fb",
        (("accept", "application/json, */*;q=0.5"),),
        slug="tools",
        authority=HOST,
        **more,
    )
    swapped = [(k, "mcp" if k == "x-jelou-trigger" else v) for k, v in plain.fields]
    return replace(plain, fields=by_name(swapped))


def _case(
    name: str,
    sent: bytes,
    answer: Answered,
    *seen: Received,
    acts: tuple[Act, ...] = (),
) -> Case:
    """A message, and another request behind it."""
    behind = received(target="/2", slug="tools", authority=HOST)
    return Case(
        name=f"MCP: {name}",
        sent=sent + ask("/2", tokens=TOKEN, host=HOST),
        acts=acts,
        answers=(answer, relayed()),
        received=(*seen, behind),
    )


def post(body: bytes, *fields: tuple[str, str], tokens: Pairs = TOKEN) -> bytes:
    """A message on its way."""
    return ask("/mcp", "POST", (*JSON, *fields), body, tokens=tokens, host=HOST)


_PING = message("ping")
_PONG = b'{"jsonrpc":"2.0","id":1,"result":{}}'
_NOTE = b'{"jsonrpc":"2.0","method":"notifications/x"}'
_RESULT = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"%b"}],"isError":false}}'
)
_SAID, _WHOLE = _RESULT % b"ok", _RESULT % b"whole"
_TYPE = "unsupported_media_type"
_PROGRESS = (
    b'{"jsonrpc":"2.0","method":"notifications/progress",'
    b'"params":{"progressToken":"p","progress":1,"message":"half"}}'
)
_OK = Act((b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",))

CASES: list[Case] = [
    _case("ping", post(_PING), answered(_PONG)),
    _case(
        "ping in chunks",
        ask("/mcp", "POST", (*JSON, CHUNKED), tokens=TOKEN, host=HOST)
        + chunked(_PING[:7], _PING[7:]),
        answered(_PONG),
    ),
    _case("a call", post(call()), answered(_SAID), called(), acts=(_OK,)),
    _case(
        "a call that is told progress",
        post(call(_meta={"progressToken": "p"})),
        streamed(_PROGRESS, _WHOLE),
        called(),
        acts=(Act((SSE,)),),
    ),
    _case("a call of events", post(call()), answered(_WHOLE), called(), acts=(Act((SSE,)),)),
    _case(
        "a notification",
        post(_NOTE),
        answered(b"", 202),
    ),
    _case("no JSON", post(b"{"), declined(400, "bad_request")),
    _case("no token", post(_PING, tokens=()), unauthorized("tools")),
    _case("a stranger's page", post(_PING, ("Origin", "null")), refused(403, "forbidden")),
    _case(
        "another type",
        post(_PING, ("Content-Type", "text/plain")),
        declined(415, _TYPE),
    ),
    _case(
        "a coded message",
        post(_PING, ("Content-Encoding", "gzip")),
        declined(415, _TYPE),
    ),
    _case("a dead session", post(_PING, ("Mcp-Session-Id", "x")), declined(404, "not_found")),
    _case(
        "a head that says otherwise",
        post(call(_meta=META), *STATELESS[:2], ("Mcp-Name", "other")),
        declined(400, "bad_request"),
    ),
    _case(
        "GET without a session",
        ask("/mcp", tokens=TOKEN, host=HOST),
        declined(405, "method_not_allowed", ("allow", "POST, DELETE")),
    ),
    _case(
        "PUT",
        ask("/mcp", "PUT", JSON, _PING, tokens=TOKEN, host=HOST),
        declined(405, "method_not_allowed", ("allow", "POST, DELETE")),
    ),
]
