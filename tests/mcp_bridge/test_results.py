"""A function's answer as a tool's result, type by type."""

import base64
from typing import Any

import pytest

from mcp_bridge.catalog import Entry, build
from mcp_bridge.results import interpret
from mcp_bridge.tools import ToolResponse
from tests.mcp_bridge.serving import document

OLDEST, HANDSHAKE, STATELESS = "2024-11-05", "2025-11-25", "2026-07-28"
ENTRY = build(document({"/a": {"get": {"operationId": "a"}}})).entries["a"]


def interpreted(
    body: bytes,
    content_type: str | None = "application/json",
    status: int = 200,
    revision: str = HANDSHAKE,
    entry: Entry = ENTRY,
    **headers: str,
) -> dict[str, Any]:
    fields = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    if content_type is not None:
        fields.append((b"content-type", content_type.encode()))
    return interpret(entry, ToolResponse(status, tuple(fields), body), revision)


def text_of(result: dict[str, Any]) -> str:
    [content] = result["content"]
    assert content["type"] == "text"
    return str(content["text"])


@pytest.mark.parametrize("kind", ["application/json", "application/hal+json; charset=utf-8"])
def test_a_json_object_is_structured_and_text_as_it_was_sent(kind: str) -> None:
    result = interpreted(b'{"a": 1,\n "b": "\xc3\xa9"}', kind)
    assert result["structuredContent"] == {"a": 1, "b": "é"}
    assert text_of(result) == '{"a": 1,\n "b": "é"}'
    assert result["isError"] is False


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"7", b"true"])
def test_other_json_is_structured_on_the_stateless_revision_alone(body: bytes) -> None:
    assert "structuredContent" not in interpreted(body)
    assert "structuredContent" in interpreted(body, revision=STATELESS)
    assert text_of(interpreted(body)) == body.decode()


def test_structured_content_is_unknown_to_the_oldest_revisions() -> None:
    assert "structuredContent" not in interpreted(b"{}", revision=OLDEST)


@pytest.mark.parametrize("body", [b"{", b"NaN", b"[" * 500 + b"]" * 500])
def test_json_that_is_none_is_text(body: bytes) -> None:
    result = interpreted(body)
    assert text_of(result) == body.decode()
    assert "structuredContent" not in result


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"hello", "text/plain", "hello"),
        (b"\xe9", "text/plain; charset=iso-8859-1", "é"),
        (b"<p>", "text/html", "<p>"),
        (b"plain", None, "plain"),
    ],
)
def test_text_is_text(body: bytes, kind: str | None, text: str) -> None:
    assert text_of(interpreted(body, kind)) == text


def test_an_empty_answer_says_so() -> None:
    assert "204" in text_of(interpreted(b"", None, 204))
    assert "without content" in text_of(interpreted(b"", "application/json"))


def test_images_and_audio_are_theirs() -> None:
    encoded = base64.b64encode(b"\x89\x00").decode()
    image = interpreted(b"\x89\x00", "image/png")["content"]
    assert image == [{"type": "image", "data": encoded, "mimeType": "image/png"}]
    sound = interpreted(b"\x89\x00", "audio/wav")["content"]
    assert sound == [{"type": "audio", "data": encoded, "mimeType": "audio/wav"}]


def test_audio_is_a_resource_where_the_revision_does_not_know_it() -> None:
    assert interpreted(b"\x00", "audio/wav", revision=OLDEST)["content"][0]["type"] == "resource"


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"%PDF", "application/pdf", {"blob": base64.b64encode(b"%PDF").decode()}),
        (b"<a/>", "application/xml", {"text": "<a/>"}),
        (b"\xff", "text/plain", {"blob": base64.b64encode(b"\xff").decode()}),
    ],
)
def test_anything_else_is_an_embedded_resource(
    body: bytes, kind: str, expected: dict[str, str]
) -> None:
    [content] = interpreted(body, kind)["content"]
    assert content["type"] == "resource"
    resource = content["resource"]
    assert resource == {"uri": "tool-result:a", "mimeType": kind.partition(";")[0], **expected}


def test_an_encoded_answer_is_an_error() -> None:
    assert interpreted(b"\x1f\x8b", "text/plain", content_encoding="gzip")["isError"] is True


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_a_failure_is_text_alone_with_what_the_function_said(status: int) -> None:
    result = interpreted(b'{"error":"no such order"}', status=status)
    assert result["isError"] is True
    assert "structuredContent" not in result
    assert str(status) in text_of(result)
    assert "no such order" in text_of(result)


TRACES = [
    b'Traceback (most recent call last):\n  File "/app/main.py", line 3, in f\nKeyError: 1',
    b"Error: boom\n    at Object.<anonymous> (/srv/app/index.js:10:15)",
    b'Exception in thread "main" java.lang.NullPointerException\n\tat com.x.Y.z(Y.java:12)',
    b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()",
    b"thread 'main' panicked at src/main.rs:2:5",
    b'{"message":"boom","stack":"Error: boom\\n    at f (/srv/app/index.js:10:15)"}',
    b'{"errors":["Traceback (most recent call last):\\n  File \\"/app/x.py\\", line 1"]}',
    b'{"trace":"java.lang.IllegalStateException\\n\\tat com.x.Y.z(Y.java:12)"}',
]


@pytest.mark.parametrize("body", TRACES)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/html"])
def test_a_stack_trace_is_never_told(body: bytes, kind: str) -> None:
    text = text_of(interpreted(body, kind, 500))
    assert "500" in text
    for secret in ("/app/", "/srv/", "Y.java", "main.rs", "goroutine", "KeyError"):
        assert secret not in text


def test_a_redirect_is_not_followed_and_says_where_to() -> None:
    result = interpreted(b"", None, 307, location="/orders/")
    assert result["isError"] is True
    assert "/orders/" in text_of(result)


def test_a_long_failure_is_cut() -> None:
    assert len(text_of(interpreted(b"x" * 100_000, "text/plain", 400))) <= 16 * 1024


def test_an_answer_against_its_output_schema_is_an_error() -> None:
    content = {"application/json": {"schema": {"type": "array", "items": {"type": "integer"}}}}
    paths = {"/a": {"get": {"operationId": "a", "responses": {"200": {"content": content}}}}}
    entry = build(document(paths)).entries["a"]
    assert interpreted(b"[1]", entry=entry)["isError"] is False
    wrong = interpreted(b'[1, "x"]', entry=entry)
    assert wrong["isError"] is True
    assert "$[1]: " in text_of(wrong)
    assert interpreted(b"hello", "text/plain", entry=entry)["isError"] is True
    assert "404" in text_of(interpreted(b"{}", status=404, entry=entry))
