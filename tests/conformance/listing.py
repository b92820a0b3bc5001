"""What the suite is expected to find where not all that it asks for can be had.

`tools.txt`: a function's operations are the tools; `bridge.txt`: the edge speaks for an MCP server.

A listing is exact in both directions: what it says passes must pass, what it says is out of reach
must not, and what it does not name may not be there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.suite import Outcome

TOOLS = Path(__file__).with_name("tools.txt")
BRIDGE = Path(__file__).with_name("bridge.txt")
ON_THE_WIRE = "wire-schema-valid"
"""The check that every message of a scenario is one that MCP knows; it is never out of reach."""

_PASS = "pass"
_OUT_OF_REACH = "out of reach: "


class ListingError(Exception):
    """A line of the listing that cannot be read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        check: a check that is out of reach in a scenario that is not; empty: all of the scenario.
        revisions: those that the suite runs the scenario at, or `extension`.
        reason: why it is out of reach by nature; empty if it passes.
    """

    scenario: str
    check: str
    revisions: tuple[str, ...]
    reason: str


def read(text: str) -> tuple[Line, ...]:
    """The lines of a listing; blank ones and those that begin with `#` say nothing.

    Raises:
        ListingError: a line is malformed, stands there twice, or gives no reason.
    """
    lines = [_line(raw) for raw in text.splitlines() if raw.strip() and not raw.startswith("#")]
    names = [(line.scenario, line.check, revision) for line in lines for revision in line.revisions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ListingError(f"listed twice: {sorted(twice)}")
    return tuple(lines)


def _line(raw: str) -> Line:
    try:
        name, revisions, verdict = raw.split(None, 2)
    except ValueError:
        raise ListingError(f"not SCENARIO REVISIONS VERDICT: {raw}") from None
    scenario, _, check = name.partition(":")
    reason = verdict.removeprefix(_OUT_OF_REACH).strip()
    if verdict == _PASS and not check:
        reason = ""
    elif not verdict.startswith(_OUT_OF_REACH) or not reason:
        raise ListingError(f"neither {_PASS!r} nor {_OUT_OF_REACH!r} with a reason: {raw}")
    return Line(scenario, check, tuple(revisions.split(",")), reason)


def scenarios(lines: tuple[Line, ...]) -> dict[str, set[str]]:
    """The scenarios that are listed, each with its revisions."""
    listed: dict[str, set[str]] = {}
    for line in lines:
        if not line.check:
            listed.setdefault(line.scenario, set()).update(line.revisions)
    return listed


def at(lines: tuple[Line, ...], revision: str) -> tuple[Line, ...]:
    """The lines that speak of a revision."""
    return tuple(line for line in lines if revision in line.revisions)


def problems(lines: tuple[Line, ...], revision: str, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Where a run at one revision (or of the extensions) is not as listed."""
    here = at(lines, revision)
    listed = {line.scenario: line for line in here if not line.check}
    allowed: dict[str, set[str]] = {}
    for line in here:
        if line.check:
            allowed.setdefault(line.scenario, set()).add(line.check)
    found = [f"{name}: it is not listed" for name in outcomes.keys() - listed.keys()]
    found += [f"{name}: it was not run" for name in listed.keys() - outcomes.keys()]
    for name in sorted(listed.keys() & outcomes.keys()):
        found += _of(outcomes[name], allowed.get(name, set()), out=bool(listed[name].reason))
    return found


def _of(outcome: Outcome, allowed: set[str], *, out: bool) -> list[str]:
    complaints = outcome.complaints
    if out:
        excused = [each for each in complaints if each.id != ON_THE_WIRE]
        checked = [each for each in outcome.checks if each.id != ON_THE_WIRE]
        stale = not excused and any(each.status == "SUCCESS" for each in checked)
        said = [f"{outcome.scenario}: it passes, though listed as out of reach"] if stale else []
        complaints = tuple(each for each in complaints if each.id == ON_THE_WIRE)
    else:
        met = {each.id for each in complaints}
        said = [
            f"{outcome.scenario}:{check}: it passes, though listed as out of reach"
            for check in sorted(allowed - met)
        ]
        complaints = tuple(each for each in complaints if each.id not in allowed)
        said += [] if outcome.passed else [f"{outcome.scenario}: nothing was checked"]
    return said + [
        f"{outcome.scenario}:{each.id}: {each.status} {each.message}" for each in complaints
    ]
