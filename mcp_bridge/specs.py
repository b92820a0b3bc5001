"""What a project file says about tools, put over what the document says. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcp_bridge.document import DocumentError, cut
from mcp_bridge.names import is_legal, kebab_case
from mcp_bridge.openapi import MAX_TITLE, Candidate, hints
from mcp_bridge.parameters import path_names
from mcp_bridge.schemas import SchemaError, Schemas, ToolSchema
from mcp_bridge.tools import JSONObject, Operation, Parameter, RequestBody, Tool, ToolWarning
from mcp_bridge.urls import template_problem

_COLON_PARAMETER = re.compile(r"(?<=/):([A-Za-z_][A-Za-z0-9_]*)")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the project file says about one tool: an operation by id, or by method and path.

    Attributes:
        name: the key in the file, and the tool's name.
        operation_id: the operation of the document; with neither it nor `method` and `path`, the
            operation whose id or generated name is `name`, else the one of its route: `sendEmail`
            is `/send-email`.
        input_schema: replaces the generated one; its properties then fill the path, and the rest
            the query or, where the method has one, a JSON body.
        public, methods, timeout: as in `Tool`; None where the file says nothing.
        mcp: False keeps the tool out of `/mcp`.
    """

    name: str
    operation_id: str | None = None
    method: str | None = None
    path: str | None = None
    input_schema: JSONObject | None = None
    description: str | None = None
    title: str | None = None
    annotations: JSONObject | None = None
    icons: tuple[JSONObject, ...] | None = None
    public: bool | None = None
    mcp: bool = True
    methods: tuple[str, ...] | None = None
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A tool of the project file, finished.

    Attributes:
        replaces: identity of the document's operation that it stands for, or None.
    """

    spec: ToolSpec
    tool: Tool
    replaces: str | None


def apply(
    specs: Sequence[ToolSpec], candidates: Sequence[Candidate], warnings: list[ToolWarning]
) -> list[Override]:
    """The project file's tools; one that cannot be made is left out with a warning."""
    made: list[Override] = []
    for spec in specs:
        try:
            made.append(_override(spec, candidates))
        except (SpecError, SchemaError, DocumentError) as problem:
            warnings.append(ToolWarning(spec.name, f"left out: {problem}"))
    return made


class SpecError(ValueError):
    """A tool of the project file that cannot be made; the message says what to write."""


def _override(spec: ToolSpec, candidates: Sequence[Candidate]) -> Override:
    if not is_legal(spec.name):
        raise SpecError("a tool's name is 1 to 64 characters of a-z, A-Z, 0-9, _ and -")
    candidate = _candidate(spec, candidates)
    if candidate is None and (spec.method is None or spec.path is None):
        wanted = spec.operation_id or spec.name
        raise SpecError(f"the document has no operation {wanted[:100]!r}")
    tool = candidate.tool if candidate else _bare(spec)
    if spec.input_schema is not None:
        tool = _with_schema(tool, spec.input_schema)
    replaces = candidate.identity if candidate else None
    return Override(spec, _dressed(tool, spec), replaces)


def _candidate(spec: ToolSpec, candidates: Sequence[Candidate]) -> Candidate | None:
    if spec.method is not None and spec.path is not None:
        wanted = (spec.method.upper(), _braced(spec.path))
        return next((c for c in candidates if (c.method, c.path) == wanted), None)
    name = spec.operation_id or spec.name
    by_id = (c for c in candidates if c.operation_id == name)
    by_name = (c for c in candidates if spec.operation_id is None and c.tool.name == name)
    return next(by_id, None) or next(by_name, None) or _by_route(spec, candidates)


def _by_route(spec: ToolSpec, candidates: Sequence[Candidate]) -> Candidate | None:
    """The operation of the route that an app gives a tool of this key; `POST` where several are."""
    if spec.operation_id is not None or spec.method is not None or spec.path is not None:
        return None
    route = f"/{kebab_case(spec.name)}"
    there = [c for c in candidates if c.path == route]
    if len(there) < 2:
        return next(iter(there), None)
    posted = next((c for c in there if c.method == "POST"), None)
    if posted is None:
        methods = ", ".join(c.method for c in there)
        raise SpecError(f"{route} has several operations ({methods}); write method and path")
    return posted


def _braced(path: str) -> str:
    """`/users/:id` as `/users/{id}`."""
    return _COLON_PARAMETER.sub(r"{\1}", path)


def _bare(spec: ToolSpec) -> Tool:
    """A tool from method and path alone: path parameters are strings, nothing else is known."""
    method, path = (spec.method or "").upper(), _braced(spec.path or "")
    problem = template_problem(path)
    if problem or not path.startswith("/"):
        raise SpecError(problem or "the path does not start with /")
    names = path_names(path)
    properties = {name: {"type": "string"} for name in names}
    required = {"required": names} if names else {}
    return Tool(
        name=spec.name,
        description=f"{method} {path}",
        input_schema={"type": "object", "properties": properties, **required},
        operation=_operation(method, path, properties),
        annotations=hints(method),
    )


def _operation(method: str, path: str, properties: dict[str, Any]) -> Operation:
    """Arguments named in the path fill it; the others the query, or a JSON body."""
    in_path = path_names(path)
    parameters = [Parameter(name, name, "path", "simple", False, True) for name in in_path]
    rest = [name for name in properties if name not in in_path]
    if method not in _WITHOUT_BODY:
        body = RequestBody("json", "application/json", required=bool(rest))
        return Operation(method, path, tuple(parameters), body)
    parameters += [Parameter(name, name, "query", "form", True) for name in rest]
    return Operation(method, path, tuple(parameters))


def _with_schema(tool: Tool, schema: JSONObject) -> Tool:
    bundle = ToolSchema(Schemas({"schema": dict(schema)}), "request")
    root = bundle.root("/schema")
    if not isinstance(root, dict) or root.get("type", "object") != "object":
        raise SpecError('"inputSchema" does not have the type "object"')
    definitions = bundle.definitions()
    shown = {"type": "object", **root, **({"$defs": definitions} if definitions else {})}
    properties = shown.get("properties", {})
    if not isinstance(properties, dict):
        raise SpecError('"properties" of "inputSchema" is not an object')
    operation = tool.operation
    filled = {p.name for p in operation.parameters if p.argument in properties}
    missing = [name for name in path_names(operation.path) if name not in filled | set(properties)]
    if missing:
        raise SpecError(f'"inputSchema" has no property {missing[0]!r}, which the path needs')
    if properties.keys() <= tool.input_schema.get("properties", {}).keys():
        return replace(tool, input_schema=shown)
    return replace(
        tool,
        input_schema=shown,
        operation=_operation(operation.method, operation.path, properties),
    )


def _dressed(tool: Tool, spec: ToolSpec) -> Tool:
    return replace(
        tool,
        name=spec.name,
        description=cut(spec.description) if spec.description else tool.description,
        title=spec.title[:MAX_TITLE] if spec.title else tool.title,
        annotations={**tool.annotations, **_annotations(spec.annotations or {})},
        icons=tuple(_icon(icon) for icon in spec.icons or () if isinstance(icon.get("src"), str)),
        public=spec.public,
        methods=spec.methods,
        timeout=spec.timeout,
    )


def _icon(stated: JSONObject) -> JSONObject:
    """An icon (MCP 2025-11-25, Icon), without members that clients would refuse."""
    texts = {key: stated[key] for key in ("src", "mimeType") if isinstance(stated.get(key), str)}
    theme = {"theme": stated["theme"]} if stated.get("theme") in ("light", "dark") else {}
    sizes = stated.get("sizes")
    known = isinstance(sizes, list) and all(isinstance(size, str) for size in sizes)
    return {**texts, **theme, **({"sizes": sizes} if known else {})}


def _annotations(stated: JSONObject) -> dict[str, Any]:
    chosen = {name: stated[name] for name in _HINTS if isinstance(stated.get(name), bool)}
    return {**chosen, "title": stated["title"]} if isinstance(stated.get("title"), str) else chosen
