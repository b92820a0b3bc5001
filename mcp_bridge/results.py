"""A function's answer as the result of a tool call, as it stands on the wire. Pure.

Shapes are those of MCP's `CallToolResult`; which revision allows what is `revisions`'.
"""

import base64
from functools import lru_cache
from typing import Any

from mcp_bridge.bodies import body_kind, is_text
from mcp_bridge.catalog import Entry
from mcp_bridge.failures import failure_text, phrase
from mcp_bridge.jsontext import JSONError, parse
from mcp_bridge.revisions import has_audio, has_structured_content, is_stateless
from mcp_bridge.tools import ToolResponse
from mcp_bridge.validation import Validator
from tokens.secret import redact

_NO_VALUE = object()

_USUAL_TYPE = 100
"""Characters of a `Content-Type` whose meaning is remembered."""

Result = dict[str, Any]


def interpret(entry: Entry, response: ToolResponse, revision: str) -> Result:
    """The result of a call that got an answer."""
    essence, charset = media_type(response)
    coded = _header(response, b"content-encoding")
    if coded and coded.lower() != "identity":
        return error_result(
            f"The function's answer is encoded as {coded[:40]}; it was not asked to be."
        )
    if not 200 <= response.status < 300:
        text = _decoded(response.body, charset) if is_text(essence) or not essence else None
        location = _header(response, b"location") if response.status < 400 else None
        return error_result(failure_text(response.status, essence, text, location))
    value = _json(response.body) if body_kind(essence) == "json" else _NO_VALUE
    if entry.output is not None:
        broken = _broken_promise(entry.output, value)
        if broken is not None:
            return broken
    if value is not _NO_VALUE:
        return _json_result(value, response.body, revision)
    return {"content": [_content(entry, response, essence, charset, revision)], "isError": False}


def unlike_promised(entry: Entry, result: Result) -> Result | None:
    """The failure in place of a result whose structured content breaks the tool's output schema."""
    if entry.output is None or result.get("isError"):
        return None
    value = result.get("structuredContent", _NO_VALUE)
    return _broken_promise(entry.output, value)


def _broken_promise(output: Validator, value: Any) -> Result | None:
    violations = ["$: it is not JSON"] if value is _NO_VALUE else output.violations(value)
    if not violations:
        return None
    said = "\n".join(violations)
    return error_result(f"The function's answer does not match its output schema:\n{said}")


def error_result(text: str) -> Result:
    """A failure that the model may read and act on; tokens in it are blacked out."""
    return {"content": [{"type": "text", "text": redact(text)}], "isError": True}


def _json_result(value: Any, body: bytes, revision: str) -> Result:
    result: Result = {
        "content": [{"type": "text", "text": body.decode("utf-8").strip()}],
        "isError": False,
    }
    allowed = isinstance(value, dict) if not is_stateless(revision) else value is not None
    if allowed and has_structured_content(revision):
        result["structuredContent"] = value
    return result


def _content(
    entry: Entry, response: ToolResponse, essence: str, charset: str, revision: str
) -> dict[str, Any]:
    body = response.body
    if not body:
        said = f"HTTP {response.status} {phrase(response.status)}".rstrip()
        return {"type": "text", "text": f"{said}, without content"}
    kind = essence.partition("/")[0]
    if kind == "text" or body_kind(essence) == "json" or not essence:
        text = _decoded(body, charset)
        if text is not None:
            return {"type": "text", "text": text}
    if kind == "image" or (kind == "audio" and has_audio(revision)):
        return {"type": kind, "data": base64.b64encode(body).decode(), "mimeType": essence}
    return {"type": "resource", "resource": _resource(entry, body, essence, charset)}


def _resource(entry: Entry, body: bytes, essence: str, charset: str) -> dict[str, Any]:
    named = {
        "uri": f"tool-result:{entry.tool.name}",
        "mimeType": essence or "application/octet-stream",
    }
    text = _decoded(body, charset) if is_text(essence) else None
    if text is not None:
        return {**named, "text": text}
    return {**named, "blob": base64.b64encode(body).decode()}


def _json(body: bytes) -> Any:
    try:
        return parse(body.removeprefix(b"\xef\xbb\xbf"))
    except JSONError:
        return _NO_VALUE


def _decoded(body: bytes, charset: str) -> str | None:
    """The text of a body, or None if it is none in this character encoding."""
    try:
        return body.decode(charset)
    except (LookupError, ValueError):
        return None


def media_type(response: ToolResponse) -> tuple[str, str]:
    """The media type without parameters, in lower case, and the charset (UTF-8 if not said)."""
    said = _header(response, b"content-type")
    read = _media_type if len(said) <= _USUAL_TYPE else _media_type.__wrapped__
    return read(said)


@lru_cache(maxsize=256)
def _media_type(said: str) -> tuple[str, str]:
    essence, _, parameters = said.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return essence.strip().lower(), value.strip().strip('"').lower() or "utf-8"
    return essence.strip().lower(), "utf-8"


def _header(response: ToolResponse, name: bytes) -> str:
    for key, value in response.headers:
        if key == name:
            return value.decode("latin-1")
    return ""
