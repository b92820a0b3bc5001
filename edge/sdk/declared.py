"""What a function takes and gives, from what its author declared: a type, or a JSON Schema.

Pydantic is imported only for types, a JSON Schema validator only for schemas: so a function starts
without the one that it does not use.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from edge.sdk.shapes import Shape

TYPED = "edge.sdk.typed_shapes:TypedShape"
SCHEMA = "edge.sdk.schema_shapes:SchemaShape"


def shape_of(declared: Any) -> Shape:
    """The shape that an author declared.

    Raises:
        ValueError: it is neither a type nor a mapping; the message says why.
    """
    module, _, name = (SCHEMA if isinstance(declared, Mapping) else TYPED).partition(":")
    made = getattr(import_module(module), name)(declared)
    return cast(Shape, made)
