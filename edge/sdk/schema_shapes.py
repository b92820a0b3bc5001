"""Shapes that are JSON Schemas; nothing is ever fetched."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from jsonschema_rs import ValidationError, validator_for

from edge.sdk.encoding import encode
from edge.sdk.shapes import JSON, MAX_DETAILS, UNNAMED, Detail, Invalid, Use
from mcp_bridge.jsontext import has_more_than, is_deeper_than, parse

_MAX_MESSAGE = 300
_MAX_DEPTH = 6
"""Nesting up to which a schema that refers to itself amid choices is explained: each choice is
explained by all of its branches, and nested they multiply."""

_MAX_VALUES = 1_000
"""Values inside a value up to which all violations are sought; beyond, that takes minutes."""


class SchemaShape:
    """One schema."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        """Compile.

        Raises:
            ValueError: it is not a JSON Schema.
        """
        self._schema = dict(declared)
        try:
            self._validator = validator_for(self._schema, offline=True)
        except (ValueError, TypeError, OverflowError, RecursionError) as problem:
            said = str(problem).partition("\n")[0]
            raise ValueError(f"it is not a JSON Schema: {said}") from None
        text = encode(self._schema)
        has_choices = b'"anyOf"' in text or b'"oneOf"' in text
        self._may_recur = has_choices and b'"$ref"' in text

    def schema(self, use: Use) -> JSON:
        """As `Shape`; the same for both uses."""
        del use
        return self._schema

    def check(self, value: Any) -> Any:
        """As `Shape`."""
        if not self._validator.is_valid(value):
            raise Invalid(self._details(value))
        return value

    def _details(self, value: Any) -> list[Detail]:
        """What is wrong, sought no longer than a caller may make it take."""
        if has_more_than(value, _MAX_VALUES):
            return [UNNAMED]
        if self._may_recur and is_deeper_than(value, _MAX_DEPTH):
            return [UNNAMED]
        return [_detail(each) for each in islice(self._validator.iter_errors(value), MAX_DETAILS)]

    def dump(self, value: Any) -> Any:
        """As `Shape`."""
        return self.check(parse(encode(value)))


def _detail(error: ValidationError) -> Detail:
    """A missing property is told at its own place, as the platform does."""
    path = tuple(error.instance_path)
    missing = getattr(error.kind, "property", None) if error.kind.name == "required" else None
    message = error.message.partition("\n")[0][:_MAX_MESSAGE]
    return Detail((*path, missing) if missing else path, message, error.kind.name)
