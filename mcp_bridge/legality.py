"""What protocol and clients would refuse in a tool's schema: mended, or told. Pure.

Whether each revision's own types accept a tool is `listing`'s; whether it compiles, `validation`'s.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_bridge.tools import JSONObject

MAX_UNFOLDED = 100_000
"""Schemas that one place of a value may be held against, references followed each time."""

HEADER = "x-mcp-header"

_PLAIN_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PRIMITIVE = ("string", "integer", "boolean")
_DEFINITION = "#/$defs/"
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")
_BELOW = (
    "items",
    "contains",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "contentSchema",
)
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def with_object_properties(schema: JSONObject) -> JSONObject:
    """The schema with `{}` and `{"not": {}}` for booleans among its own properties.

    MCP's schema up to 2025-11-25 has objects there (Tool, inputSchema), and clients refuse others.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not any(
        isinstance(below, bool) for below in properties.values()
    ):
        return schema
    return {**schema, "properties": {name: _object(below) for name, below in properties.items()}}


def _object(schema: Any) -> Any:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    return schema


def with_legal_headers(schema: JSONObject) -> tuple[JSONObject, list[str]]:
    """The schema without `x-mcp-header`s that make clients drop a tool, and why each went.

    Legal is one on a property reachable by `properties` alone, that is a string, an integer or a
    boolean, with a field name that no other has (MCP 2026-07-28, transports, custom headers).
    """
    told: list[str] = []
    return _stripped(schema, (), {}, told), told


def _stripped(
    schema: Any, path: tuple[str, ...] | None, seen: dict[str, str], told: list[str]
) -> Any:
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == HEADER:
            wrong = _wrong_header(schema, path, seen)
            if wrong:
                told.append(f"without {HEADER} of {'.'.join(path or ()) or 'a schema'}: {wrong}")
                continue
        made[keyword] = _stripped_below(keyword, value, path, seen, told)
    return made


def _stripped_below(
    keyword: str,
    value: Any,
    path: tuple[str, ...] | None,
    seen: dict[str, str],
    told: list[str],
) -> Any:
    if keyword in _MAPS and isinstance(value, dict):
        on = keyword == "properties" and path is not None
        return {
            name: _stripped(below, (*(path or ()), name) if on else None, seen, told)
            for name, below in value.items()
        }
    if keyword in (*_BELOW, *_IN_PLACE):
        return _stripped(value, None, seen, told)
    if keyword in (*_IN_PLACE_LISTS, "prefixItems") and isinstance(value, list):
        return [_stripped(below, None, seen, told) for below in value]
    return value


def _wrong_header(
    schema: dict[str, Any], path: tuple[str, ...] | None, seen: dict[str, str]
) -> str | None:
    name = schema[HEADER]
    if not path:
        return "it is not on a property of the tool's own object"
    if not isinstance(name, str) or _PLAIN_NAME.fullmatch(name) is None:
        return "it is not a header name"
    if schema.get("type") not in _PRIMITIVE:
        return "the property is no string, integer or boolean"
    other = seen.setdefault(name.lower(), ".".join(path))
    return None if other == ".".join(path) else f"{other} has the same"


def is_explosive(schema: JSONObject) -> bool:
    """Whether one value would be held against more than `MAX_UNFOLDED` schemas at one place.

    A few dozen definitions that each name the next one twice are enough for 2**30.
    """
    costs = _Costs(schema.get("$defs"))
    return any(costs.exceeds(refs) for refs in _sites(schema))


def _sites(schema: Any) -> Iterator[list[str]]:
    """For each place of a value that a schema speaks of, the definitions that it is held against.

    What a definition says of places below is its own.
    """
    places = [schema]
    while places:
        refs: list[str] = []
        together = [places.pop()]
        while together:
            node = together.pop()
            if isinstance(node, dict):
                reference = node.get("$ref")
                if isinstance(reference, str) and reference.startswith(_DEFINITION):
                    refs.append(reference.removeprefix(_DEFINITION))
                together += _in_place(node)
                places += _below(node)
        yield refs


def _in_place(node: Mapping[str, Any]) -> list[Any]:
    found = [node[keyword] for keyword in _IN_PLACE if keyword in node]
    for keyword in _IN_PLACE_LISTS:
        listed = node.get(keyword)
        found += listed if isinstance(listed, list) else ()
    dependent = node.get("dependentSchemas")
    return [*found, *(dependent.values() if isinstance(dependent, dict) else ())]


def _below(node: Mapping[str, Any]) -> list[Any]:
    found = [node[keyword] for keyword in _BELOW if keyword in node]
    for keyword in ("properties", "patternProperties", "$defs"):
        named = node.get(keyword)
        found += named.values() if isinstance(named, dict) else ()
    listed = node.get("prefixItems")
    return [*found, *(listed if isinstance(listed, list) else ())]


class _Costs:
    """How many schemas each definition is at one place, each counted once; circles count once."""

    def __init__(self, definitions: Any) -> None:
        named = definitions if isinstance(definitions, dict) else {}
        self._refs = {name: next(_sites(schema)) for name, schema in named.items()}
        self._known: dict[str, int] = {}

    def exceeds(self, refs: list[str]) -> bool:
        """Whether these definitions together are too many."""
        return sum(self._of(name) for name in refs) > MAX_UNFOLDED

    def _of(self, name: str) -> int:
        stack = [name]
        opened: set[str] = set()
        while stack:
            top = stack[-1]
            if top not in opened:
                opened.add(top)
                refs = set(self._refs.get(top, ()))
                stack += [ref for ref in refs if ref not in opened and ref not in self._known]
                continue
            stack.pop()
            below = sum(self._known.get(ref, 0) for ref in self._refs.get(top, ()))
            self._known.setdefault(top, min(1 + below, MAX_UNFOLDED + 1))
        return self._known[name]
