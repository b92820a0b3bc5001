"""Operations of an OpenAPI document as tools. Pure: no network, no clock.

Names are provisional here; the catalog makes them unique. A bad operation is left out with a
warning, never the document.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mcp_bridge.bodies import BodyPlan, body_kind, fill, plan
from mcp_bridge.document import cut, escape, find, load, resolve, text_of
from mcp_bridge.names import operation_name
from mcp_bridge.parameters import (
    Located,
    OperationError,
    argument_names,
    collect,
    description,
    parameter,
    path_names,
)
from mcp_bridge.schemas import DocumentTooLarge, SchemaError, Schemas, ToolSchema
from mcp_bridge.tools import JSONObject, Operation, Parameter, RequestBody, Tool, ToolWarning
from mcp_bridge.urls import base_path, template_problem

MAX_OPERATIONS = 10_000
MAX_TITLE = 256
MAX_PARAMETERS = 1_000
"""Parameters of one operation."""

MAX_PATH = 2_048
"""Characters of a path template; a request line has at most 8 KiB."""

MAX_RESPONSES = 1_000

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")

_READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
_DESTRUCTIVE = frozenset({"PUT", "PATCH", "DELETE"})
_IDEMPOTENT = _READ_ONLY | {"PUT", "DELETE"}


@dataclass(frozen=True, slots=True)
class Info:
    """What a document says of itself; empty where it says nothing."""

    title: str = ""
    version: str = ""
    description: str = ""


NOTHING_SAID = Info()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operation as a tool whose name may not be unique yet.

    Attributes:
        path: as the document has it, without the base path.
    """

    operation_id: str | None
    method: str
    path: str
    tool: Tool

    @property
    def identity(self) -> str:
        """What tells it from every other operation of the document."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was found in a document."""

    info: Info
    candidates: tuple[Candidate, ...]
    warnings: tuple[ToolWarning, ...]


def read(data: bytes) -> Reading:
    """The tools of a document.

    Raises:
        DocumentError: it is not an OpenAPI 3.x document in JSON.
    """
    document = load(data)
    schemas = Schemas(document)
    candidates: list[Candidate] = []
    warnings: list[ToolWarning] = []
    for found in _operations(document, warnings):
        if len(candidates) == MAX_OPERATIONS:
            message = f"only the first {MAX_OPERATIONS} operations become tools"
            warnings.append(ToolWarning("", message))
            break
        try:
            candidates.append(_candidate(document, schemas, found))
        except DocumentTooLarge as problem:
            warnings.append(ToolWarning(found.label, f"left out, and all after it: {problem}"))
            break
        except (OperationError, SchemaError) as problem:
            warnings.append(ToolWarning(found.label, f"left out: {problem}"))
    return Reading(_info(document), tuple(candidates), tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Found:
    method: str
    path: str
    item_pointer: str
    item: dict[str, Any]
    operation: dict[str, Any]

    @property
    def pointer(self) -> str:
        return f"{self.item_pointer}/{self.method.lower()}"

    @property
    def label(self) -> str:
        named = self.operation.get("operationId")
        return named if isinstance(named, str) and named else f"{self.method} {self.path}"


def _operations(document: dict[str, Any], warnings: list[ToolWarning]) -> Iterator[_Found]:
    paths = document.get("paths")
    for path in paths if isinstance(paths, dict) else ():
        if not path.startswith("/"):
            continue
        try:
            pointer, item = resolve(document, f"/paths/{escape(path)}")
        except ValueError as problem:
            warnings.append(ToolWarning(path, f"left out: {problem}"))
            continue
        if not isinstance(item, dict):
            continue
        if "trace" in item:
            warnings.append(ToolWarning(f"TRACE {path}", "left out: TRACE is never forwarded"))
        for method in METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                yield _Found(method.upper(), path, pointer, item, operation)


def _candidate(document: dict[str, Any], schemas: Schemas, found: _Found) -> Candidate:
    operation = found.operation
    operation_id = operation.get("operationId")
    schema = ToolSchema(schemas, "request")
    parameters, shown = _parameters(document, found, schema)
    where = f"{found.pointer}/requestBody"
    planned = plan(document, where, schema) if "requestBody" in operation else None
    body, input_schema = _input(planned, parameters, shown)
    tool = Tool(
        name=operation_name(operation_id, found.method, found.path),
        description=_description(found),
        title=text_of(operation.get("summary"))[:MAX_TITLE] or None,
        input_schema=_with_definitions(input_schema, schema),
        output_schema=_output(document, schemas, found),
        operation=Operation(found.method, _full_path(document, found), parameters, body),
        annotations=hints(found.method),
    )
    known_id = operation_id if isinstance(operation_id, str) else None
    return Candidate(known_id, found.method, found.path, tool)


def hints(method: str) -> JSONObject:
    """The four hints of a method (MCP 2025-11-25, ToolAnnotations), all written."""
    return {
        "readOnlyHint": method in _READ_ONLY,
        "destructiveHint": method in _DESTRUCTIVE,
        "idempotentHint": method in _IDEMPOTENT,
        "openWorldHint": True,
    }


def _description(found: _Found) -> str:
    operation = found.operation
    said = text_of(operation.get("description")) or text_of(operation.get("summary"))
    said = said or text_of(found.item.get("description")) or text_of(found.item.get("summary"))
    return cut(said or f"{found.method} {found.path}")


def _parameters(
    document: dict[str, Any], found: _Found, schema: ToolSchema
) -> tuple[tuple[Parameter, ...], dict[str, Any]]:
    """The parameters, and the properties of the tool's schema that fill them."""
    holders = [
        f"{pointer}/parameters"
        for pointer, holder in ((found.item_pointer, found.item), (found.pointer, found.operation))
        if "parameters" in holder
    ]
    listed = sum(_length(document, holder) for holder in holders)
    if listed > MAX_PARAMETERS:
        raise OperationError(f"it has {listed} parameters; at most {MAX_PARAMETERS} are read")
    schema.charge(listed * 1024)
    names = set(path_names(found.path))
    declared = collect(document, holders)
    located = [
        item
        for item in [*declared, *_undeclared(found, declared)]
        if item.place != "path" or item.name in names
    ]
    made: list[Parameter] = []
    shown: dict[str, Any] = {}
    for item, argument in zip(located, argument_names(located), strict=True):
        one, pointer = parameter(item, argument)
        made.append(one)
        shown[argument] = _described(item, schema.convert(pointer) if pointer else {})
    return tuple(made), shown


def _length(document: dict[str, Any], pointer: str) -> int:
    value = find(document, pointer)
    return len(value) if isinstance(value, list) else 0


def _undeclared(found: _Found, declared: list[Located]) -> list[Located]:
    """Names of the path template that the document forgot to declare: they are strings."""
    known = {item.name for item in declared if item.place == "path"}
    missing = [name for name in path_names(found.path) if name not in known]
    return [Located(name, "path", "", {"style": "simple"}) for name in missing]


def _described(item: Located, schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    schema = {key: value for key, value in schema.items() if key not in {"$schema", "$defs"}}
    if not schema and item.place == "path":
        schema = {"type": "string"}
    text = description(item)
    return {**schema, "description": text} if text else schema


def _input(
    body: BodyPlan | None, parameters: tuple[Parameter, ...], shown: dict[str, Any]
) -> tuple[RequestBody, dict[str, Any]]:
    """The body, and the tool's input schema without its definitions."""
    required = [item.argument for item in parameters if item.required]
    if body is None:
        return RequestBody("none"), _object(shown, required, {"additionalProperties": False})
    made, schema = fill(body, list(shown))
    if not shown and made.argument is None:
        return made, dict(schema)
    closed = {"additionalProperties": False} if made.argument is not None else {}
    kept = {key: value for key, value in schema.items() if key == "additionalProperties"}
    both = {**shown, **schema["properties"]}
    more = schema["required"] if isinstance(schema["required"], list) else []
    names = [*required, *(name for name in more if isinstance(name, str))]
    return made, _object(both, names, {**closed, **kept})


def _object(
    properties: dict[str, Any], required: list[str], extra: dict[str, Any]
) -> dict[str, Any]:
    names = {"required": list(dict.fromkeys(required))} if required else {}
    return {"type": "object", "properties": properties, **names, **extra}


def _with_definitions(schema: Any, bundle: ToolSchema) -> Any:
    definitions = bundle.definitions()
    return {**schema, "$defs": definitions} if definitions else schema


def _output(document: dict[str, Any], schemas: Schemas, found: _Found) -> JSONObject | None:
    """The schema of the one successful answer, if it is JSON and neither empty nor too large."""
    responses = found.operation.get("responses")
    statuses = (
        [key for key in responses if key.startswith("2")]
        if isinstance(responses, dict) and len(responses) <= MAX_RESPONSES
        else []
    )
    if len(statuses) != 1:
        return None
    try:
        return _response_schema(document, schemas, f"{found.pointer}/responses/{statuses[0]}")
    except DocumentTooLarge:
        raise
    except ValueError:
        return None


def _response_schema(document: dict[str, Any], schemas: Schemas, pointer: str) -> JSONObject | None:
    pointer, response = resolve(document, pointer)
    content = response.get("content") if isinstance(response, dict) else None
    if not isinstance(content, dict) or len(content) != 1:
        return None
    [(media_type, media)] = content.items()
    if body_kind(media_type) != "json" or not isinstance(media, dict) or "schema" not in media:
        return None
    bundle = ToolSchema(schemas, "response")
    schema = bundle.root(f"{pointer}/content/{escape(media_type)}/schema")
    if not isinstance(schema, dict) or not schema:
        return None
    return dict(_with_definitions(schema, bundle))


def _full_path(document: dict[str, Any], found: _Found) -> str:
    """The path template behind the base path of the nearest `servers`."""
    if len(found.path) > MAX_PATH:
        raise OperationError(f"its path is over {MAX_PATH} characters")
    problem = template_problem(found.path)
    if problem:
        raise OperationError(problem)
    for holder in (found.operation, found.item, document):
        servers = holder.get("servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], dict):
            return base_path(servers[0]) + found.path
    return found.path


def _info(document: dict[str, Any]) -> Info:
    info = document.get("info")
    if not isinstance(info, dict):
        return Info()
    return Info(
        text_of(info.get("title")), text_of(info.get("version")), text_of(info.get("description"))
    )
