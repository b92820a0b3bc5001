"""The management API as an OpenAPI 3.1 document, made from its routes and their types. Pure.

Nothing is said here that the routes and the operations do not say: a schema is its dataclass.
"""

import dataclasses
import inspect
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from edge.admin.codec import camel
from edge.admin.errors import RETRYABLE, STATUSES
from edge.admin.operations import Operations
from edge.admin.routes import ENDPOINTS, ROOT, Endpoint

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Any: {},
}
_FILE: dict[str, Any] = {"application/octet-stream": {}}
_FAILURE = {
    "type": "object",
    "required": ["ok", "error"],
    "properties": {
        "ok": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"enum": list(STATUSES)},
                "message": {"type": "string"},
                "retryable": {"const": True, "description": f"With {', '.join(sorted(RETRYABLE))}"},
            },
        },
    },
}


def document(version: str) -> dict[str, Any]:
    """The document; `version` is the edge's."""
    schemas: dict[str, Any] = {"Failure": _FAILURE}
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        operation = _operation(endpoint, schemas)
        paths.setdefault(ROOT + endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "jelou-edge management API", "version": version},
        "security": [{"accessToken": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    described = inspect.getdoc(getattr(Operations, endpoint.operation)) or ""
    made: dict[str, Any] = {
        "operationId": endpoint.operation,
        "summary": described.partition("\n")[0],
        "x-scope": endpoint.scope,
        "responses": {
            "200": {"description": "Done", "content": _answer(endpoint, schemas)},
            "default": {
                "description": "Refused or failed; nothing was changed",
                "content": _json({"$ref": "#/components/schemas/Failure"}),
            },
        },
    }
    parameters = _parameters(endpoint, schemas)
    body = _body(endpoint, schemas)
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = body
    return made


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for key, (name, hint, required) in endpoint.arguments.items():
        if name in (endpoint.takes, endpoint.gives):
            continue
        if f"{{{key}}}" in endpoint.segments:
            segment = {"type": "string", "minLength": 1}
            found.append({"name": key, "in": "path", "required": True, "schema": segment})
        elif endpoint.method == "GET":
            schema = _schema(_present(hint), schemas)
            found.append({"name": key, "in": "query", "required": required, "schema": schema})
    return found


def _body(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any] | None:
    if endpoint.takes:
        return {"required": True, "content": _FILE}
    if endpoint.method != "POST":
        return None
    if endpoint.whole_body:
        ((_, hint, _),) = endpoint.arguments.values()
        return {"required": True, "content": _json(_schema(hint, schemas))}
    named = {k: v for k, v in endpoint.arguments.items() if f"{{{k}}}" not in endpoint.segments}
    schema = _object(
        {key: _schema(hint, schemas) for key, (_, hint, _) in named.items()},
        [key for key, (_, _, required) in named.items() if required],
    )
    return {"required": True, "content": _json({**schema, "additionalProperties": False})}


def _answer(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    if endpoint.gives:
        return _FILE
    data = _schema(endpoint.result, schemas)
    return _json(_object({"ok": {"const": True}, "data": data}, ["ok", "data"]))


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _present(hint: Any) -> Any:
    """The type of an argument that is there: in a query there is no `null`."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not NoneType)
        return inner
    return hint


def _schema(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(member, schemas) for member in arguments]}
    if origin is Annotated:
        return {"type": "string", "format": "date-time"}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object"}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _reference(hint, schemas)
    return _PLAIN[hint]


def _reference(kind: type, schemas: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in schemas:
        schemas[name] = {}  # for one that holds itself
        hints = get_type_hints(kind, include_extras=True)
        required = [
            camel(field.name)
            for field in dataclasses.fields(kind)
            if field.default is field.default_factory is dataclasses.MISSING
        ]
        properties = {camel(key): _schema(hint, schemas) for key, hint in hints.items()}
        schemas[name] = _object(properties, required)
    return {"$ref": f"#/components/schemas/{name}"}
