"""OpenAPI documents: a catalog comes of every one, and what is in it is legal."""

from mcp_bridge.catalog import MAX_TOOL_SIZE, Catalog, build
from mcp_bridge.document import MAX_DESCRIPTION
from mcp_bridge.jsontext import dump
from mcp_bridge.listing import shown
from mcp_bridge.names import is_legal
from mcp_bridge.openapi import MAX_TITLE

WORDS = (
    b"openapi", b"3.0.3", b"3.1.0", b"3.2.0", b"info", b"title", b"version", b"paths", b"servers",
    b"url", b"variables", b"default", b"/a/{id}", b"/{a}{b}", b"//", b"/%2e%2e", b"get", b"put",
    b"post", b"delete", b"patch", b"head", b"options", b"trace", b"operationId", b"summary",
    b"description", b"parameters", b"name", b"in", b"path", b"query", b"header", b"cookie",
    b"required", b"schema", b"style", b"explode", b"simple", b"label", b"matrix", b"form",
    b"spaceDelimited", b"pipeDelimited", b"deepObject", b"allowReserved", b"content",
    b"requestBody", b"application/json", b"multipart/form-data",
    b"application/x-www-form-urlencoded", b"text/plain", b"encoding", b"contentType", b"responses",
    b"200", b"2XX", b"components", b"schemas", b"$ref", b"#/components/schemas/A", b"#/paths",
    b"https://x.example/a.json", b"type", b"object", b"array", b"string", b"integer", b"null",
    b"nullable", b"properties", b"additionalProperties", b"items", b"anyOf", b"oneOf", b"allOf",
    b"not", b"enum", b"const", b"pattern", b"(a+)+$", b"$defs", b"$id", b"$anchor", b"$dynamicRef",
    b"discriminator", b"readOnly", b"writeOnly", b"format", b"example",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes as a function's document."""
    catalog = build(data)
    assert list(catalog.entries) == sorted(catalog.entries)
    assert (catalog.problem is None) or not catalog.entries
    for name, entry in catalog.entries.items():
        tool = entry.tool
        assert tool.name == name
        assert is_legal(name)
        assert len(name) <= 64
        assert len(tool.description) <= MAX_DESCRIPTION
        assert len(tool.title or "") <= MAX_TITLE
        assert tool.input_schema["type"] == "object"
        assert tool.operation.path.startswith("/")
        assert entry.size <= MAX_TOOL_SIZE
        dump(shown(tool))
        for value in ({}, {"id": [1, {"a": None}]}):
            assert all(said.startswith("$") for said in entry.arguments.violations(value))
    assert all(warning.message for warning in catalog.warnings)
    _check_pages(catalog)


def _check_pages(catalog: Catalog) -> None:
    """Pages of two tools hold each tool once."""
    names, cursor = [], None
    while True:
        page = catalog.page(catalog.tools, cursor, limit=2)
        names += [tool.name for tool in page.tools]
        if page.next_cursor is None:
            assert names == list(catalog.entries)
            return
        cursor = page.next_cursor
