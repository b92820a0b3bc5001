"""Large arguments that are wrong are refused at once: not every violation in them is sought."""

from typing import Any

import pytest

from mcp_bridge.jsontext import has_more_than
from mcp_bridge.validation import Validator

MANY = 1_000_000
TEXTS = {"items": {"type": "string"}}
CHOICES = {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
UNNAMED = ["$: it is not what the schema allows; so large, no place is named"]


@pytest.mark.parametrize(
    "schema",
    [
        TEXTS,
        CHOICES,
        {"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "null"}}]},
        {"items": {"oneOf": [{"minimum": 0}, {"minimum": 1}]}},
        {"items": {"not": {}}},
        {"items": {"if": {}, "then": {"minimum": 2}}},
    ],
)
def test_a_million_violations_cost_no_more_than_one(schema: dict[str, Any]) -> None:
    assert Validator(schema).violations([1] * MANY) == UNNAMED


@pytest.mark.parametrize("nested", [False, True])
def test_of_thousands_of_values_the_first_that_is_wrong_is_named(nested: bool) -> None:
    value: Any = ["x"] * 5_000 + [1, 2]
    schema: dict[str, Any] = TEXTS
    if nested:
        value, schema = {"a": value}, {"properties": {"a": TEXTS}}
    place = "$.a[5000]" if nested else "$[5000]"
    assert Validator(schema).violations(value) == [f'{place}: 1 is not of type "string"']
    assert Validator(CHOICES).violations(value if not nested else value["a"]) == UNNAMED


def test_of_hundreds_all_are_named_up_to_ten() -> None:
    assert len(Validator(TEXTS).violations([1] * 5 + ["x"] * 900)) == 5
    assert len(Validator(CHOICES).violations([1] * 500)) == 10


def test_good_values_are_good_whatever_their_size() -> None:
    assert Validator(TEXTS).violations(["x"] * MANY) == []
    assert Validator(CHOICES).violations([None] * MANY) == []


@pytest.mark.parametrize(
    ("value", "count"),
    [(7, 0), ("text", 0), ([], 0), ([1, 2], 2), ({"a": {"b": []}}, 2), ([[1], {"a": [2, 3]}], 6)],
)
def test_values_inside_a_value_are_counted_at_every_depth(value: Any, count: int) -> None:
    assert not has_more_than(value, count)
    assert count == 0 or has_more_than(value, count - 1)
