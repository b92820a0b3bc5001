"""What auditors of Python projects say: bandit of our code, pip-audit of what it stands on."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.packages import REQUIREMENTS, or_skip, python
from tests.support.processes import ROOT, run

CODE = ("edge", "mcp_bridge", "tokens")
EVERYWHERE = {
    "B105": "a word that has to do with tokens is no password; leaks are looked for by tests",
    "B404": "programs are started, and how is judged where they are",
    "B603": "programs are started from argument lists, never from a shell line",
}
"""What bandit may say anywhere; the rest has to be answered for at its line.

Bandit's B and ruff's S share their numbers, so `noqa: S608` answers for B608 too.
"""

LISTS = [*sorted((ROOT / ".ci").glob("*.txt")), *sorted(REQUIREMENTS.glob("*.txt"))]
PINNED = re.compile(
    r"[a-z0-9._-]+(?:\[[a-z,]+\])?==\S+(?: ; [^#@]+?)?(?: --hash=sha256:[0-9a-f]{64})+"
)


def auditor(name: str, *arguments: str) -> Any:
    """What a program of the auditors' environment says in JSON."""
    program = or_skip(lambda: python("auditors")).with_name(name)
    done = run([str(program), *arguments], seconds=250)
    try:
        return json.loads(done.stdout)
    except ValueError:
        pytest.skip(f"{name} has not got through: {done.stderr.strip().splitlines()[-1]}")


def answered_for(finding: dict[str, Any]) -> bool:
    """Whether one of the lines that it is about says that it is meant."""
    lines = (ROOT / finding["filename"]).read_text("utf-8").splitlines()
    about = "\n".join(lines[number - 1] for number in finding["line_range"])
    return f"S{finding['test_id'][1:]}" in re.findall(r"\bS\d{3}\b", about)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bandit_finds_nothing_that_is_not_answered_for() -> None:
    said = auditor("bandit", "--quiet", "--format", "json", "--recursive", *CODE)
    assert said["errors"] == []
    assert said["metrics"]["_totals"]["loc"] > 30_000
    found = [each for each in said["results"] if each["test_id"] not in EVERYWHERE]
    assert [each for each in found if not answered_for(each)] == []
    assert {each["test_id"] for each in said["results"]} >= set(EVERYWHERE)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_nothing_that_is_installed_has_a_known_weakness(name: str) -> None:
    how = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    said = auditor("pip-audit", "--requirement", str(ROOT / ".ci" / name), *how)["dependencies"]
    judged = [each for each in said if "skip_reason" not in each]
    if not judged:
        pytest.skip(f"the index has no advisories to ask for: {said[0]['skip_reason']}")
    assert [each for each in judged if each["vulns"]] == []


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.stem)
def test_everything_that_is_installed_is_pinned_with_its_hashes(file: Path) -> None:
    lines = file.read_text("utf-8").replace("\\\n", " ").splitlines()
    wrong = [line for line in lines if not PINNED.fullmatch(re.sub(" +", " ", line).strip())]
    assert wrong == []
