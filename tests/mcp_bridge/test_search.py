"""Search mode: the right tools first, none that the caller may not call, the same every time."""

import json
from typing import Any

import pytest
from mcp_types.methods import validate_server_result

from mcp_bridge.catalog import Catalog, build
from mcp_bridge.revisions import HANDSHAKE, STATELESS
from mcp_bridge.search import (
    CALL,
    FIND,
    MAX_FOUND,
    SEARCH_TOOLS,
    Call,
    Search,
    collisions,
    unwrap,
    violations,
)
from tests.mcp_bridge.serving import document, principal


def operation(name: str, summary: str, description: str = "") -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "description": description or summary}


CATALOG = build(
    document(
        {
            "/invoices": {
                "get": operation("listInvoices", "List invoices", "Every invoice of a customer."),
                "post": operation("createInvoice", "Create an invoice"),
            },
            "/invoices/{id}/refunds": {"post": operation("refundInvoice", "Refund an invoice")},
            "/customers": {"get": operation("listCustomers", "List customers")},
            "/customers/{id}": {"delete": operation("deleteCustomer", "Delete a customer")},
        }
    )
)


def found(
    query: str, *scopes: str, limit: int = 8, catalog: Catalog = CATALOG, public: bool = False
) -> list[str]:
    result = Search().find(
        catalog, principal(scopes=scopes), public, {"query": query, "limit": limit}, STATELESS[0]
    )
    names = [tool["name"] for tool in result["structuredContent"]["tools"]]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    return names


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("refund", "refundInvoice"),
        ("give a REFUND for an invoice", "refundInvoice"),
        ("create invoices", "createInvoice"),
        ("a list of all customers", "listCustomers"),
        ("delete customer", "deleteCustomer"),
        ("refu", "refundInvoice"),
        ("createInvoice", "createInvoice"),
    ],
)
def test_the_best_match_comes_first(query: str, first: str) -> None:
    assert found(query)[0] == first


def test_what_matches_nothing_is_not_shown() -> None:
    assert found("weather") == []
    assert found("!?") == []


def test_a_token_finds_only_what_it_may_call() -> None:
    assert found("invoice", "tool:listInvoices", "tool:deleteCustomer") == ["listInvoices"]
    assert found("invoice", "http") == []


def test_a_limit_cuts_after_the_best() -> None:
    assert found("invoice", limit=1) == found("invoice")[:1]


def test_large_tools_are_shown_until_the_answer_is_full() -> None:
    body = {"content": {"application/json": {"schema": {"type": "object", "title": "x" * 200_000}}}}
    paths = {f"/thing{n}": {"post": {"requestBody": body}} for n in range(9)}
    names = found("thing", catalog=build(document(paths)))
    assert 0 < len(names) * 200_000 < MAX_FOUND


@pytest.mark.parametrize("revision", [*HANDSHAKE, *STATELESS])
def test_every_revision_takes_the_two_tools_and_the_result(revision: str) -> None:
    hints = {"ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
    validate_server_result("tools/list", revision, {"tools": list(SEARCH_TOOLS), **hints})
    result = Search().find(CATALOG, principal(), False, {"query": "invoice"}, revision)
    validate_server_result("tools/call", revision, {**result, "resultType": "complete"})
    assert ("structuredContent" in result) == (revision >= "2025-06-18")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (FIND, {}, "query"),
        (FIND, {"query": ""}, "$.query"),
        (FIND, {"query": "x" * 501}, "$.query"),
        (FIND, {"query": "x", "limit": 51}, "$.limit"),
        (FIND, {"query": "x", "more": 1}, "more"),
        (CALL, {"arguments": {}}, "name"),
        (CALL, {"name": "x", "arguments": []}, "$.arguments"),
    ],
)
def test_bad_arguments_are_told_with_their_place(
    name: str, arguments: dict[str, Any], said: str
) -> None:
    [violation] = violations(name, arguments)
    assert said in violation


def test_a_call_holds_a_name_and_arguments() -> None:
    assert violations(CALL, {"name": "refundInvoice"}) == []
    assert unwrap({"name": "refundInvoice"}) == Call("refundInvoice", {})
    assert unwrap({"name": "x", "arguments": {"id": 1}}) == Call("x", {"id": 1})


def test_a_tool_of_a_name_that_search_mode_takes_is_told() -> None:
    catalog = build(document({"/a": {"get": operation("find_tools", "Finds hammers")}}))
    [warning] = collisions(catalog)
    assert warning.tool == FIND
    assert CALL in warning.message
    assert collisions(CATALOG) == ()
