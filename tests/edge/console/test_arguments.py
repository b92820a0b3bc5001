"""Forms of tools: what is asked for, and which arguments what was written makes."""

from typing import Any

import pytest

from edge.admin.errors import AdminError
from edge.console import forms
from edge.console.arguments import MOST, NotArguments, fields, filled, from_json

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "count"],
    "$defs": {"Size": {"enum": ["S", "L", 3]}},
    "properties": {
        "note": {"type": "string", "maxLength": 5000},
        "name": {"type": "string", "example": "book"},
        "count": {"type": "integer"},
        "price": {"type": "number"},
        "size": {"$ref": "#/$defs/Size"},
        "paid": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        "tags": {"type": "array"},
        "any": True,
    },
}


def written(**values: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The problems by field, and the arguments."""
    form = {f"arg.{name}": value for name, value in values.items()}
    shown, arguments = filled(fields(SCHEMA), form)
    return {each.name: each.problem for each in shown if each.problem}, arguments


def test_each_argument_is_asked_for_in_its_own_way_what_is_needed_first() -> None:
    asked = {each.name: each.kind for each in fields(SCHEMA)}
    assert list(asked)[:2] == ["name", "count"]
    assert asked == {
        "name": "text",
        "count": "integer",
        "note": "long",
        "price": "number",
        "size": "choice",
        "paid": "flag",
        "tags": "json",
        "any": "json",
    }
    assert fields(SCHEMA)[0].value == "book"


def test_what_is_written_is_sent_as_its_type_and_what_is_not_is_left_out() -> None:
    problems, arguments = written(
        name="a <b>", count="3", price="1", size="2", paid="false", tags='["x"]', note=""
    )
    assert not problems
    assert arguments == {
        "name": "a <b>",
        "count": 3,
        "price": 1,
        "size": 3,
        "paid": False,
        "tags": ["x"],
    }


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"count": "three"}, "Write a whole number"),
        ({"count": "1.5"}, "Write a whole number"),
        ({"count": "true"}, "Write a whole number"),
        ({"count": ""}, "This is needed"),
        ({"price": "NaN"}, "Write a number"),
        ({"price": '"1"'}, "Write a number"),
        ({"size": "3"}, "Choose one of these"),
        ({"size": "-1"}, "Choose one of these"),
        ({"paid": "yes"}, "Choose yes or no"),
        ({"tags": "x"}, "This is not JSON"),
        ({"tags": "[" * 100_000}, "This is not JSON"),
    ],
)
def test_what_cannot_be_sent_is_said_at_its_field(values: dict[str, str], problem: str) -> None:
    problems, _ = written(**{"name": "n", "count": "1", **values})
    assert [each.startswith(problem) for each in problems.values()] == [True]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": []},
        {"properties": {"a": {"$ref": "#/$defs/none"}}},
        {"properties": {"a": {"$ref": 3, "enum": {}, "type": ["x", "y"]}}},
        {"properties": {"a": {"anyOf": [3, {"type": "null"}]}}, "required": "a"},
        {"properties": {"a": {"type": {"x": 1}, "examples": []}}},
        {"properties": {f"a{each}": {} for each in range(MOST + 1)}},
    ],
)
def test_odd_schemas_still_make_a_form(schema: dict[str, Any]) -> None:
    assert all(each.kind == "json" for each in fields(schema))


def test_arguments_as_json_are_an_object() -> None:
    assert from_json("") == {}
    for text in ("[]", "{", '{"a": NaN}', "[" * 100_000):
        with pytest.raises(NotArguments):
            from_json(text)


def test_forms_have_limits() -> None:
    with pytest.raises(AdminError):
        forms.parsed(b"&".join(b"a=1" for _ in range(forms.MOST_FIELDS + 1)))
    assert forms.parsed(b"a=%FF&a=2&b") == {"a": "2", "b": ""}
    with pytest.raises(AdminError):
        forms.text({"name": "x" * 11}, "name", 10)
    with pytest.raises(AdminError):
        forms.whole({"before": "-1"}, "before")
    with pytest.raises(AdminError):
        forms.chosen({"expires": "tomorrow"}, "expires", {"never": None})
