"""A tool's arguments as an HTTP request: h11 reads that one request, and nothing left its place."""

import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import h11

from edge.forwarding.parse import serialise
from mcp_bridge.catalog import build as catalog_of
from mcp_bridge.jsontext import JSONError, dump, parse
from mcp_bridge.requests import ArgumentError, build
from mcp_bridge.tools import Tool, ToolRequest
from mcp_bridge.urls import STATIC_SAFE

HOST = b"function.internal"
MOST_TOOLS = 8

WORDS = (
    b"arguments", b"paths", b"/a/{id}/b", b"/{a}{b}", b"/x.{ext}", b"get", b"post", b"put",
    b"delete", b"parameters", b"requestBody", b"name", b"in", b"path", b"query", b"header",
    b"cookie", b"style", b"explode", b"simple", b"label", b"matrix", b"form", b"spaceDelimited",
    b"pipeDelimited", b"deepObject", b"allowReserved", b"schema", b"content", b"application/json",
    b"text/plain", b"multipart/form-data", b"application/x-www-form-urlencoded",
    b"application/octet-stream", b"image/png", b"encoding", b"contentType", b"id", b"Host",
    b"Cookie", b"Content-Length", b"X-Jelou-Token", b"X-A", b"properties", b"type", b"..", b".",
    b"/", b"%2F", b"\r\nX-B: c", b"\n", b"\x00", b"?", b"#", b"&a=b", b"; a=b", b'"', b"\\",
    b"http://x", b"@y", b"AAAA", b"====", b"body",
)  # fmt: skip

_TARGET = re.compile(rb"/[!-~]*")
_NAME = re.compile(r"\{([^{}/]+)\}")
_OF_THE_EDGE = {b"host", b"content-length", b"transfer-encoding", b"connection", b"x-jelou-token"}
_OF_A_PART = re.compile(
    rb'Content-Disposition: form-data; name="[^"\r\n]*"(; filename="[^"\r\n]*")?'
    rb"(\r\nContent-Type: [^\r\n]*)?"
)


def check(data: bytes) -> None:
    """A document whose `arguments` are those of a call of each of its tools."""
    try:
        value = parse(data)
    except JSONError:
        return
    arguments = value.pop("arguments", None) if isinstance(value, dict) else None
    if not isinstance(arguments, dict):
        return
    entries = catalog_of(dump({"openapi": "3.1.0", **value})).entries.values()
    for entry in list(entries)[:MOST_TOOLS]:
        known = entry.tool.input_schema.get("properties", {})
        for given in (arguments, {name: arguments[name] for name in arguments if name in known}):
            if not entry.arguments.violations(given):
                _check_call(entry.tool, given)


def _check_call(tool: Tool, arguments: dict[str, Any]) -> None:
    try:
        request = build(tool, arguments)
    except ArgumentError:
        return
    assert request.method == tool.operation.method
    _check_target(tool, arguments, request.target)
    _check_query(tool, arguments, request.target)
    _check_fields(tool, request)
    _check_parts(request)
    _check_on_the_wire(request)


def _check_target(tool: Tool, arguments: dict[str, Any], target: bytes) -> None:
    assert _TARGET.fullmatch(target)
    assert b"#" not in target
    parameters = {one.name: one for one in tool.operation.parameters if one.place == "path"}
    path = target.partition(b"?")[0].decode()
    templates, segments = tool.operation.path.split("/"), path.split("/")
    assert len(templates) == len(segments), "a value left its segment"
    for template, segment in zip(templates, segments, strict=True):
        names = _NAME.findall(template)
        if not names:
            assert segment == quote(template, safe=STATIC_SAFE)
            continue
        assert segment not in {"", ".", ".."}
        assert unquote(segment) not in {"", ".", ".."}
        one = parameters[names[0]]
        value = arguments.get(one.argument)
        is_plain = one.style == "simple" and one.content_type is None and isinstance(value, str)
        if is_plain and template == f"{{{one.name}}}":
            assert unquote(segment, errors="strict") == value


def _check_query(tool: Tool, arguments: dict[str, Any], target: bytes) -> None:
    """Texts arrive as they were; where there is nothing else, nothing else arrives."""
    given = [
        (one, arguments[one.argument])
        for one in tool.operation.parameters
        if one.place == "query" and arguments.get(one.argument) is not None
    ]
    sent = parse_qsl(target.decode().partition("?")[2], keep_blank_values=True, errors="strict")
    texts = [
        (one.name, value)
        for one, value in given
        if isinstance(value, str) and one.content_type is None
    ]
    assert all(text in sent for text in texts), "a value left its pair"
    assert len(texts) < len(given) or sent == texts


def _check_fields(tool: Tool, request: ToolRequest) -> None:
    named = {
        one.name.lower().encode() for one in tool.operation.parameters if one.place == "header"
    }
    for name, value in request.headers:
        assert name in named | {b"accept", b"content-type", b"cookie"}
        assert name not in _OF_THE_EDGE
        assert not set(value) & set(b"\r\n\x00")
        if name == b"cookie":
            assert not any(set(pair) & set(b' ;"\\,') for pair in value.split(b"; "))


def _check_parts(request: ToolRequest) -> None:
    """A part of a multipart body has the fields that the edge writes and no others."""
    content_type = dict(request.headers).get(b"content-type", b"")
    if not content_type.startswith(b"multipart/form-data; boundary=jelou-"):
        return
    boundary = b"--" + content_type.rpartition(b"=")[2]
    begin, *parts, end = (b"\r\n" + (request.body or b"")).split(b"\r\n" + boundary)
    assert (begin, end) == (b"", b"--\r\n")
    for part in parts:
        head, found, _ = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        assert found
        assert _OF_A_PART.fullmatch(head), head


def _check_on_the_wire(request: ToolRequest) -> None:
    """As the edge would send it to a function: one request, to the host that was meant."""
    body = request.body
    fields = ((b"host", HOST), *request.headers)
    method, size = request.method.encode(), None if body is None else len(body)
    head = serialise(method, request.target, fields, size, bodiless=body is None)
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**22)
    server.receive_data(head + (body or b""))
    read, content = server.next_event(), b""
    assert isinstance(read, h11.Request)
    assert (read.method, read.target) == (method, request.target)
    sent = [field for field in read.headers if field[0] != b"content-length"]
    assert sent == list(fields)
    while isinstance(event := server.next_event(), h11.Data):
        content += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert content == (body or b"")
    assert server.trailing_data == (b"", False)
