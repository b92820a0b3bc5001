"""A tool and its arguments as one HTTP request. Pure; what it makes is not sent here.

No argument leaves the place that its parameter has: path values stay in their segment, header
values on their line, query values in their pair.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from mcp_bridge.bodies import is_text
from mcp_bridge.fields import is_safe_value
from mcp_bridge.jsontext import dump
from mcp_bridge.styles import (
    cookie_text,
    form_text,
    header_text,
    path_text,
    primitive,
    query_text,
)
from mcp_bridge.tools import Operation, Parameter, RequestBody, Tool, ToolRequest
from mcp_bridge.urls import STATIC_SAFE

_TEMPLATE = re.compile(r"\{([^{}/]+)\}")
_ABSENT = object()
_ACCEPT = (b"accept", b"application/json, */*;q=0.5")


class ArgumentError(ValueError):
    """An argument that cannot be sent; the message starts with its JSON path."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"$.{argument}: {message}")


def build(tool: Tool, arguments: Mapping[str, Any], context: bytes | None = None) -> ToolRequest:
    """The request that a call makes; the arguments satisfy the tool's schema already.

    Args:
        context: as in `ToolRequest`.

    Raises:
        ArgumentError: a path segment would be empty, `.` or `..`; a header value holds a control
            character; a binary value is not base64.
    """
    operation = tool.operation
    given = _given(operation, arguments)
    target = _path(tool, given) + (_query(given) if given else "")
    headers, body = _body(operation.body, _body_arguments(tool, arguments))
    return ToolRequest(
        tool=tool,
        method=operation.method,
        target=target.encode("ascii"),
        headers=(_ACCEPT, *(_headers(given) if given else ()), *headers),
        body=body,
        context=context,
    )


def _given(operation: Operation, arguments: Mapping[str, Any]) -> dict[Parameter, Any]:
    return {
        item: arguments[item.argument]
        for item in operation.parameters
        if arguments.get(item.argument) is not None
    }


def _query(given: Mapping[Parameter, Any]) -> str:
    query = [
        piece for item in given if item.place == "query" for piece in query_text(item, given[item])
    ]
    return f"?{'&'.join(query)}" if query else ""


def _path(tool: Tool, given: Mapping[Parameter, Any]) -> str:
    path = tool.operation.path
    if "{" not in path:
        return _static(path)
    by_name = {item.name: item for item in tool.operation.parameters if item.place == "path"}
    return "/".join(_segment(part, by_name, given) for part in path.split("/"))


@lru_cache(maxsize=1024)
def _static(text: str) -> str:
    """What of a path template is no parameter, as it stands in a target."""
    return quote(text, safe=STATIC_SAFE)


def _segment(
    template: str, by_name: Mapping[str, Parameter], given: Mapping[Parameter, Any]
) -> str:
    names = _TEMPLATE.findall(template)
    if not names:
        return _static(template)
    pieces: list[str] = []
    end = 0
    for match in _TEMPLATE.finditer(template):
        parameter = by_name[match[1]]
        value = path_text(parameter, given[parameter]) if parameter in given else ""
        pieces += [_static(template[end : match.start()]), value]
        end = match.end()
    segment = "".join(pieces) + _static(template[end:])
    if segment in {"", ".", ".."}:
        raise ArgumentError(
            by_name[names[0]].argument, f"the path segment would be {segment!r}, which is not sent"
        )
    return segment


def _headers(given: Mapping[Parameter, Any]) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for item, value in given.items():
        if item.place == "header":
            headers.append((item.name.lower().encode("ascii"), _header_value(item, value)))
    cookies = [
        piece
        for item in given
        if item.place == "cookie"
        for piece in cookie_text(item, given[item])
    ]
    return [*headers, (b"cookie", "; ".join(cookies).encode("ascii"))] if cookies else headers


def _header_value(parameter: Parameter, value: Any) -> bytes:
    text = header_text(parameter, value).strip(" \t")
    if not is_safe_value(text):
        raise ArgumentError(parameter.argument, "a header value cannot hold control characters")
    return text.encode("utf-8")


def _body_arguments(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """What the body is made of: one argument's value, or an object of those left over."""
    body = tool.operation.body
    if body.argument is not None:
        return arguments.get(body.argument, _ABSENT)
    used = {item.argument for item in tool.operation.parameters}
    rest = {name: arguments[name] for name in arguments if name not in used} if used else arguments
    return rest if rest or body.required else _ABSENT


def _body(body: RequestBody, value: Any) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    if body.kind == "none" or value is _ABSENT:
        return [], None
    content_type = body.content_type
    if body.kind == "json":
        content = dump(value)
    elif body.kind == "form":
        content = form_text(value).encode("ascii")
    elif body.kind == "multipart":
        content_type, content = _multipart(body, value)
    else:
        content = _raw(body, value)
    return [(b"content-type", content_type.encode("ascii"))], content


def _raw(body: RequestBody, value: Any) -> bytes:
    text = primitive(value)
    if is_text(body.content_type):
        return text.encode("utf-8")
    return _decoded(body.argument or "body", text)


def _decoded(argument: str, text: Any) -> bytes:
    try:
        return base64.b64decode(primitive(text), validate=True)
    except (ValueError, binascii.Error):
        raise ArgumentError(argument, "binary content must be base64") from None


def _multipart(body: RequestBody, value: Mapping[str, Any]) -> tuple[str, bytes]:
    """`multipart/form-data` (RFC 7578); the boundary is made from the content, so it is no part."""
    types = dict(body.encodings)
    parts = [
        _part(name, item, types.get(name))
        for name, held in value.items()
        if held is not None
        for item in (held if isinstance(held, list) else [held])
    ]
    boundary = f"jelou-{sha256(b''.join(parts)).hexdigest()[:40]}".encode()
    content = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        f"multipart/form-data; boundary={boundary.decode()}",
        content + b"--" + boundary + b"--\r\n",
    )


def _part(name: str, value: Any, content_type: str | None) -> bytes:
    """One part; content that is no text is a file, as servers tell the two apart by its name."""
    shown = _quoted(name)
    if content_type is not None and not is_text(content_type):
        head = f'Content-Disposition: form-data; name="{shown}"; filename="{shown}"\r\n'
        content = _decoded(name, value)
    else:
        head = f'Content-Disposition: form-data; name="{shown}"\r\n'
        content = primitive(value).encode("utf-8")
    if content_type is None and isinstance(value, dict | list):
        content_type = "application/json"
    stated = f"Content-Type: {content_type}\r\n" if content_type else ""
    return (head + stated + "\r\n").encode("utf-8") + content


def _quoted(name: str) -> str:
    """A name inside quotes (HTML, multipart/form-data encoding algorithm)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
