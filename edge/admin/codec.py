"""The operations' values as JSON and back, by their types alone. Pure.

Keys are camelCase, times RFC 3339 in UTC, an absent value is `null`. What does not fit its type is
refused with its place, so that what is decoded can be believed; unknown keys are passed over, so
that an older client reads a newer edge.
"""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from edge.admin.operations import Time


class Mismatch(ValueError):
    """A JSON value that is not of the type expected; the text says where and what."""


def camel(name: str) -> str:
    """`last_used` as `lastUsed`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def rfc3339(moment: float) -> str:
    """Unix time as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def encode(value: Any) -> Any:
    """A value of the operations as what `json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            camel(name): _encode_field(hint, getattr(value, name))
            for name, hint in _hints(type(value)).items()
        }
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def _encode_field(hint: Any, value: Any) -> Any:
    if value is not None and Time in (hint, *get_args(hint)):
        return rfc3339(value)
    return encode(value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def decode(hint: Any, value: Any, place: str = "") -> Any:
    """What `encode` made, as the type `hint` again.

    Raises:
        Mismatch: the value is of another shape.
    """
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
    hints = {camel(name): (name, hint) for name, hint in _hints(kind).items()}
    required = {camel(f.name) for f in dataclasses.fields(kind) if _is_required(f)}
    for key in sorted(required - value.keys()):
        raise Mismatch(f"{_at(place, key)} is missing")
    return kind(
        **{
            name: decode(hint, value[key], _at(place, key))
            for key, (name, hint) in hints.items()
            if key in value
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
