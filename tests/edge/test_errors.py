"""The error table and its documentation say the same, in both directions."""

import ast
import re
from http import HTTPStatus
from pathlib import Path

import pytest

from edge.errors import Errors, refusal

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "errors.md").read_text()
_ROW = re.compile(r"\| `(\w+)` \| (\d{3}) \| (client|edge|upstream) \| ([^|]+) \| ([^|]+) \|")
RENAMED = {413: "Content Too Large", 414: "URI Too Long"}
"""As RFC 9110 has them, also where `HTTPStatus` is older."""
_MCP_ROW = re.compile(r"\| `(\w+)` \| (\d{3}) \| ([^|]+) \|")


def test_every_error_has_a_row_and_every_row_an_error_in_the_order_of_their_status() -> None:
    rows = [
        (code, int(status), fault)
        for code, status, fault, _, _ in (
            m.groups() for m in map(_ROW.fullmatch, DOCS.split("\n")) if m
        )
    ]
    table = [(error.value.code, error.value.status, error.value.fault) for error in Errors]
    assert sorted(rows) == sorted(table)
    assert [status for _, status, _ in rows] == sorted(status for _, status, _ in rows)


@pytest.mark.parametrize("error", Errors, ids=lambda error: error.name)
def test_an_error_is_named_as_its_code_and_says_a_sentence(error: Errors) -> None:
    kind = error.value
    assert error.name == kind.code.upper()
    assert kind.phrase == RENAMED.get(kind.status, HTTPStatus(kind.status).phrase)
    assert (kind.fault == "client") is (kind.status < 500 or kind.status == 508)
    assert kind.text.endswith(".") or error is Errors.UNAUTHORIZED


def test_codes_are_unique_and_statuses_those_of_the_contract() -> None:
    codes = [error.value.code for error in Errors]
    assert len(codes) == len(set(codes))
    assert {error.value.code: error.value.status for error in Errors} == {
        "bad_request": 400,
        "unauthorized": 401,
        "forbidden": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "request_timeout": 408,
        "body_too_large": 413,
        "uri_too_long": 414,
        "rate_limited": 429,
        "headers_too_large": 431,
        "internal": 500,
        "upstream_unreachable": 502,
        "upstream_invalid": 502,
        "overloaded": 503,
        "circuit_open": 503,
        "draining": 503,
        "store_unavailable": 503,
        "upstream_timeout": 504,
        "loop_detected": 508,
    }


def test_what_the_mcp_endpoint_adds_is_documented_and_nothing_else() -> None:
    documented = {
        (m[1], int(m[2])) for m in map(_MCP_ROW.fullmatch, DOCS.split("\n")) if m is not None
    }
    known = {(error.value.code, error.value.status) for error in Errors}
    assert _rejections() - known == documented


def _rejections() -> set[tuple[str, int]]:
    """Code and status of every answer that the bridge makes itself, as its source names them."""
    found = set()
    for file in sorted((ROOT / "mcp_bridge").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            is_rejection = (
                isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Rejection"
            )
            said = node.args if is_rejection else getattr(node, "elts", [])
            match [getattr(part, "value", None) for part in said[:2]]:
                case [int(status), str(code)]:
                    found.add((code, status))
    assert found
    return found


def test_a_refusal_says_its_kinds_text_unless_it_knows_better() -> None:
    assert refusal(Errors.NOT_FOUND).message == Errors.NOT_FOUND.value.text
    assert refusal(Errors.NOT_FOUND, "Look elsewhere.").message == "Look elsewhere."
    known = refusal(Errors.NOT_FOUND, reason="for the log")
    assert known == refusal(Errors.NOT_FOUND)
