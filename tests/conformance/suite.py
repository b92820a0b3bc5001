"""The official conformance suite, run as a program; and what came of each of its scenarios.

Which scenarios ought to pass is not known here.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import packages
from tests.support.processes import run

REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
REQUIREMENTS = ("2025-11-25", "2026-07-28")
SECONDS = 240.0

_LISTED = re.compile(r"^ +- (\S+) \[(.+)\]$", re.MULTILINE)
_REQUIRED = re.compile(r"^ +- (\S+)$", re.MULTILINE)
_STAMP = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z$")


@dataclass(frozen=True, slots=True)
class Check:
    """What the suite says of one check.

    Attributes:
        status: SUCCESS, FAILURE, WARNING, SKIPPED or INFO.
    """

    id: str
    status: str
    message: str = ""

    @property
    def complains(self) -> bool:
        """It did not pass: it failed, was warned of, or could not be made."""
        return self.status in {"FAILURE", "WARNING", "SKIPPED"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scenario."""

    scenario: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(check.status == "SUCCESS" for check in self.checks)

    @property
    def made(self) -> int:
        """How many checks passed or failed, as the suite counts them."""
        return sum(check.status in {"SUCCESS", "FAILURE"} for check in self.checks)

    @property
    def complaints(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.complains)


class Suite:
    """The suite, installed."""

    def __init__(self, node: Path, program: Path) -> None:
        self._command = [str(node), str(program)]

    def scenarios(self) -> dict[str, tuple[str, ...]]:
        """Every scenario for servers that the suite knows, and its revisions."""
        found = _LISTED.findall(self._run(["list", "--server"]))
        return {name: tuple(re.split(r",\s*", revisions)) for name, revisions in found}

    def required(self, revision: str) -> set[str]:
        """The scenarios that a revision requires of servers."""
        said = self._run(["list", "--requirements", revision])
        section = said.partition("Server scenarios")[2].partition("Client scenarios")[0]
        return set(_REQUIRED.findall(section))

    def run(self, url: str, output: Path, *words: str) -> dict[str, Outcome]:
        """Run scenarios against a server; `words` choose which.

        Args:
            output: an empty folder for the suite's own records.
        """
        command = ["server", "--url", url, "--output-dir", str(output), *words]
        said = self._run(command, failing=True)
        records = sorted(output.glob("*/checks.json"))
        assert records, said[-2000:]
        outcomes = [
            outcome(_STAMP.sub("", each.parent.name).removeprefix("server-"), json.loads(text))
            for each, text in ((record, record.read_text("utf-8")) for record in records)
        ]
        return {each.scenario: each for each in outcomes}

    def _run(self, words: Sequence[str], *, failing: bool = False) -> str:
        done = run([*self._command, *words], seconds=SECONDS)
        assert failing or done.returncode == 0, done.stderr
        return done.stdout + done.stderr


def outcome(scenario: str, checks: Iterable[dict[str, Any]]) -> Outcome:
    """A scenario's record, as the suite writes it."""
    return Outcome(
        scenario,
        tuple(
            Check(each["id"], each["status"], each.get("errorMessage") or each["description"])
            for each in checks
        ),
    )


def installed() -> Suite:
    """The suite and the Node that it needs; see `packages.installed` for what is raised."""
    folder = packages.installed(packages.CONFORMANCE)
    program = folder / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist"
    return Suite(packages.node(), program / "index.js")
