"""What clients would refuse in a schema: put right where it can be, held against the SDK's rule."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.inbound import find_invalid_x_mcp_header

from mcp_bridge.legality import (
    is_explosive,
    with_legal_headers,
    with_object_properties,
)
from mcp_bridge.listing import refusals
from mcp_bridge.tools import Operation, Tool

HEADERS = st.sampled_from(["A", "a", "B", "Region", "no good", "", 7, None])
TYPES = st.sampled_from(["string", "integer", "boolean", "number", "object", ["string"], None])


def annotated(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(st.sampled_from(["p", "q", "x-mcp-header", "items"]), below)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES,
            "x-mcp-header": HEADERS,
            "properties": properties,
            "items": below,
            "anyOf": st.lists(below, max_size=2),
            "$defs": properties,
            "dependentSchemas": properties,
            "default": st.just({"x-mcp-header": "data"}),
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), annotated, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(annotated(SCHEMAS))
def test_what_is_left_of_headers_is_what_the_sdk_accepts(schema: dict[str, Any]) -> None:
    legal, told = with_legal_headers(schema)
    assert find_invalid_x_mcp_header(legal) is None
    assert bool(told) == (find_invalid_x_mcp_header(schema) is not None)
    assert told or legal == schema


def test_a_legal_header_stays() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "integer", "x-mcp-header": "A"}}}
    schema = {"type": "object", "properties": {"o": inner}}
    assert with_legal_headers(schema) == (schema, [])


def test_boolean_properties_become_objects_of_the_same_meaning() -> None:
    schema = {"type": "object", "properties": {"any": True, "none": False, "s": {"type": "string"}}}
    made = with_object_properties(schema)
    assert made["properties"] == {"any": {}, "none": {"not": {}}, "s": {"type": "string"}}


def doubling(count: int, keyword: str) -> dict[str, Any]:
    names = [f"S{number}" for number in range(count)]
    following = pairwise(names)
    links = {name: {keyword: [{"$ref": f"#/$defs/{to}"}] * 2} for name, to in following}
    return {"$ref": "#/$defs/S0", "$defs": {**links, names[-1]: {}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (doubling(10, "allOf"), False),
        (doubling(40, "allOf"), True),
        (doubling(40, "oneOf"), True),
        (doubling(3000, "anyOf"), True),
        (doubling(40, "examples"), False),
        ({"properties": {"a": doubling(40, "allOf")}, **doubling(2, "allOf")}, False),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}]}}}, False),
        ({"$ref": "#/$defs/nowhere"}, False),
        ({}, False),
    ],
)
def test_definitions_that_double_each_other_are_noticed(
    schema: dict[str, Any], expected: bool
) -> None:
    assert is_explosive(schema) == expected


def test_a_refusal_names_the_tool_the_revision_and_why() -> None:
    def tool(name: str, schema: dict[str, Any]) -> Tool:
        return Tool(name, "", schema, Operation("GET", "/"))

    good = tool("good", {"type": "object"})
    bad = tool("bad", {"type": "object", "required": [7]})
    typeless = tool("typeless", {})
    found = refusals([good, bad, typeless])
    assert found.keys() == {"bad", "typeless"}
    assert found["bad"].startswith("MCP 2024-11-05 refuses it: inputSchema.required.0: ")
    assert "inputSchema.type" in found["typeless"]
