"""The listing of what the suite finds is exact: in neither direction may it be wrong."""

import pytest

from tests.conformance import listing
from tests.conformance.suite import Check, Outcome

AT = "2026-07-28"
TEXT = f"""
# what stands here
tools-list {AT} pass
prompts-list 2025-11-25,{AT} out of reach: there are no prompts
caching {AT} pass
caching:prompts-cached {AT} out of reach: there are no prompts
"""
GOOD = Check("found", "SUCCESS")
ON_THE_WIRE = Check(listing.ON_THE_WIRE, "SUCCESS")
CACHED = Check("prompts-cached", "FAILURE", "none")
AS_LISTED = {
    "tools-list": (GOOD, ON_THE_WIRE),
    "prompts-list": (Check("prompts-list", "FAILURE", "no such method"), ON_THE_WIRE),
    "caching": (GOOD, CACHED, ON_THE_WIRE),
}


def said(changed: dict[str, tuple[Check, ...] | None]) -> list[str]:
    """What is wrong with a run that is as listed but for a few scenarios."""
    run = {name: checks for name, checks in (AS_LISTED | changed).items() if checks is not None}
    outcomes = {name: Outcome(name, checks) for name, checks in run.items()}
    return listing.problems(listing.read(TEXT), AT, outcomes)


def test_a_run_that_is_as_listed_is_good() -> None:
    assert said({}) == []


@pytest.mark.parametrize(
    ("scenario", "checks", "problem"),
    [
        ("tools-list", (GOOD, Check("x", "FAILURE", "gone")), "tools-list:x: FAILURE gone"),
        ("tools-list", (GOOD, Check("x", "WARNING", "odd")), "tools-list:x: WARNING odd"),
        ("tools-list", (GOOD, Check("x", "SKIPPED", "not made")), "tools-list:x: SKIPPED not made"),
        ("tools-list", (Check("x", "INFO"),), "tools-list: nothing was checked"),
        ("tools-list", None, "tools-list: it was not run"),
        ("new", (GOOD,), "new: it is not listed"),
        ("prompts-list", (GOOD, ON_THE_WIRE), "prompts-list: it passes, though listed"),
        ("caching", (GOOD,), "caching:prompts-cached: it passes, though listed"),
        ("caching", (CACHED, Check("y", "FAILURE", "gone")), "caching:y: FAILURE gone"),
        (
            "prompts-list",
            (CACHED, Check(listing.ON_THE_WIRE, "FAILURE", "no such field")),
            "prompts-list:wire-schema-valid: FAILURE no such field",
        ),
    ],
)
def test_a_run_that_is_not_as_listed_says_where(
    scenario: str, checks: tuple[Check, ...] | None, problem: str
) -> None:
    assert any(each.startswith(problem) for each in said({scenario: checks}))


@pytest.mark.parametrize(
    "text",
    [
        "tools-list pass",
        "tools-list 2025-11-25 maybe",
        "tools-list 2025-11-25 out of reach:",
        "tools-list:check 2025-11-25 pass",
        "tools-list 2025-11-25 pass\ntools-list 2025-11-25,2026-07-28 pass",
    ],
)
def test_a_line_without_a_verdict_or_reason_or_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(listing.ListingError):
        listing.read(text)
