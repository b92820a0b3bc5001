"""Request bodies of an operation: which media type, which arguments. Pure.

How a body is written is `requests`.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from mcp_bridge.document import cut, escape, resolve, text_of
from mcp_bridge.parameters import OperationError, free_name
from mcp_bridge.schemas import ToolSchema
from mcp_bridge.tools import BodyKind, RequestBody

_MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+(?:\s*;\s*[\w-]+=\"?[\w.+-]+\"?)*", re.ASCII)
_FLAT = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "description",
        "title",
        "default",
        "example",
        "examples",
        "deprecated",
        "externalDocs",
        "$comment",
        "$schema",
        "$defs",
    }
)
"""Keywords with which an object's properties can stand among an operation's parameters."""

_MAX_MEDIA_TYPES = 100
_KEPT = ("additionalProperties", "description")
_BINARY_FORMATS = ("binary", "byte", "base64")


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """A request body before it is an argument or several.

    Attributes:
        kind, content_type, required: as in `RequestBody`.
        schema: converted, to be the tool's root; True for any value.
        encodings: (property, content type) of multipart parts with a type of their own.
    """

    kind: BodyKind
    content_type: str
    required: bool
    schema: Any
    description: str | None
    encodings: tuple[tuple[str, str], ...] = ()

    @property
    def is_object(self) -> bool:
        """Whether the body is an object and nothing else."""
        return isinstance(self.schema, dict) and self.schema.get("type") == "object"

    @property
    def is_flat(self) -> bool:
        """Whether its properties can stand beside parameters without losing a rule."""
        return self.is_object and all(key in _FLAT or key.startswith("x-") for key in self.schema)


def plan(document: dict[str, Any], where: str, schema: ToolSchema) -> BodyPlan | None:
    """The request body at a pointer, or None if it has no content.

    Raises:
        OperationError: it has no usable media type, or a reference leads nowhere.
    """
    try:
        pointer, body = resolve(document, where)
    except ValueError as problem:
        raise OperationError(str(problem)) from None
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, dict) or not content:
        return None
    if len(content) > _MAX_MEDIA_TYPES:
        raise OperationError(f"its body has {len(content)} media types")
    media_type = min(content, key=_preference)
    media = content[media_type] if isinstance(content[media_type], dict) else {}
    made = _plan(media_type, media, f"{pointer}/content/{escape(media_type)}", schema)
    return BodyPlan(
        made.kind,
        made.content_type,
        body.get("required") is True,
        made.schema,
        cut(text_of(body.get("description"))) or None,
        made.encodings,
    )


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties that an object schema names; none if it does so wrongly."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _preference(media_type: str) -> int:
    kind = body_kind(media_type)
    exact = media_type.partition(";")[0].strip().lower() == "application/json"
    return 0 if exact else {"json": 1, "form": 2, "multipart": 3}.get(kind, 4)


def body_kind(media_type: str) -> BodyKind:
    """How bodies of a media type are serialised; a wildcard is JSON."""
    essence = media_type.partition(";")[0].strip().lower()
    if essence in {"application/json", "*/*", "application/*"} or essence.endswith("+json"):
        return "json"
    if essence == "application/x-www-form-urlencoded":
        return "form"
    return "multipart" if essence == "multipart/form-data" else "raw"


def _plan(media_type: str, media: dict[str, Any], where: str, schema: ToolSchema) -> BodyPlan:
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        raise OperationError(f"{media_type[:80]!r} is not a media type")
    kind = body_kind(media_type)
    content_type = "application/json" if kind == "json" and "*" in media_type else media_type
    if kind == "raw":
        return BodyPlan(kind, content_type, False, _raw_schema(media_type, media), None)
    root = schema.root(f"{where}/schema") if "schema" in media else True
    root = _as_object(root)
    if kind == "json":
        return BodyPlan(kind, content_type, False, root, None)
    if not isinstance(root, dict) or root.get("type") != "object":
        raise OperationError(f"a body of type {media_type[:80]!r} is not an object")
    encodings = _encodings(media, root) if kind == "multipart" else ()
    return BodyPlan(kind, content_type, False, _with_base64(root, encodings), None, encodings)


def _as_object(schema: Any) -> Any:
    """The schema, with the type that its keywords imply where it names none."""
    if not isinstance(schema, dict) or "type" in schema or "$ref" in schema:
        return schema
    parts = schema.get("allOf")
    implied = isinstance(schema.get("properties"), dict) or (
        isinstance(parts, list)
        and any(isinstance(part, dict) and part.get("type") == "object" for part in parts)
    )
    return {"type": "object", **schema} if implied else schema


def _raw_schema(media_type: str, media: dict[str, Any]) -> dict[str, Any]:
    """What stands for bytes in JSON: text as it is, anything else in base64."""
    if is_text(media_type):
        described = media.get("schema")
        pattern = described if isinstance(described, dict) else {}
        kept = {
            key: pattern[key]
            for key in ("minLength", "maxLength", "pattern", "description")
            if key in pattern
        }
        return {"type": "string", **kept, "contentMediaType": media_type}
    return {"type": "string", "contentEncoding": "base64", "contentMediaType": media_type}


def is_text(media_type: str) -> bool:
    """Whether bodies of this media type are text."""
    essence = media_type.partition(";")[0].strip().lower()
    return (
        essence.startswith("text/")
        or essence.endswith(("+xml", "+yaml", "+json"))
        or essence
        in {
            "application/xml",
            "application/yaml",
            "application/json",
            "application/javascript",
            "application/graphql",
            "application/x-ndjson",
            "application/sql",
        }
    )


def _encodings(media: dict[str, Any], root: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    stated = media.get("encoding")
    found: dict[str, str] = {}
    for name, schema in properties_of(root).items():
        if _is_binary(schema):
            found[name] = "application/octet-stream"
        encoding = stated.get(name) if isinstance(stated, dict) else None
        content_type = encoding.get("contentType") if isinstance(encoding, dict) else None
        first = content_type.split(",")[0].strip() if isinstance(content_type, str) else ""
        if _MEDIA_TYPE.fullmatch(first) and "*" not in first:
            found[name] = first
    return tuple(found.items())


def _is_binary(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if _is_binary(schema.get("items")):
        return True
    media_type = schema.get("contentMediaType")
    return (
        schema.get("format") in _BINARY_FORMATS
        or "contentEncoding" in schema
        or (isinstance(media_type, str) and not is_text(media_type))
    )


def _with_base64(root: dict[str, Any], encodings: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Binary parts as strings in base64, since JSON carries no bytes."""
    binary = {name for name, content_type in encodings if not is_text(content_type)}
    properties = {
        name: _base64_schema(schema) if name in binary else schema
        for name, schema in properties_of(root).items()
    }
    return {**root, "properties": properties} if binary else root


def _base64_schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return {"type": "string", "contentEncoding": "base64"}
    if schema.get("type") == "array":
        return {**schema, "items": _base64_schema(schema.get("items"))}
    kept = {key: value for key, value in schema.items() if key != "format"}
    return {**kept, "type": "string", "contentEncoding": "base64"}


def fill(plan: BodyPlan, taken: list[str]) -> tuple[RequestBody, dict[str, Any]]:
    """The body as arguments beside those already taken, and their schema as an object's.

    An object's properties stand side by side with the parameters if none of them collides; alone,
    its schema is the tool's, verbatim, and it is always sent. Any other body is one argument.
    """
    if plan.is_object and not taken:
        return replace(_body(plan, None), required=True), plan.schema
    properties = properties_of(plan.schema) if plan.is_flat else {}
    if properties and not set(properties) & set(taken):
        extra = {key: plan.schema[key] for key in _KEPT if key in plan.schema}
        required = plan.schema.get("required") if plan.required else []
        return _body(plan, None), {"properties": properties, "required": required, **extra}
    argument = free_name("body", "content", taken)
    schema = plan.schema
    if isinstance(schema, dict):
        schema = {key: value for key, value in schema.items() if key != "$schema"}
        schema = {"description": plan.description, **schema} if plan.description else schema
    required = [argument] if plan.required else []
    return _body(plan, argument), {"properties": {argument: schema}, "required": required}


def _body(plan: BodyPlan, argument: str | None) -> RequestBody:
    return RequestBody(plan.kind, plan.content_type, argument, plan.required, plan.encodings)
