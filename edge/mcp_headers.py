"""The header fields that mirror a stateless MCP message (2026-07-28, transports). Pure."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

META_VERSION = "io.modelcontextprotocol/protocolVersion"
_NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_SAFE = re.compile(r"[\x20-\x7e]*")
_SENTINEL = re.compile(r"=\?base64\?.*\?=")
_SCALARS = ("string", "integer", "boolean")

Parameters = Mapping[str, Mapping[tuple[str, ...], str]]
"""Tool name to (property path to header name), of properties annotated `x-mcp-header`."""


def stateless_version(message: Mapping[str, Any]) -> str | None:
    """The revision that a message of the stateless era names itself, else None."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(META_VERSION) if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def mirrored(message: Mapping[str, Any], parameters: Parameters) -> dict[str, str]:
    """The fields of a stateless message, which the server holds against its body."""
    version, method = stateless_version(message), message.get("method")
    if version is None or not isinstance(method, str):
        return {}
    headers = {"MCP-Protocol-Version": version, "Mcp-Method": encoded(method)}
    params = message["params"]
    name = params.get(_NAMES.get(method, ""))
    if isinstance(name, str):
        headers["Mcp-Name"] = encoded(name)
    if method == "tools/call":
        arguments = params.get("arguments")
        for path, header in parameters.get(str(name), {}).items():
            value = _rendered(_at(arguments, path))
            if value is not None:
                headers[f"Mcp-Param-{header}"] = encoded(value)
    return headers


def encoded(value: str) -> str:
    """A value as it survives in a header: itself, or base64 in the specification's brackets."""
    plain = _SAFE.fullmatch(value) and value == value.strip() and not _SENTINEL.fullmatch(value)
    return value if plain else f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def annotated(answer: Mapping[str, Any]) -> Iterator[tuple[str, dict[tuple[str, ...], str]]]:
    """The tools of a `tools/list` answer with their properties that go into headers."""
    result = answer.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and isinstance(tool.get("name"), str):
            yield tool["name"], dict(_properties(tool.get("inputSchema"), ()))


def _properties(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, below in (properties if isinstance(properties, dict) else {}).items():
        if not isinstance(below, dict):
            continue
        header = below.get("x-mcp-header")
        if isinstance(header, str) and below.get("type") in _SCALARS:
            yield (*path, name), header
        yield from _properties(below, (*path, name))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _rendered(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
