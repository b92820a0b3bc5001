"""`docs/security.md` and `docs/reliability.md`: every promise names a test that is there."""

import ast
import re
from functools import cache

import pytest

from edge.admin.codec import LARGEST
from edge.admin.failed_logins import A_MINUTE
from edge.audit.record import EVENTS
from edge.audit.store import HEAD
from tests.docs.pages import ROOT, codes, page, prose, rows
from tokens.model import ACCESS_SCOPES

HEADINGS = ["promise", "test", "how hard it was tried", "result"]
PROMISES = [
    (name, cells)
    for name in ("security.md", "reliability.md")
    for cells in rows(page(name).partition("| promise | test |")[2])
    if len(cells) == len(HEADINGS) and set(cells[0]) != {"-"}
]
TESTS = sorted(
    {code for _, cells in PROMISES for code in codes(cells[1]) if code.startswith("tests/")}
)


@cache
def names(path: str) -> set[str]:
    """The functions and classes of a file of tests."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("name", ["security.md", "reliability.md"])
def test_the_page_has_its_table(name: str) -> None:
    assert f"| {' | '.join(HEADINGS)} |" in page(name)
    assert len([cells for found, cells in PROMISES if found == name]) >= 20


@pytest.mark.parametrize(("name", "cells"), PROMISES, ids=lambda value: value[0][:60])
def test_a_promise_says_what_holds_it_and_what_came_of_it(name: str, cells: list[str]) -> None:
    assert all(cells), f"{name}: an empty cell beside {cells[0]}"
    assert codes(cells[1]), f"{name}: {cells[0]} names no test"


@pytest.mark.parametrize("test", TESTS)
def test_a_test_that_is_named_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert (ROOT / path).exists()
    assert not name or name in names(path)


def test_what_the_management_api_refuses_is_as_the_page_says() -> None:
    section = page("security.md").partition("## The management API")[2].partition("\n## ")[0]
    assert f"more than {A_MINUTE} failures a minute" in section
    assert f"{LARGEST // 1024 // 1024} MiB" in section


def test_every_event_and_scope_is_documented() -> None:
    cli = page("cli.md")
    trail = prose(cli.partition("### `jelou audit`")[2].partition("\n## ")[0])
    told = {code for code in codes(trail) if re.fullmatch(r"[a-z_]+\.[a-z_]+", code)}
    assert told == set(EVENTS)
    scopes = cli.partition("| scope | |")[2].partition("\n\n")[0]
    assert {codes(cells[0])[0] for cells in rows(scopes) if codes(cells[0])} == set(ACCESS_SCOPES)
    assert HEAD in page("security.md")
