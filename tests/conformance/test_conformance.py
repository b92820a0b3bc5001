"""The official MCP conformance suite through a whole edge, with the token check on."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_bridge.revisions import is_stateless
from tests.conformance import listing
from tests.conformance.conftest import SAID
from tests.conformance.suite import REQUIREMENTS, REVISIONS, Outcome, Suite
from tests.conformance.targets import Target

CHECKS = {"2025-03-26": 3, "2025-06-18": 56, "2025-11-25": 84, "2026-07-28": 152}
"""How many checks the suite makes of a server that has all it asks for."""

EXTENSION = "extension"
NEWEST = REVISIONS[-1]
"""The revision that is tried every day; the others are with the slow tests."""

EACH = [pytest.param(each, marks=() if each == NEWEST else pytest.mark.slow) for each in REVISIONS]
LISTED = listing.read(listing.TOOLS.read_text("utf-8"))
ACROSS = listing.read(listing.BRIDGE.read_text("utf-8"))

Record = Callable[[str, Any], None]

pytestmark = pytest.mark.timeout(300)


def count(record: Record, target: str, run: str, outcomes: dict[str, Outcome]) -> int:
    """Note how many checks passed, for the end of the run."""
    passed = sum(each.passed for each in outcomes.values())
    made = sum(each.made for each in outcomes.values())
    record(SAID, f"{target:<16} {run:<24} {passed} of {made}")
    return passed


def complaints(outcomes: dict[str, Outcome]) -> list[str]:
    """Every check that did not pass."""
    return [
        f"{each.scenario}:{check.id}: {check.status} {check.message}"
        for each in outcomes.values()
        for check in each.complaints
    ]


@pytest.mark.parametrize("revision", EACH)
def test_every_check_passes_through_to_an_mcp_server(
    suite: Suite, pass_through: Target, folder: Path, record_property: Record, revision: str
) -> None:
    words = ("--suite", "all", "--spec-version", revision)
    outcomes = suite.run(pass_through.url, folder, *words)

    passed = count(record_property, "pass-through", revision, outcomes)
    assert complaints(outcomes) == []
    assert passed == CHECKS[revision]


@pytest.mark.slow
@pytest.mark.parametrize("revision", REQUIREMENTS)
def test_what_a_revision_requires_passes_through(
    suite: Suite, pass_through: Target, folder: Path, record_property: Record, revision: str
) -> None:
    required = suite.required(revision)
    outcomes = suite.run(pass_through.url, folder, "--requirements", revision)

    scored = {name: each for name, each in outcomes.items() if name in required}
    count(record_property, "pass-through", f"{revision} requirements", scored)
    assert scored.keys() == required
    assert complaints(scored) == []


@pytest.mark.parametrize("revision", EACH)
def test_a_functions_tools_do_as_listed(
    suite: Suite, tools: Target, folder: Path, record_property: Record, revision: str
) -> None:
    outcomes = suite.run(tools.url, folder, "--suite", "all", "--spec-version", revision)

    count(record_property, "tools", revision, outcomes)
    assert listing.problems(LISTED, revision, outcomes) == []


@pytest.mark.slow
@pytest.mark.parametrize("revision", REQUIREMENTS)
def test_what_a_revision_requires_of_a_functions_tools_is_as_listed(
    suite: Suite, tools: Target, folder: Path, record_property: Record, revision: str
) -> None:
    required = suite.required(revision)
    outcomes = suite.run(tools.url, folder, "--requirements", revision)

    scored = {name: each for name, each in outcomes.items() if name in required}
    count(record_property, "tools", f"{revision} requirements", scored)
    assert scored.keys() == required
    lines = [line for line in listing.at(LISTED, revision) if line.scenario in required]
    assert listing.problems(tuple(lines), revision, scored) == []


@pytest.mark.slow
def test_extensions_of_a_functions_tools_are_as_listed(
    suite: Suite, tools: Target, folder: Path, record_property: Record
) -> None:
    extensions = listing.scenarios(listing.at(LISTED, EXTENSION)).keys()
    outcomes = suite.run(tools.url, folder, "--suite", "all")

    others = {name: each for name, each in outcomes.items() if name in extensions}
    count(record_property, "tools", "extensions", others)
    assert listing.problems(LISTED, EXTENSION, others) == []


@pytest.mark.slow
@pytest.mark.parametrize("revision", REVISIONS)
def test_the_edges_own_address_does_as_a_functions_does(
    suite: Suite, edge_wide: Target, folder: Path, record_property: Record, revision: str
) -> None:
    outcomes = suite.run(edge_wide.url, folder, "--suite", "all", "--spec-version", revision)

    count(record_property, "edge-wide", revision, outcomes)
    assert listing.problems(LISTED, revision, outcomes) == []


@pytest.mark.slow
@pytest.mark.parametrize("revision", REVISIONS)
def test_a_server_of_the_other_era_that_is_spoken_for_does_as_listed(
    request: pytest.FixtureRequest,
    suite: Suite,
    folder: Path,
    record_property: Record,
    revision: str,
) -> None:
    server = "before_handshake" if is_stateless(revision) else "before_stateless"
    target: Target = request.getfixturevalue(server)
    outcomes = suite.run(target.url, folder, "--suite", "all", "--spec-version", revision)

    count(record_property, server, revision, outcomes)
    assert listing.problems(ACROSS, revision, outcomes) == []


@pytest.mark.slow
def test_the_listings_name_every_scenario_at_every_revision(suite: Suite) -> None:
    known = {name: set(revisions) for name, revisions in suite.scenarios().items()}
    of_revisions = {name: each for name, each in known.items() if each != {EXTENSION}}

    assert listing.scenarios(LISTED) == known
    assert listing.scenarios(ACROSS) == of_revisions
    assert {revision for each in known.values() for revision in each} == {*REVISIONS, EXTENSION}


@pytest.mark.parametrize(
    "target",
    [
        "tools",
        "pass_through",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("edge_wide", "before_handshake", "before_stateless")
        ),
    ],
)
@pytest.mark.parametrize("field", [{}, {"X-Jelou-Token": "jfn_rt_" + "0" * 32 + "2Freyo"}])
def test_what_the_suite_is_run_against_serves_nobody_without_the_token(
    request: pytest.FixtureRequest, target: str, field: dict[str, str]
) -> None:
    reached: Target = request.getfixturevalue(target)
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    asked = urllib.request.Request(reached.bare, ping, headers | field)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)
    with refused.value:
        assert refused.value.code == 401
