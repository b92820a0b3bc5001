"""`docs/architecture.md` names files that there are, every outcome, and every dependency."""

import re
from typing import get_args

import pytest

from edge.gate.decisions import Decision
from mcp_bridge.judging import Outcome
from tests.docs.pages import ROOT, codes, page, prose, rows
from tests.test_architecture import OWNERS

PAGE = page("architecture.md")
FILES = sorted(
    {code for code in codes(prose(PAGE)) if re.fullmatch(r"[\w/]+\.py", code)}
    | {code for code in codes(prose(PAGE)) if re.fullmatch(r"[\w/]+/", code)}
)
PLACES = ("", "edge", "mcp_bridge", "tokens", "edge/*")
FIRST = {name for cells in rows(PAGE) for name in codes(cells[0])}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_named_exists(file: str) -> None:
    assert any(list(ROOT.glob(f"{place}/{file}".lstrip("/"))) for place in PLACES)


def test_every_decision_and_every_outcome_has_its_row() -> None:
    named = {each.__name__ for each in (*get_args(Decision), *get_args(Outcome))}
    indented = set(re.findall(r"^   \| (`.+?`) \|", PAGE, re.MULTILINE))
    assert named <= {name for cell in indented for name in codes(cell)}


def test_every_package_that_a_module_names_is_explained() -> None:
    packages = {package.replace("_", "-") for package in OWNERS} - {"sqlite3", "mcp-types"}
    assert packages <= FIRST
