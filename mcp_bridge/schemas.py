"""Schemas of a document as JSON Schema 2020-12 that stands alone: all `$ref`s local. Pure.

A schema that several tools share is converted once. Nothing is ever fetched.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from mcp_bridge.document import escape, find, is_legacy
from mcp_bridge.jsontext import dump

Direction = Literal["request", "response"]

MAX_SCHEMA = {"request": 256 * 1024, "response": 32 * 1024}
"""Bytes of one schema of one tool by direction, its definitions included.

No model reads more; and documents whose schemas all reach each other would multiply without it.
"""

MAX_WORK = 48 * 1024 * 1024
"""Bytes of the schemas of all tools of a document, made for both directions, shared ones each time.

Thrice what a catalog holds: so no document costs more than seconds, however it refers to itself.
"""

_MAPS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLES = frozenset(
    {
        "items",
        "additionalItems",
        "additionalProperties",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "contentSchema",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_DROPPED = frozenset({"$id", "id", "definitions", "discriminator", "xml"})
_DIALECTS = re.compile(
    r"https://json-schema\.org/draft/20(?:19-09|20-12)/schema#?"
    r"|http://json-schema\.org/draft-0[67]/schema#?"
)
_LEGAL_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ANCHOR = re.compile(r"#[A-Za-z_][\w.-]*")
_ILLEGAL = re.compile(r"[^A-Za-z0-9._-]+")
_COMPONENTS = "/components/"
_BESIDE_REFERENCE = ("$ref", "description", "nullable")
"""OpenAPI 3.0 ignores what stands beside a `$ref`, but generators mean these two."""

_HIDDEN_BY = {"request": "readOnly", "response": "writeOnly"}


class SchemaError(ValueError):
    """A schema that cannot stand alone; the message says why."""


class DocumentTooLarge(ValueError):
    """A document whose schemas are too much together; the message says so."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A shared schema, converted: itself, the definitions it names and its size in bytes."""

    schema: Any
    references: tuple[tuple[str, str], ...]
    size: int


class Schemas:
    """The schemas of one document, and what was already made of them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.legacy = is_legacy(document)
        components = document.get("components")
        schemas = components.get("schemas") if isinstance(components, dict) else None
        self.component_names = frozenset(schemas if isinstance(schemas, dict) else ())
        self._shared: dict[tuple[str, Direction], Definition] = {}
        self._work = 0

    def charge(self, size: int) -> None:
        """Count work of so many bytes.

        Raises:
            DocumentTooLarge: it was too much.
        """
        self._work += size
        if self._work > MAX_WORK:
            raise DocumentTooLarge(f"the document's schemas are over {MAX_WORK} bytes together")

    def shared_name(self, pointer: str) -> str:
        """The name under `$defs` of a pointer, the same for every tool of the document."""
        last = _last(pointer)
        plain = pointer.startswith("/components/schemas/") and pointer.count("/") == 3
        return last if plain and _LEGAL_NAME.fullmatch(last) else _hashed(last, pointer)

    def shared(self, pointer: str, direction: Direction) -> Definition:
        """The definition at a pointer below `/components/`, converted once."""
        key = (pointer, direction)
        if key not in self._shared:
            self._shared[key] = self.define(pointer, direction, self.shared_name)
        return self._shared[key]

    def define(self, pointer: str, direction: Direction, namer: Callable[[str], str]) -> Definition:
        """The schema at a pointer, its references renamed by `namer` (pointer to name)."""
        converter = _Converter(self, direction, pointer, namer)
        schema = converter.convert(find(self.document, pointer))
        return Definition(schema, tuple(converter.references.items()), len(dump(schema)))


class ToolSchema:
    """The schemas of one tool in one direction, and the definitions that they need."""

    def __init__(self, schemas: Schemas, direction: Direction) -> None:
        self._schemas = schemas
        self._direction: Direction = direction
        self._pending: set[tuple[str, str]] = set()
        self._names: dict[str, str] = {}
        self._named: set[str] = set()
        self._own: dict[str, Any] = {}
        self._size = 0

    def charge(self, size: int) -> None:
        """Count work of so many bytes towards what the whole document may cost."""
        self._schemas.charge(size)

    def convert(self, pointer: str) -> Any:
        """The schema at a pointer, to be put somewhere inside the tool's schema."""
        return self._use(self._schemas.define(pointer, self._direction, self._name))

    def root(self, pointer: str) -> Any:
        """The schema at a pointer as the tool's own root, references at its top followed.

        Its own `$defs` keep their names and stand among `definitions()`.
        """
        pointer, extra = self._follow(pointer)
        self._reserve(pointer)
        schema = self.convert(pointer)
        if isinstance(schema, dict) and isinstance(schema.get("$defs"), dict):
            shared = self._schemas.component_names
            own = schema.pop("$defs")
            self._own = {name: own[name] for name in own if name not in shared}
        if isinstance(schema, dict) and extra:
            schema = {**schema, **extra}
        return schema

    def definitions(self) -> dict[str, Any]:
        """Everything that `$ref`s name, for `$defs`; call it once, last."""
        found: dict[str, Any] = dict(self._own)
        while self._pending:
            pointer, name = self._pending.pop()
            if name not in found:
                found[name] = self._definition(pointer, name)
        return dict(sorted(found.items()))

    def _definition(self, pointer: str, name: str) -> Any:
        if pointer.startswith(_COMPONENTS) and name == self._schemas.shared_name(pointer):
            return self._use(self._schemas.shared(pointer, self._direction))
        return self.convert(pointer)

    def _use(self, definition: Definition) -> Any:
        self.charge(definition.size)
        self._size += definition.size
        if self._size > MAX_SCHEMA[self._direction]:
            raise SchemaError(f"its schema is over {MAX_SCHEMA[self._direction]} bytes")
        self._pending.update(definition.references)
        return definition.schema

    def _name(self, pointer: str) -> str:
        if pointer.startswith(_COMPONENTS):
            return self._schemas.shared_name(pointer)
        if pointer not in self._names:
            last = _last(pointer)
            free = (
                _LEGAL_NAME.fullmatch(last)
                and last not in self._schemas.component_names
                and last not in self._named
            )
            self._keep(pointer, last if free else _hashed(last, pointer))
        return self._names[pointer]

    def _keep(self, pointer: str, name: str) -> None:
        self._names[pointer] = name
        self._named.add(name)

    def _reserve(self, pointer: str) -> None:
        schema = find(self._schemas.document, pointer)
        own = schema.get("$defs") if isinstance(schema, dict) else None
        for name in own if isinstance(own, dict) else ():
            if name in self._schemas.component_names:
                continue
            where = f"{pointer}/$defs/{escape(name)}"
            if where not in self._names:
                self._keep(where, name)

    def _follow(self, pointer: str) -> tuple[str, dict[str, Any]]:
        extra: dict[str, Any] = {}
        for _ in range(32):
            schema = find(self._schemas.document, pointer)
            if not isinstance(schema, dict) or "$ref" not in schema or is_anchor(schema["$ref"]):
                return pointer, extra
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            if not siblings.keys() <= {"title", "description", "summary", "deprecated"}:
                return pointer, extra
            extra = {**siblings, **extra}
            pointer = locate(self._schemas.document, pointer, schema["$ref"])
        raise SchemaError("its references go round in a circle")


def is_anchor(reference: Any) -> bool:
    """Whether a `$ref` is a plain name (JSON Schema 2020-12 §8.2.2), which stays as it is."""
    return isinstance(reference, str) and _ANCHOR.fullmatch(reference) is not None


def locate(document: dict[str, Any], base: str, reference: Any) -> str:
    """Where a `$ref` points: from the document's root, else from the schema that holds it.

    The latter is not OpenAPI's rule but what generators write that know JSON Schema alone.

    Raises:
        SchemaError: it is external or names nothing.
    """
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise SchemaError(f"the external $ref {str(reference)[:200]!r} is not fetched")
    for root in ("", base):
        pointer = root + reference[1:]
        try:
            find(document, pointer)
        except KeyError:
            continue
        if pointer:
            return pointer
    raise SchemaError(f"the $ref {reference[:200]!r} names nothing")


class _Converter:
    """One schema's walk: keyword by keyword, so that data and property names stay untouched."""

    def __init__(
        self, schemas: Schemas, direction: Direction, base: str, namer: Callable[[str], str]
    ) -> None:
        self._schemas = schemas
        self._hidden = _HIDDEN_BY[direction]
        self._base = base
        self._namer = namer
        self.references: dict[str, str] = {}

    def convert(self, schema: Any, *, root: bool = True) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise SchemaError("a schema is neither an object nor a boolean")
        if self._schemas.legacy and "$ref" in schema:
            schema = {key: schema[key] for key in _BESIDE_REFERENCE if key in schema}
        result: dict[str, Any] = {}
        for keyword, value in schema.items():
            if not self._is_dropped(keyword, value, root=root):
                result[keyword] = self._keyword(keyword, value)
        self._hide(schema, result)
        return _modernised(result) if self._schemas.legacy else result

    def _is_dropped(self, keyword: str, value: Any, *, root: bool) -> bool:
        if keyword == "$schema":
            return not (root and isinstance(value, str) and _DIALECTS.fullmatch(value))
        return keyword in _DROPPED or (keyword == "$defs" and not root)

    def _keyword(self, keyword: str, value: Any) -> Any:
        if keyword == "$ref":
            return self._reference(value)
        if keyword in _MAPS and isinstance(value, dict):
            return {name: self.convert(schema, root=False) for name, schema in value.items()}
        if keyword in _LISTS and isinstance(value, list):
            return [self.convert(schema, root=False) for schema in value]
        if keyword in _SINGLES and isinstance(value, dict | bool):
            return self.convert(value, root=False)
        return value

    def _reference(self, reference: Any) -> str:
        if is_anchor(reference):
            return str(reference)
        pointer = locate(self._schemas.document, self._base, reference)
        name = self._namer(pointer)
        self.references[pointer] = name
        return f"#/$defs/{name}"

    def _hide(self, schema: dict[str, Any], result: dict[str, Any]) -> None:
        """Properties of the other direction are not required in this (OpenAPI 3.0 §4.7.24.2)."""
        required, properties = schema.get("required"), schema.get("properties")
        if not isinstance(required, list) or not isinstance(properties, dict):
            return
        hidden = {name for name, schema in properties.items() if self._is_hidden(schema)}
        if hidden:
            result["required"] = [
                name for name in required if not isinstance(name, str) or name not in hidden
            ]

    def _is_hidden(self, schema: Any) -> bool:
        return isinstance(schema, dict) and schema.get(self._hidden) is True


def _modernised(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0's own keywords as those of 2020-12."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool):
            is_exclusive = schema.pop(exclusive)
            if is_exclusive and bound in schema:
                schema[exclusive] = schema.pop(bound)
    if schema.pop("nullable", None) is True:
        return _nullable(schema)
    return schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if schema.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _last(pointer: str) -> str:
    return pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def _hashed(text: str, pointer: str) -> str:
    digest = sha256(pointer.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', text)[:80]}_{digest}"
