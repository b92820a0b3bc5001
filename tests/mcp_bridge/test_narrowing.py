"""A token of some tools: what it may say to an MCP server, and what it is shown. Attacks first."""

import re
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.admission import Rejection
from mcp_bridge.narrowing import NarrowedEvents, check_message, narrowed
from tokens.model import Scopes

SCOPES = Scopes.parse(["tool:echo"])
JSON = (b"content-type", b"application/json")
STATELESS = (b"mcp-protocol-version", b"2026-07-28")


def call(name: Any = "echo", **more: Any) -> bytes:
    """A call of a tool."""
    params = {"name": name, "arguments": {}}
    return orjson.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **more}
    )


def request(method: str, **params: Any) -> bytes:
    """Any request."""
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def refused(body: bytes, *fields: tuple[bytes, bytes]) -> Rejection:
    """How a message is refused."""
    with pytest.raises(Rejection) as caught:
        check_message(body, fields or (JSON,), SCOPES, 128)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        call(),
        request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={}),
        request("tools/list"),
        request("ping"),
        request("server/discover"),
        request("subscriptions/listen", notifications={"toolsListChanged": True}),
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
        b'{"jsonrpc":"2.0","id":"a","result":{"action":"accept","content":{"Name":1,"name":2}}}',
    ],
)
def test_what_is_about_its_tools_passes(body: bytes) -> None:
    check_message(body, (JSON,), SCOPES, 128)
    check_message(body, ((b"content-type", b'application/json; charset="UTF-8"'),), SCOPES, 128)


@pytest.mark.parametrize("name", ["secret", "Echo", "echo ", "", None, 1, ["echo"]])
def test_another_tool_is_unknown(name: Any) -> None:
    rejection = refused(call(name))
    assert (rejection.status, rejection.rpc_code, rejection.id) == (200, -32602, 1)
    assert refused(call(name), JSON, STATELESS).status == 400


@pytest.mark.parametrize(
    "body",
    [
        request("resources/read", uri="test://a"),
        request("resources/list"),
        request("prompts/get", name="echo"),
        request("completion/complete"),
        request("tasks/get", taskId="1"),
        request("TOOLS/CALL", name="secret"),
        request("subscriptions/listen", notifications={"resourceSubscriptions": ["test://a"]}),
    ],
)
def test_what_no_scope_of_it_names_is_unknown(body: bytes) -> None:
    rejection = refused(body)
    assert (rejection.status, rejection.rpc_code, rejection.id) == (200, -32601, 1)
    assert refused(body, JSON, STATELESS).status == 404


FORBIDDEN = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret"}}'


@pytest.mark.parametrize(
    "body",
    [
        # Readers differ in which of two equal keys counts.
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret","name":"echo"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"secret"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret"},'
        b'"params":{"name":"echo"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"echo"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo",'
        b'"arguments":{"a":1,"a":2}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"na\\u006de":"secret",'
        b'"name":"echo"}}',
        # Some readers take keys without regard to case, and fold more than ASCII.
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"secret"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"secret","name":"echo"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call",'
        b'"params":{"name":"secret"}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},'
        '"param\u017f":{"name":"secret"}}'.encode(),
        # Several messages, or none that is one.
        b"[" + FORBIDDEN + b"]",
        b"[]",
        FORBIDDEN + b"\n" + FORBIDDEN,
        b"",
        # What is not JSON everywhere.
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","x":NaN}}',
        b"\xef\xbb\xbf" + call(),
        call().decode().encode("utf-16"),
        b'{"jsonrpc":"2.0",/* */"id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}',
        b"[" * 100_000,
        call(n=0).replace(b"0}", b"9" * 10_000 + b"}"),
        # Requests that some would run without an id that we would know.
        b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"secret"}}',
        b'{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"secret"}}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"secret"}}',
        b'{"id":1,"method":"tools/call","params":{"name":"secret"}}',
        b'{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"secret"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[{"name":"secret"}]}',
    ],
)
def test_what_two_readers_could_take_for_different_messages_is_refused(body: bytes) -> None:
    assert refused(body).status == 400


@pytest.mark.parametrize(
    "fields",
    [
        ((b"content-type", b"application/json; charset=utf-7"),),
        ((b"content-type", b"application/json; charset=utf-16"),),
        ((b"content-type", b"text/plain"),),
        (JSON, (b"content_type", b"application/json; charset=utf-7")),
        (JSON, JSON),
        (JSON, (b"content-encoding", b"gzip")),
        (JSON, (b"content_encoding", b"deflate")),
        ((b"x", b"y"),),
    ],
)
def test_a_coding_in_which_it_could_say_something_else_is_refused(
    fields: tuple[tuple[bytes, bytes], ...],
) -> None:
    assert refused(call(), *fields).status == 415


@pytest.mark.parametrize(
    "field",
    [
        (b"mcp-name", b"secret"),
        (b"mcp_name", b"echo"),
        (b"mcp-name", b"=?base64?c2VjcmV0?="),
        (b"mcp-method", b"resources/read"),
        (b"mcp-method", b"=?base64?!?="),
    ],
)
def test_mirroring_fields_must_say_what_the_body_says(field: tuple[bytes, bytes]) -> None:
    rejection = refused(call(), JSON, STATELESS, field)
    assert (rejection.status, rejection.rpc_code) == (400, -32020)


def test_mirroring_fields_that_agree_pass() -> None:
    fields = (
        JSON,
        STATELESS,
        (b"mcp-method", b"tools/call"),
        (b"mcp-name", b"=?base64?ZWNobw==?="),
    )
    check_message(call(), fields, SCOPES, 128)


def answer(result: Any) -> bytes:
    """An answer of the function's."""
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": result})


TOOLS = [{"name": "echo", "inputSchema": {}}, {"name": "secret"}, {"name": 1}, "secret"]


def test_a_list_shows_the_tokens_tools_alone() -> None:
    shown = orjson.loads(narrowed(answer({"tools": TOOLS, "nextCursor": "c"}), SCOPES))
    assert shown["result"] == {"tools": TOOLS[:1], "nextCursor": "c"}
    several = orjson.loads(narrowed(b"[" + answer({"tools": TOOLS}) + b"]", SCOPES))
    assert several[0]["result"]["tools"] == TOOLS[:1]


def test_a_list_that_is_none_shows_nothing() -> None:
    assert (
        orjson.loads(narrowed(answer({"tools": {"secret": {}}}), SCOPES))["result"]["tools"] == []
    )


def test_it_is_not_told_of_what_it_may_not_use() -> None:
    said = {"tools": {"listChanged": True}, "resources": {}, "prompts": {}, "logging": {}}
    shown = orjson.loads(narrowed(answer({"capabilities": said}), SCOPES))["result"]
    assert shown["capabilities"] == {"tools": {"listChanged": True}, "logging": {}}


@pytest.mark.parametrize(
    "message",
    [
        answer(
            {"content": [{"type": "text", "text": "hi"}], "structuredContent": {"tools": TOOLS}}
        ),
        b'{ "jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "echo"}]} }',
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":123456789012345678901234567890}}',
        b'{"jsonrpc":"2.0","method":"sampling/createMessage","id":1,"params":{"tools":[]}}',
    ],
)
def test_everything_else_is_kept_byte_for_byte(message: bytes) -> None:
    assert narrowed(message, SCOPES) == message


STREAM = (
    b"\xef\xbb\xbfid: 1\nretry: 5\ndata: \n\n: ping\n\nevent: message\nid: 2\n"
    b'data: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"},\n'
    b'data: {"name":"secret"}]}}\n\ndata: secret\n\nsecret: secret\n\n'
    b'data:{"jsonrpc":"2.0","method":"x"}\n\n'
)
EVENTS = (
    b"id: 1\nretry: 5\ndata: \n\n: ping\n\nevent: message\nid: 2\n"
    b'data: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"}]}}\n\n'
    b'data: {"jsonrpc":"2.0","method":"x"}\n\n'
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_narrowed_however_they_are_cut(cuts: list[int], end: bytes) -> None:
    stream = re.sub(rb"\n", end, STREAM) + b": end" + end * 2
    events = NarrowedEvents(SCOPES, 1000)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    shown = b"".join(events.feed(stream[a:b]) for a, b in pairwise(places))
    assert shown == EVENTS + b": end\n\n"


def test_an_event_without_its_end_shows_nothing_and_a_long_one_ends_the_stream() -> None:
    events = NarrowedEvents(SCOPES, 1000)
    assert events.feed(b'data: {"jsonrpc":"2.0"}\n') == b""
    with pytest.raises(ValueError, match="limit"):
        events.feed(b"data: " + b"x" * 1000 + b"\n")
    with pytest.raises(ValueError, match="limit"):
        NarrowedEvents(SCOPES, 1000).feed(b"x" * 1001)
