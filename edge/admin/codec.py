"""The operations' values as JSON and back, by their types alone. Pure.

Keys are camelCase, times RFC 3339 in UTC, an absent value is `null`. What does not fit its type is
refused with its place, so that what is decoded can be believed; unknown keys are passed over, so
that an older client reads a newer edge.
"""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from edge.admin.times import Time, rfc3339
from mcp_bridge.document import MAX_DOCUMENT

LARGEST = 3 * MAX_DOCUMENT + 1024 * 1024
"""Bytes of a call or of its answer: a document as a JSON string, in which escapes take up to three
times the room, and its project file."""


class Mismatch(ValueError):
    """A JSON value that is not of the type expected; the text says where and what."""


def camel(name: str) -> str:
    """`last_used` as `lastUsed`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def encode(value: Any) -> Any:
    """A value of the operations as what `json` can write."""
    if value is None or isinstance(value, str | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.key: _encode_field(field, getattr(value, field.name))
            for field in _fields(type(value))
        }
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def _encode_field(field: "_Field", value: Any) -> Any:
    return rfc3339(value) if field.is_time and value is not None else encode(value)


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """A field of an operations' value: its JSON key, its name and its type."""

    key: str
    name: str
    hint: Any
    is_time: bool
    required: bool


@cache
def _fields(kind: type) -> tuple[_Field, ...]:
    """Looked at once for each type: a list may have a million values of it."""
    hints = get_type_hints(kind, include_extras=True)
    required = {field.name: _is_required(field) for field in dataclasses.fields(kind)}
    return tuple(
        _Field(camel(name), name, hint, Time in (hint, *get_args(hint)), required[name])
        for name, hint in hints.items()
    )


def decode(hint: Any, value: Any, place: str = "") -> Any:
    """What `encode` made, as the type `hint` again.

    Raises:
        Mismatch: the value is of another shape.
    """
    if type(value) is hint:
        return value
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _decode_optional(hint, value, place)
    if origin is Annotated:
        return _decode_time(value, place)
    if origin is tuple:
        items = _expect(list, value, place)
        inner = get_args(hint)[0]
        return tuple(decode(inner, item, f"{place}[{n}]") for n, item in enumerate(items))
    if origin is dict:
        return _expect(dict, value, place)
    if dataclasses.is_dataclass(hint):
        return _decode_fields(hint, _expect(dict, value, place), place)
    return _expect(hint, value, place)


def _decode_optional(hint: Any, value: Any, place: str) -> Any:
    if value is None:
        return None
    (inner,) = (arg for arg in get_args(hint) if arg is not NoneType)
    return decode(inner, value, place)


def _decode_time(value: Any, place: str) -> float:
    text = _expect(str, value, place)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Mismatch(f"{place or 'the value'} must be an RFC 3339 time") from None


def _decode_fields(kind: Any, value: Mapping[str, Any], place: str) -> Any:
    fields = _fields(kind)
    for key in sorted(field.key for field in fields if field.required and field.key not in value):
        raise Mismatch(f"{_at(place, key)} is missing")
    return kind(
        **{
            field.name: decode(field.hint, value[field.key], _at(place, field.key))
            for field in fields
            if field.key in value
        }
    )


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _expect(kind: type, value: Any, place: str) -> Any:
    if kind is Any:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise Mismatch(f"{place or 'the value'} must be {_NAMES.get(kind, kind.__name__)}")
    return value


_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}
