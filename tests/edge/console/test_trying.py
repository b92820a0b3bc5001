"""What is made of a function's answer, whatever it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.console.trying import Outcome, call_of, result_of

KEYS = st.sampled_from(
    ["id", "result", "error", "message", "content", "type", "text", "image", "mimeType", "data"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def outcome(body: str, kind: str = "application/json") -> Outcome:
    """An answer with this body."""
    return Outcome(200, 0.1, (("Content-Type", kind),), body.encode())


def answer(result: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result})


@given(JSON, st.booleans())
def test_any_answer_is_read_or_left(value: Any, is_stream: bool) -> None:
    text = json.dumps({"id": 1, "result": value} if is_stream else value)
    kind = "text/event-stream" if is_stream else "application/json"
    found = result_of(outcome(f"data: {text}\n\n" if is_stream else text, kind))
    assert found is None or isinstance(found.failed, bool)


def test_the_result_of_a_stream_is_its_answer_and_not_its_progress() -> None:
    progress = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
    body = f": comment\n\ndata: {progress}\n\ndata: {answer({'content': []})}\n\n"
    found = result_of(outcome(body, "text/event-stream; charset=utf-8"))
    assert found is not None
    assert not found.failed


def test_errors_of_the_protocol_and_of_the_tool_are_told_apart() -> None:
    refused = result_of(outcome('{"jsonrpc": "2.0", "id": 1, "error": {"message": "no"}}'))
    failed = result_of(outcome(answer({"isError": True, "content": []})))
    assert refused is not None
    assert failed is not None
    assert (refused.failed, refused.refused) == (True, "no")
    assert (failed.failed, failed.refused) == (True, "")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("image/png", 1), ("image/svg+xml", 0), ("text/html", 0), ({}, 0), (None, 0)],
)
def test_only_pictures_without_code_are_shown(kind: Any, shown: int) -> None:
    block = {"type": "image", "mimeType": kind, "data": "AAAA"}
    found = result_of(outcome(answer({"content": [block]})))
    assert found is not None
    assert len(found.images) == shown


def test_a_call_stands_alone_and_mirrors_what_the_schema_wants_in_fields() -> None:
    schema = {"properties": {"shop": {"type": "string", "x-mcp-header": "Shop"}}}
    made = call_of("shop", "find", schema, {"shop": "é"}, "jfn_rt_x")
    assert made.fields["Mcp-Name"] == "find"
    assert made.fields["Mcp-Param-Shop"].startswith("=?base64?")
    assert "jfn_rt_x" not in repr(made)
    assert made.body is not None
    assert json.loads(made.body)["params"]["arguments"] == {"shop": "é"}
