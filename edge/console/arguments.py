"""A form for a tool's arguments, made from its input schema, and what was written in it. Pure.

It asks for what the schema's top level names: what is neither text, number, choice nor yes or no is
written as JSON. It does not validate: the edge does that when the tool is called.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from edge.console.forms import Form

MOST = 100
"""Fields of one form; a tool of more arguments is called with JSON."""

PREFIX = "arg."
"""What the names of fields begin with, apart from those of the console's own."""

Kind = Literal["text", "long", "integer", "number", "choice", "flag", "json"]


@dataclass(frozen=True, slots=True)
class Field:
    """One argument.

    Attributes:
        value: what stands in it.
        hint: an example, shown while nothing stands in it.
        choices: of a `choice`: the values, as JSON; the form sends their places.
        problem: why what was written cannot be sent.
    """

    name: str
    kind: Kind
    required: bool
    description: str = ""
    value: str = ""
    hint: str = ""
    choices: tuple[str, ...] = ()
    problem: str = ""

    @property
    def key(self) -> str:
        """Its name in the form."""
        return PREFIX + self.name


class NotArguments(ValueError):
    """What was written is no JSON object; the text says what to write."""


def fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a tool's form, those that it needs first; none if there would be too many."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or len(properties) > MOST:
        return ()
    needed = schema.get("required")
    required = {n for n in needed if isinstance(n, str)} if isinstance(needed, list) else set()
    made = [
        _field(name, _followed(schema, below), name in required)
        for name, below in properties.items()
    ]
    return tuple(sorted(made, key=lambda field: not field.required))


def filled(asked: tuple[Field, ...], form: Form) -> tuple[tuple[Field, ...], dict[str, Any]]:
    """The fields as they were filled in, problems noted, and the arguments that they make."""
    shown: list[Field] = []
    arguments: dict[str, Any] = {}
    for field in asked:
        written = form.get(field.key, "")
        try:
            if written or (field.required and field.kind in ("text", "long")):
                arguments[field.name] = _value(field, written)
            elif field.required:
                raise NotArguments("This is needed")
            shown.append(replace(field, value=written))
        except NotArguments as problem:
            shown.append(replace(field, value=written, problem=str(problem)))
    return tuple(shown), arguments


def from_json(written: str) -> dict[str, Any]:
    """Arguments that were written as JSON; raises NotArguments."""
    value = _json(written or "{}")
    if not isinstance(value, dict):
        raise NotArguments('Write an object, such as {"name": "value"}')
    return value


def _field(name: str, schema: Any, required: bool) -> Field:
    schema = _without_null(schema)
    described = schema.get("description")
    field = Field(
        name=name,
        kind=_kind(schema),
        required=required,
        description=described if isinstance(described, str) else "",
    )
    if field.kind == "choice":
        field = replace(field, choices=tuple(map(_shown, schema["enum"])))
        return _chosen(field, schema)
    sample = _sample(schema)
    if sample is None:
        return replace(field, value="{}" if required and _is(schema, "object") else "")
    text = sample if isinstance(sample, str) and field.kind in ("text", "long") else _shown(sample)
    return replace(field, value=text) if required else replace(field, hint=text)


def _chosen(field: Field, schema: Mapping[str, Any]) -> Field:
    sample = _shown(_sample(schema))
    place = field.choices.index(sample) if sample in field.choices else 0
    return replace(field, value=str(place)) if field.required else field


def _kind(schema: Mapping[str, Any]) -> Kind:
    enum = schema.get("enum")
    if isinstance(enum, list) and 0 < len(enum) <= MOST:
        return "choice"
    kinds: dict[str, Kind] = {"integer": "integer", "number": "number", "boolean": "flag"}
    kind = schema.get("type")
    if kind == "string":
        return "long" if _is_long(schema) else "text"
    return kinds.get(kind, "json") if isinstance(kind, str) else "json"


def _is_long(schema: Mapping[str, Any]) -> bool:
    most = schema.get("maxLength")
    return (isinstance(most, int) and most > 200) or schema.get("contentMediaType") is not None


def _is(schema: Mapping[str, Any], kind: str) -> bool:
    return bool(schema.get("type") == kind)


def _sample(schema: Mapping[str, Any]) -> Any:
    """A value that the schema itself names."""
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    examples = schema.get("examples")
    return examples[0] if isinstance(examples, list) and examples else None


def _followed(whole: Mapping[str, Any], schema: Any) -> Any:
    """What a reference to the schema's own definitions stands for, with what is said beside it."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        found = whole.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        if isinstance(found, dict):
            return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _without_null(schema: Any) -> Mapping[str, Any]:
    """A schema that also takes null is one that may be left out."""
    if not isinstance(schema, dict):
        return {}
    for key in ("anyOf", "oneOf"):
        ways = schema.get(key)
        if isinstance(ways, list):
            rest = [way for way in ways if way != {"type": "null"}]
            if len(rest) == 1 and isinstance(rest[0], dict):
                beside = {name: value for name, value in schema.items() if name != key}
                return {**rest[0], **beside}
    kinds = schema.get("type")
    if isinstance(kinds, list):
        rest = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": rest[0]} if len(rest) == 1 else schema
    return schema


def _value(field: Field, written: str) -> Any:
    if field.kind in ("text", "long"):
        return written.replace("\r\n", "\n")
    if field.kind == "choice":
        if not (written.isascii() and written.isdecimal()) or int(written) >= len(field.choices):
            raise NotArguments("Choose one of these")
        return json.loads(field.choices[int(written)])
    if field.kind == "json":
        return _json(written)
    return _plain(field.kind, written)


_PLAIN: dict[Kind, tuple[type, str]] = {
    "flag": (bool, "Choose yes or no"),
    "integer": (int, "Write a whole number"),
    "number": (float, "Write a number"),
}


def _plain(kind: Kind, written: str) -> Any:
    wanted, otherwise = _PLAIN[kind]
    try:
        value = _json(written)
    except NotArguments:
        raise NotArguments(otherwise) from None
    is_whole = type(value) is int and kind == "number"
    if type(value) is not wanted and not is_whole:
        raise NotArguments(otherwise)
    return value


def _json(written: str) -> Any:
    try:
        return json.loads(written, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotArguments('This is not JSON; text stands in quotes: "so"') from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
