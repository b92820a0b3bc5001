"""Parameter values as text: the style and explode rules of OpenAPI. Pure.

OpenAPI 3.1 §4.8.12.3 "Style Values"; where it is silent, RFC 6570, which it is made from.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from mcp_bridge.jsontext import dump
from mcp_bridge.tools import Parameter

Pairs = list[tuple[str, str]]

_DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
_RESERVED_KEPT = ":/?@!$'()*,;"
"""What `allowReserved` lets pass: reserved characters that end no value (RFC 3986 §2.2)."""


def primitive(value: Any) -> str:
    """One value as text: as JSON writes it, strings bare, `5.0` as `5`."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return dump(value).decode()


def encode(text: str, *, reserved: bool = False) -> str:
    """Percent-encoded UTF-8: all but RFC 3986 unreserved characters."""
    return quote(text, safe=_RESERVED_KEPT if reserved else "")


def path_text(parameter: Parameter, value: Any) -> str:
    """A path parameter's expansion: `simple`, `label` or `matrix`."""
    if parameter.content_type is not None:
        return encode(_content(parameter, value))
    if parameter.style == "label":
        separator = "." if parameter.explode else ","
        return "." + _joined(value, separator, explode=parameter.explode)
    if parameter.style == "matrix":
        return _matrix(parameter, value)
    return _joined(value, ",", explode=parameter.explode)


def header_text(parameter: Parameter, value: Any) -> str:
    """A header parameter's value: `simple`, not percent-encoded."""
    if parameter.content_type is not None:
        return _content(parameter, value)
    if isinstance(value, Mapping):
        joiner = "=" if parameter.explode else ","
        return ",".join(f"{key}{joiner}{primitive(item)}" for key, item in _members(value))
    if isinstance(value, list):
        return ",".join(primitive(item) for item in _items(value))
    return primitive(value)


def query_text(parameter: Parameter, value: Any) -> list[str]:
    """A query parameter as `name=value` pieces, encoded; none for an empty array or object."""
    return [f"{name}={text}" for name, text in _named(parameter, value)]


def cookie_text(parameter: Parameter, value: Any) -> list[str]:
    """A cookie parameter as `name=value` pieces; values percent-encoded, names as they are."""
    pieces = _named(parameter, value)
    return [
        f"{parameter.name if name == encode(parameter.name) else name}={text}"
        for name, text in pieces
    ]


def form_text(properties: Mapping[str, Any]) -> str:
    """An object as `application/x-www-form-urlencoded`: arrays repeat, deeper values are JSON."""
    return "&".join(
        f"{encode(name)}={encode(primitive(item))}"
        for name, value in _members(properties)
        for item in (_items(value) if isinstance(value, list) else [value])
    )


def _named(parameter: Parameter, value: Any) -> Pairs:
    name, reserved = encode(parameter.name), parameter.allow_reserved
    if parameter.content_type is not None:
        return [(name, encode(_content(parameter, value), reserved=reserved))]
    if parameter.style == "deepObject" and isinstance(value, Mapping):
        return list(_deep(name, value, reserved=reserved))
    if not isinstance(value, Mapping | list):
        return [(name, encode(primitive(value), reserved=reserved))]
    return _compound(parameter, name, value)


def _compound(parameter: Parameter, name: str, value: Mapping[str, Any] | list[Any]) -> Pairs:
    reserved = parameter.allow_reserved
    if parameter.explode or parameter.style == "deepObject":
        if isinstance(value, Mapping):
            return [
                (encode(key), encode(primitive(item), reserved=reserved))
                for key, item in _members(value)
            ]
        return [(name, encode(primitive(item), reserved=reserved)) for item in _items(value)]
    flat = _flat(value)
    joined = _DELIMITERS[parameter.style].join(encode(text, reserved=reserved) for text in flat)
    return [(name, joined)] if flat else []


def _deep(name: str, value: Any, *, reserved: bool) -> Iterable[tuple[str, str]]:
    """`filter[a][b]=1`: deeper than one level is not defined, but this is what servers read."""
    if isinstance(value, Mapping):
        for key, item in _members(value):
            yield from _deep(f"{name}%5B{encode(key)}%5D", item, reserved=reserved)
    elif isinstance(value, list):
        for item in _items(value):
            yield name, encode(primitive(item), reserved=reserved)
    else:
        yield name, encode(primitive(value), reserved=reserved)


def _joined(value: Any, separator: str, *, explode: bool) -> str:
    if isinstance(value, Mapping) and explode:
        return separator.join(
            f"{encode(key)}={encode(primitive(item))}" for key, item in _members(value)
        )
    return separator.join(encode(text) for text in _flat(value))


def _matrix(parameter: Parameter, value: Any) -> str:
    name = encode(parameter.name)
    if parameter.explode and isinstance(value, Mapping):
        return "".join(f";{encode(key)}={encode(primitive(item))}" for key, item in _members(value))
    if parameter.explode and isinstance(value, list):
        return "".join(f";{name}={encode(primitive(item))}" for item in _items(value))
    text = ",".join(encode(text) for text in _flat(value))
    return f";{name}={text}" if text else f";{name}"


def _flat(value: Any) -> list[str]:
    """`a,b` or `key,value,key,value`, before encoding and joining."""
    if isinstance(value, Mapping):
        return [text for key, item in _members(value) for text in (key, primitive(item))]
    if isinstance(value, list):
        return [primitive(item) for item in _items(value)]
    return [primitive(value)]


def _members(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Members that have a value; null is RFC 6570's undefined."""
    return [(key, item) for key, item in value.items() if item is not None]


def _items(value: list[Any]) -> list[Any]:
    return [item for item in value if item is not None]


def _content(parameter: Parameter, value: Any) -> str:
    is_json = "json" in (parameter.content_type or "")
    return primitive(value) if isinstance(value, str) and not is_json else dump(value).decode()
