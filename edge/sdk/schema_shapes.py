"""Shapes that are JSON Schemas; nothing is ever fetched."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from jsonschema_rs import ValidationError, validator_for

from edge.sdk.encoding import encode
from edge.sdk.shapes import JSON, Detail, Invalid, Use
from mcp_bridge.jsontext import parse

MAX_DETAILS = 20
"""Violations that are told of one value."""

_MAX_MESSAGE = 300


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

    def schema(self, use: Use) -> JSON:
        """As `Shape`; the same for both uses."""
        del use
        return self._schema

    def check(self, value: Any) -> Any:
        """As `Shape`."""
        if not self._validator.is_valid(value):
            found = islice(self._validator.iter_errors(value), MAX_DETAILS)
            raise Invalid([_detail(each) for each in found])
        return value

    def dump(self, value: Any) -> Any:
        """As `Shape`."""
        return self.check(parse(encode(value)))


def _detail(error: ValidationError) -> Detail:
    """A missing property is told at its own place, as the platform does."""
    path = tuple(error.instance_path)
    missing = getattr(error.kind, "property", None) if error.kind.name == "required" else None
    message = error.message.partition("\n")[0][:_MAX_MESSAGE]
    return Detail((*path, missing) if missing else path, message, error.kind.name)
