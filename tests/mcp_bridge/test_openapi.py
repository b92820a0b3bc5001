"""Documents that cannot be read at all, odd ones, and that a catalog comes of every one."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_bridge.catalog import MAX_CATALOG_SIZE, build
from mcp_bridge.document import MAX_DOCUMENT, DocumentError, load
from mcp_bridge.names import is_legal
from mcp_bridge.openapi import MAX_OPERATIONS, read
from tests.mcp_bridge.serving import document
from tests.mcp_bridge.test_documents import DOCUMENTS


@pytest.mark.parametrize(
    ("data", "line", "column", "said"),
    [
        (b'{"openapi": "3.1.0",\n  "paths": oops}', 2, 12, "not valid JSON"),
        (b"openapi: 3.1.0\ninfo:\n  title: x\n", 1, 1, "YAML"),
        (b"# a comment\nopenapi: 3.1.0\n", 1, 1, "YAML"),
        (b"[]", 1, 1, "not a JSON object"),
        (b'{"swagger": "2.0"}', 1, 1, "Swagger 2.0"),
        (b'{"info": {}}', 1, 1, '"openapi"'),
        (b'{"openapi": "4.0.0"}', 1, 1, "not supported"),
        (b'{"openapi": 3.1}', 1, 1, "not supported"),
        (b'{"openapi": "3.1.0", "paths": []}', 1, 1, '"paths" is not an object'),
        (b'{"openapi": "3.1.0", "x": ' + b"[" * 200 + b"]" * 200 + b"}", 1, 1, "deeper than 128"),
        (b"<html></html>", 1, 1, "not valid JSON"),
        (b"", 1, 1, "not valid JSON"),
    ],
)
def test_a_broken_document_is_told_with_its_place(
    data: bytes, line: int, column: int, said: str
) -> None:
    with pytest.raises(DocumentError, match=said) as raised:
        load(data)
    assert (raised.value.line, raised.value.column) == (line, column)
    catalog = build(data)
    assert catalog.tools == ()
    assert catalog.problem is not None
    assert said in catalog.warnings[0].message


def test_a_document_over_sixteen_mebibytes_is_refused() -> None:
    with pytest.raises(DocumentError, match="16777216"):
        load(b" " * (MAX_DOCUMENT + 1))


def test_a_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert read(b"\xef\xbb\xbf" + document({"/a": {"get": {}}})).candidates[0].path == "/a"


def test_operations_over_the_limit_are_left_out_with_a_warning() -> None:
    paths = {f"/p{n}": {"get": {}} for n in range(MAX_OPERATIONS + 5)}
    reading = read(document(paths))
    assert len(reading.candidates) == MAX_OPERATIONS
    assert "10000" in reading.warnings[0].message


def test_a_schema_over_the_limit_leaves_out_its_tool_alone() -> None:
    huge = {"type": "object", "description": "x" * 150_000}
    twice = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/B"}}}
    components = {"schemas": {"A": {**twice, "description": "y" * 150_000}, "B": huge}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    paths = {"/big": {"post": {"requestBody": body}}, "/small": {"get": {}}}
    catalog = build(document(paths, components=components))
    assert [tool.name for tool in catalog.tools] == ["get_small"]
    assert "262144" in catalog.warnings[0].message


def test_many_tools_that_share_a_large_schema_stay_within_the_limit() -> None:
    components = {"schemas": {"A": {"type": "object", "description": "x" * 200_000}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}
    paths = {f"/p{n}": {"post": {"requestBody": {"content": content}}} for n in range(200)}
    catalog = build(document(paths, components=components))
    assert sum(entry.size for entry in catalog.entries.values()) <= MAX_CATALOG_SIZE + 256 * 1024
    assert any("16 MiB" in warning.message for warning in catalog.warnings)


def test_a_trace_operation_is_left_out_with_a_warning() -> None:
    catalog = build(document({"/m": {"trace": {"operationId": "tracing"}, "get": {}}}))
    assert [tool.name for tool in catalog.tools] == ["get_m"]
    assert [(warning.tool, warning.message) for warning in catalog.warnings] == [
        ("TRACE /m", "left out: TRACE is never forwarded")
    ]


def test_a_description_is_cut_at_1024_characters() -> None:
    catalog = build(document({"/a": {"get": {"description": "x" * 5000}}}))
    assert len(catalog.tools[0].description) == 1024


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    for key, child in children:
        if isinstance(child, dict | list):
            found += places(child, (*path, key))
        else:
            found.append((*path, key))
    return found


ODD = st.sampled_from(
    [None, True, 0, -1.5, "", "x", "#", "#/", "#/paths", "http://x/y", [], [1], {}, {"$ref": 3}]
)
WHOLE = [json.loads(path.read_bytes()) for path in sorted(DOCUMENTS.glob("*.json"))]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_document_a_catalog_comes_of_it(data: st.DataObject) -> None:
    spoiled = copy.deepcopy(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(spoiled)[1:] or [("x",)]))
        holder = spoiled
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = copy.deepcopy(data.draw(ODD))
    catalog = build(json.dumps(spoiled).encode())
    names = [tool.name for tool in catalog.tools]
    assert names == sorted(set(names))
    assert all(is_legal(name) for name in names)
    for tool in catalog.tools:
        assert tool.input_schema["type"] == "object"
        assert catalog.entries[tool.name].arguments.violations({}) is not None
