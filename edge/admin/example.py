"""A first call to try: one `curl` command for one of a function's tools. Pure.

It prefers what changes nothing and needs no arguments; where arguments are needed it fills in
samples from their schemas, and takes only what the tool's own schema then accepts.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from mcp_bridge.catalog import Catalog, Entry
from mcp_bridge.requests import ArgumentError, build
from mcp_bridge.tools import Tool, ToolRequest

PLACEHOLDER = "$JELOU_FUNCTION_TOKEN"
_PREFERENCE = ("GET", "POST", "PUT", "PATCH")
_SAMPLES: Mapping[str, Any] = {
    "string": "example",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
}


def call(base: str, catalog: Catalog) -> str:
    """The words of a command that say what is called: method, headers, body, address.

    Args:
        base: the function's address, without a trailing slash.
    """
    request = _simplest(catalog)
    return " ".join([shlex.quote(f"{base}/")] if request is None else _request(base, request))


def curl(call: str, token: str | None, *, public: bool) -> str:
    """The command; it works as it stands if there is a token or the function is public.

    Args:
        token: a runtime token; None puts the name of an environment variable in its place.
        public: whether no token is needed.
    """
    if token is not None:
        return f"curl -sS -H {shlex.quote(f'X-Jelou-Token: {token}')} {call}"
    if public:
        return f"curl -sS {call}"
    return f'curl -sS -H "X-Jelou-Token: {PLACEHOLDER}" {call}'


def _simplest(catalog: Catalog) -> ToolRequest | None:
    usable = [e for e in catalog.entries.values() if e.tool.operation.method in _PREFERENCE]
    for entry in sorted(usable, key=lambda entry: _effort(entry.tool)):
        request = _sampled(entry)
        if request is not None:
            return request
    return None


def _effort(tool: Tool) -> tuple[bool, int, int]:
    changes = tool.operation.method != "GET"
    return changes, len(_required(tool)), _PREFERENCE.index(tool.operation.method)


def _sampled(entry: Entry) -> ToolRequest | None:
    """The tool's request with a sample for each argument that it needs, if those will do."""
    tool = entry.tool
    arguments = {name: _sample(_schema(tool, name)) for name in _required(tool)}
    if entry.arguments.violations(arguments):
        return None
    try:
        return build(tool, arguments)
    except ArgumentError:
        return None


def _request(base: str, request: ToolRequest) -> list[str]:
    words = [] if request.method == "GET" else ["-X", request.method]
    for name, value in request.headers:
        if name != b"accept":
            words += ["-H", shlex.quote(f"{name.decode()}: {value.decode('latin-1')}")]
    if request.body is not None:
        words += ["--data-raw", shlex.quote(request.body.decode("utf-8", "replace"))]
    return [*words, shlex.quote(base + request.target.decode())]


def _required(tool: Tool) -> list[str]:
    return list(tool.input_schema.get("required", ()))


def _schema(tool: Tool, argument: str) -> Any:
    return _followed(tool, tool.input_schema.get("properties", {}).get(argument, {}))


def _followed(tool: Tool, schema: Any) -> Any:
    reference = schema.get("$ref", "") if isinstance(schema, dict) else ""
    if reference.startswith("#/$defs/"):
        return tool.input_schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return schema


def _sample(schema: Any) -> Any:
    """A value that the schema most likely takes: what it names itself, else one of its type."""
    if not isinstance(schema, dict):
        return "example"
    for key in ("example", "default", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "string")
    if kind in ("integer", "number") and "minimum" in schema:
        return schema["minimum"]
    if kind == "string" and schema.get("minLength", 0) > len(_SAMPLES["string"]):
        return "0" * schema["minLength"]
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _sample(properties.get(name, {})) for name in schema.get("required", ())}
    return _SAMPLES.get(kind, "example") if isinstance(kind, str) else "example"
