"""Parameter Objects of an operation: which there are, and which argument fills each. Pure.

How a value is written on the wire is `styles`.
"""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from mcp_bridge.document import cut, escape, resolve, text_of
from mcp_bridge.fields import is_settable, is_token
from mcp_bridge.tools import Parameter, ParameterPlace

_DEFAULT_STYLE = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
_STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
_PLACES: tuple[ParameterPlace, ...] = get_args(ParameterPlace)
_TEMPLATE = re.compile(r"\{([^{}/]+)\}")
_ILLEGAL_ARGUMENT = re.compile(r"[^a-zA-Z0-9_.-]+")
_MAX_ARGUMENT = 64


class OperationError(ValueError):
    """An operation that cannot become a tool; the message says why."""


@dataclass(frozen=True, slots=True)
class Located:
    """A Parameter Object and where it stands in the document."""

    name: str
    place: ParameterPlace
    pointer: str
    object: dict[str, Any]


def path_names(path: str) -> list[str]:
    """The names in a path template, in order, each once."""
    return list(dict.fromkeys(_TEMPLATE.findall(path)))


def collect(document: dict[str, Any], holders: Iterable[str]) -> list[Located]:
    """The parameters of the lists at these pointers, by name and place; later ones override.

    Left out are those that OpenAPI ignores and those that no argument may set.

    Raises:
        OperationError: one is not a Parameter Object, or its reference leads nowhere.
    """
    found: dict[tuple[str, str], Located] = {}
    for holder in holders:
        for parameter in _listed(document, holder):
            found[parameter.name, parameter.place] = parameter
    return [parameter for parameter in found.values() if _is_offered(parameter)]


def _listed(document: dict[str, Any], holder: str) -> Iterable[Located]:
    _, items = _resolved(document, holder)
    if not isinstance(items, list):
        raise OperationError('"parameters" is not an array')
    for index in range(len(items)):
        pointer, item = _resolved(document, f"{holder}/{index}")
        name = item.get("name") if isinstance(item, dict) else None
        place = item.get("in") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name or place not in _PLACES:
            raise OperationError('a parameter has no name or an unknown "in"')
        yield Located(name, place, pointer, item)


def _resolved(document: dict[str, Any], pointer: str) -> tuple[str, Any]:
    try:
        return resolve(document, pointer)
    except ValueError as problem:
        raise OperationError(str(problem)) from None


def _is_offered(parameter: Located) -> bool:
    if parameter.place == "header":
        return is_settable(parameter.name)
    return parameter.place != "cookie" or is_token(parameter.name)


def argument_names(parameters: Iterable[Located]) -> list[str]:
    """The argument of each: its own name, with the place where two share one.

    Characters that model APIs refuse in property names become `_`: `page[size]` is `page_size`.
    """
    names: dict[str, None] = {}
    for parameter in parameters:
        wanted = _ILLEGAL_ARGUMENT.sub("_", parameter.name).strip("_") or parameter.place
        wanted = parameter.name if _is_legal_argument(parameter.name) else wanted[:_MAX_ARGUMENT]
        names[free_name(wanted, parameter.place, names)] = None
    return list(names)


def _is_legal_argument(name: str) -> bool:
    return len(name) <= _MAX_ARGUMENT and _ILLEGAL_ARGUMENT.search(name) is None


def free_name(wanted: str, suffix: str, taken: Container[str]) -> str:
    """`wanted`, or with the suffix, or with the suffix and a number: the first not taken."""
    if wanted not in taken:
        return wanted
    candidate, number = f"{wanted}_{suffix}", 2
    while candidate in taken:
        candidate, number = f"{wanted}_{suffix}_{number}", number + 1
    return candidate


def parameter(located: Located, argument: str) -> tuple[Parameter, str | None]:
    """How the argument goes on the wire, and where its schema is (None: any value).

    Raises:
        OperationError: its style does not exist in its place, or its content has no media type.
    """
    spec = located.object
    pointer, content_type = _schema_of(located)
    style = spec.get("style", _DEFAULT_STYLE[located.place])
    if style not in _STYLES[located.place]:
        raise OperationError(f"the style {str(style)[:40]!r} of {located.name!r} is unknown")
    explode = spec.get("explode")
    made = Parameter(
        argument=argument,
        name=located.name,
        place=located.place,
        style=style,
        explode=explode if isinstance(explode, bool) else style in {"form", "deepObject"},
        required=spec.get("required") is True or located.place == "path",
        allow_reserved=spec.get("allowReserved") is True and located.place == "query",
        content_type=content_type,
    )
    return made, pointer


def _schema_of(located: Located) -> tuple[str | None, str | None]:
    content = located.object.get("content")
    if not isinstance(content, dict):
        has_schema = "schema" in located.object
        return (f"{located.pointer}/schema" if has_schema else None), None
    if len(content) != 1:
        raise OperationError(f'"content" of {located.name!r} does not have one media type')
    [(media_type, value)] = content.items()
    has_schema = isinstance(value, dict) and "schema" in value
    pointer = f"{located.pointer}/content/{escape(media_type)}/schema"
    return (pointer if has_schema else None), media_type.lower()


def description(located: Located) -> str | None:
    """What the document says of the parameter, if it says anything."""
    return cut(text_of(located.object.get("description"))) or None
