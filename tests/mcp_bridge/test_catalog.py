"""A deployment's tools: the project file over the document, and who sees what."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.catalog import Catalog, build
from mcp_bridge.requests import build as request
from mcp_bridge.specs import ToolSpec
from mcp_bridge.tools import Tool
from mcp_bridge.validation import Validator
from tests.mcp_bridge.serving import SHOP, document, principal


def names(catalog: Catalog) -> list[str]:
    return [tool.name for tool in catalog.tools]


def one(spec: ToolSpec, data: bytes | None = SHOP) -> Tool:
    return build(data, [spec]).entries[spec.name].tool


def test_no_document_and_no_tools_is_an_empty_list() -> None:
    catalog = build(None)
    assert (catalog.tools, catalog.warnings, catalog.problem) == ((), (), None)


def test_a_spec_dresses_the_operation_it_names() -> None:
    tool = one(
        ToolSpec(
            "order",
            operation_id="getOrder",
            description="d" * 2000,
            title="An order",
            annotations={"openWorldHint": False, "unknown": 1, "readOnlyHint": "yes"},
            icons=({"src": "https://x.test/i.png", "sizes": 7, "x": 1}, {"no": "src"}),
            timeout=5000,
        )
    )
    assert tool.operation.path == "/orders/{id}"
    assert len(tool.description) == 1024
    assert tool.title == "An order"
    assert tool.icons == ({"src": "https://x.test/i.png"},)
    assert tool.timeout == 5000
    assert tool.annotations == {
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": False,
    }
    assert names(build(SHOP, [ToolSpec("order", operation_id="getOrder")])) == [
        "createOrder",
        "order",
    ]


def test_a_spec_by_method_and_path_stands_for_the_documents_operation() -> None:
    tool = one(ToolSpec("order", method="get", path="/orders/:id"))
    assert [item.name for item in tool.operation.parameters] == ["id", "X-Note", "limit"]


def test_a_tool_of_its_own_fills_path_then_query_or_body() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "q": {"type": "array"}},
    }
    arguments = {"id": "a b", "q": [1, 2]}
    got = request(one(ToolSpec("t", method="GET", path="/x/:id", input_schema=schema)), arguments)
    assert (got.target, got.body) == (b"/x/a%20b?q=1&q=2", None)
    sent = request(
        one(ToolSpec("t", method="POST", path="/x/{id}", input_schema=schema)), arguments
    )
    assert (sent.target, sent.body) == (b"/x/a%20b", b'{"q":[1,2]}')


def test_a_tool_of_its_own_without_schema_asks_for_its_path() -> None:
    tool = one(ToolSpec("t", method="GET", path="/x/{id}"), None)
    assert tool.input_schema["required"] == ["id"]


def test_a_schema_of_the_project_file_replaces_the_generated_one() -> None:
    schema = {"type": "object", "properties": {"id": {"enum": ["1", "2"]}}, "required": ["id"]}
    tool = one(ToolSpec("order", operation_id="getOrder", input_schema=schema))
    assert tool.input_schema == schema
    assert request(tool, {"id": "2"}).target == b"/orders/2"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ToolSpec("missing"), "no operation 'missing'"),
        (ToolSpec("t", operation_id="nope"), "no operation 'nope'"),
        (ToolSpec("tool.name", method="GET", path="/x"), "name"),
        (ToolSpec("t", method="GET", path="x"), "start with /"),
        (ToolSpec("t", method="GET", path="/a/../b"), "dot segment"),
        (ToolSpec("t", method="GET", path="/x", input_schema={"type": "array"}), "object"),
        (
            ToolSpec("t", method="GET", path="/x", input_schema={"$ref": "https://x.test"}),
            "fetched",
        ),
        (ToolSpec("t", method="GET", path="/x", input_schema={"pattern": "("}), "regex"),
        (ToolSpec("t", method="GET", path="/x/{id}", input_schema={"type": "object"}), "'id'"),
    ],
)
def test_a_bad_tool_is_left_out_with_a_warning_and_never_the_list(
    spec: ToolSpec, said: str
) -> None:
    catalog = build(SHOP, [spec])
    assert names(catalog) == ["createOrder", "getOrder"]
    [warning] = catalog.warnings
    assert warning.tool == spec.name
    assert said in warning.message


def test_a_tool_kept_out_of_mcp_is_hidden_but_known() -> None:
    catalog = build(SHOP, [ToolSpec("getOrder", mcp=False, public=True)])
    assert names(catalog) == ["createOrder"]
    assert [(tool.name, tool.public) for tool in catalog.hidden] == [("getOrder", True)]


def test_a_name_of_the_project_file_wins_over_the_documents() -> None:
    catalog = build(SHOP, [ToolSpec("getOrder", method="GET", path="/mine")])
    assert catalog.entries["getOrder"].tool.operation.path == "/mine"
    assert len(catalog.tools) == 3


ROUTES = document(
    {
        "/send-email": {"post": {"summary": "Send"}, "get": {}},
        "/read-inbox": {"get": {"summary": "Read"}},
        "/get-html-page": {"put": {}},
        "/two-ways": {"get": {}, "delete": {}},
    }
)


@pytest.mark.parametrize(
    ("key", "method", "path"),
    [
        ("sendEmail", "POST", "/send-email"),
        ("send_email", "POST", "/send-email"),
        ("send-email", "POST", "/send-email"),
        ("readInbox", "GET", "/read-inbox"),
        ("getHTMLPage", "PUT", "/get-html-page"),
        ("get_read-inbox", "GET", "/read-inbox"),
    ],
)
def test_a_key_of_the_project_file_names_the_route_that_an_app_gives_it(
    key: str, method: str, path: str
) -> None:
    tool = one(ToolSpec(key), ROUTES)
    assert (tool.name, tool.operation.method, tool.operation.path) == (key, method, path)
    assert len(build(ROUTES, [ToolSpec(key)]).tools) == len(build(ROUTES).tools)


def test_a_route_of_several_methods_without_post_asks_for_the_method() -> None:
    [warning] = build(ROUTES, [ToolSpec("twoWays")]).warnings
    assert "/two-ways has several operations (GET, DELETE)" in warning.message


PUBLIC = build(SHOP, [ToolSpec("createOrder", public=False), ToolSpec("getOrder", public=True)])
PLAIN = build(SHOP)


@pytest.mark.parametrize(
    ("catalog", "scopes", "public", "expected"),
    [
        (PLAIN, None, False, []),
        (PLAIN, None, True, ["createOrder", "getOrder"]),
        (PLAIN, (), False, ["createOrder", "getOrder"]),
        (PLAIN, ("mcp",), False, ["createOrder", "getOrder"]),
        (PLAIN, ("tool:getOrder",), False, ["getOrder"]),
        (PLAIN, ("tool:getOrder", "http"), False, ["getOrder"]),
        (PLAIN, ("http",), False, []),
        (PLAIN, ("tool:getOrder",), True, ["createOrder", "getOrder"]),
        (PUBLIC, None, True, ["getOrder"]),
        (PUBLIC, None, False, ["getOrder"]),
        (PUBLIC, (), True, ["createOrder", "getOrder"]),
        (PUBLIC, ("http",), True, ["getOrder"]),
    ],
)
def test_what_a_caller_sees_is_what_it_may_call(
    catalog: Catalog, scopes: tuple[str, ...] | None, public: bool, expected: list[str]
) -> None:
    caller = None if scopes is None else principal(scopes=scopes)
    assert [tool.name for tool in catalog.visible(caller, public)] == expected
    for name in ("createOrder", "getOrder", "nothing"):
        assert (catalog.find(name, caller, public) is not None) == (name in expected)


@given(st.integers(0, 40), st.data())
def test_pages_hold_every_tool_once_in_order(count: int, data: st.DataObject) -> None:
    catalog = build(document({f"/p{number:03}": {"get": {}} for number in range(count)}))
    shown: list[str] = []
    cursor = None
    while True:
        page = catalog.page(catalog.tools, cursor, limit=data.draw(st.integers(1, 9)))
        shown += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert shown == names(catalog)


def test_a_page_is_at_most_four_mebibytes() -> None:
    big = {
        "get": {"parameters": [{"name": "a", "in": "query", "schema": {"title": "x" * 200_000}}]}
    }
    catalog = build(document({f"/p{number}": big for number in range(4)}, openapi="3.1.0"))
    page = catalog.page(catalog.tools, None, size=450_000)
    assert len(page.tools) == 2
    assert page.next_cursor is not None


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "MTpnZXQ=\n", "MjphYmM", "MTphLmI"])
def test_a_cursor_of_others_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        PLAIN.page(PLAIN.tools, cursor)


def test_the_digest_changes_with_what_is_listed() -> None:
    assert build(SHOP).digest == PLAIN.digest
    assert PUBLIC.digest != PLAIN.digest
    assert build(SHOP, [ToolSpec("getOrder", description="new")]).digest != PLAIN.digest


def test_a_pattern_of_exponential_cost_is_bounded() -> None:
    validator = Validator({"type": "string", "pattern": r"^(a|a)*(?=b)$"})
    assert validator.violations("a" * 5000) != []


def test_violations_name_their_place_and_stay_short() -> None:
    schema = {
        "type": "object",
        "properties": {"a b": {"type": "array", "items": {"required": ["x"]}}},
        "additionalProperties": False,
    }
    found = Validator(schema).violations({"a b": [{}], "y" * 1000: 1})
    assert any(text.startswith("$['a b'][0]: ") for text in found)
    assert all(len(text) < 500 for text in found)
    assert len(Validator({"items": {"type": "string"}}).violations([1] * 100)) == 10
