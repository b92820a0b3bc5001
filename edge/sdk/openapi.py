"""What a function says of itself: `/openapi.json` and `/__health`.

`x-jelou` tells the edge, and nobody else, what a project file would say; the edge takes it out.
"""

import inspect
from typing import Any, Final

from edge.sdk.defining import App, Function
from edge.sdk.inputs import QUERY_METHODS
from edge.sdk.routing import Tool, parameters
from edge.sdk.shapes import JSON
from mcp_bridge.document import find

SCHEME: Final = {"type": "apiKey", "in": "header", "name": "X-Jelou-Token"}
_REFUSED: Final = {
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
                "required": ["path", "message", "code"],
            },
        },
    },
    "required": ["error", "details"],
}


def document(declared: Function | App, tools: tuple[Tool, ...], slug: str) -> JSON:
    """The OpenAPI 3.1 document: one operation for each tool."""
    schemas: JSON = {}
    paths: JSON = {}
    for tool in tools:
        item = paths.setdefault(tool.template, {})
        item[tool.usual_method.lower()] = _operation(tool, schemas)
    title = tools[0].name if isinstance(declared, Function) else slug
    components: JSON = {"securitySchemes": {"jelouToken": SCHEME}}
    if schemas:
        components["schemas"] = schemas
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1.0.0"},
        "paths": paths,
        "components": components,
        "x-jelou": _declaration(declared),
    }


def health(declared: Function | App, tools: tuple[Tool, ...]) -> JSON:
    """The body of `/__health`, as the platform documents it."""
    shown = [{"name": each.name, "description": each.function.description} for each in tools]
    if isinstance(declared, Function):
        return {"status": "ok", "mode": "define", "tool": shown[0]}
    listed = [each for each, tool in zip(shown, tools, strict=True) if tool.mcp]
    return {"status": "ok", "mode": "app", "tools": listed}


def _declaration(declared: Function | App) -> JSON:
    """The part of a project file that the code stands for."""
    if isinstance(declared, Function):
        about = {"description": declared.description} if declared.description else {}
        return {"mode": "define", "project": {**about, "config": declared.config}}
    tools = {
        key: {
            "operationId": key,
            "config": {name: value for name, value in tool.config.items() if name != "path"},
        }
        for key, tool in declared.tools.items()
    }
    return {"mode": "app", "project": {"config": declared.config, "tools": tools}}


def _operation(tool: Tool, schemas: JSON) -> JSON:
    function = tool.function
    operation: JSON = {"operationId": tool.name}
    if function.description:
        operation["summary"] = function.description
    operation["security"] = [] if tool.public else [{"jelouToken": []}]
    listed = _path_parameters(tool.path)
    if function.input is not None:
        schema, shown = _placed(function.input.schema("input"), f"{tool.name}Input", schemas)
        if tool.usual_method.upper() in QUERY_METHODS:
            listed += _query_parameters(schema)
        else:
            operation["requestBody"] = {"content": {"application/json": {"schema": shown}}}
    if listed:
        operation["parameters"] = listed
    operation["responses"] = _responses(tool, schemas)
    return operation


def _path_parameters(path: str) -> list[JSON]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in dict.fromkeys(parameters(path))
    ]


def _query_parameters(schema: JSON) -> list[JSON]:
    required = schema.get("required", [])
    made = []
    for name, shown in schema.get("properties", {}).items():
        one: JSON = {"name": name, "in": "query"}
        if name in required:
            one["required"] = True
        if isinstance(shown, dict) and isinstance(shown.get("description"), str):
            one["description"] = shown["description"]
        made.append({**one, "schema": shown})
    return made


def _responses(tool: Tool, schemas: JSON) -> JSON:
    responses: JSON = {"200": {"description": "The result"}}
    if streams(tool.function.handler):
        responses["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    elif tool.function.output is not None:
        _, shown = _placed(tool.function.output.schema("output"), f"{tool.name}Output", schemas)
        responses["200"]["content"] = {"application/json": {"schema": shown}}
    if tool.function.input is not None:
        content = {"application/json": {"schema": _REFUSED}}
        responses["400"] = {"description": "Validation failed", "content": content}
    return responses


def streams(handler: Any) -> bool:
    """Whether a handler is a generator, whose values are sent as they come."""
    bare = inspect.unwrap(handler)
    return inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare)


def _placed(schema: JSON, name: str, schemas: JSON) -> tuple[JSON, JSON]:
    """A schema with what stands in the operation for it.

    One that refers to itself moves to the components, where its references lead somewhere.
    """
    schema = _opened(schema)
    home = f"#/components/schemas/{name}"
    moved = _moved(schema, home)
    if moved == schema:
        return schema, schema
    schemas[name] = moved
    return moved, {"$ref": home}


def _opened(schema: JSON) -> JSON:
    """A schema whose properties are its own: Pydantic puts those of a recursive model elsewhere."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    try:
        target = find(schema, reference[1:])
    except KeyError:
        return schema
    others = {key: value for key, value in schema.items() if key != "$ref"}
    return {**target, **others} if isinstance(target, dict) else schema


def _moved(value: Any, home: str) -> Any:
    """A schema whose local references start at its new place."""
    if isinstance(value, list):
        return [_moved(each, home) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _moved(each, home) for key, each in value.items()}
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        made["$ref"] = home + reference[1:]
    return made
