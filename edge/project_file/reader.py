"""Reads a JSON object key by key, noting everything that is wrong instead of stopping. Pure.

What the keys mean is not known here; each part of the project file reads its own.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.project_file.positions import Path

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]{1,128}")
_MOST_UNKNOWN = 100


def quote(value: object) -> str:
    """A value as JSON for a message: ASCII, without control characters, at most 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dotted(path: Path) -> str:
    """A path as one reads it: `config.cron[0].expression`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quote(step)}]"
    return text


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell about one place of the file."""

    path: Path
    message: str


@dataclass(slots=True)
class Findings:
    """What reading has noted so far: problems stop a deploy, warnings do not."""

    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def problem(self, path: Path, message: str) -> None:
        """Note what must be changed."""
        self.problems.append(Finding(path, message))

    def warning(self, path: Path, message: str) -> None:
        """Note what the author should know."""
        self.warnings.append(Finding(path, message))


class Section:
    """One object of the file. A key that is absent or wrong gives the default asked for."""

    def __init__(
        self,
        value: Mapping[str, Any],
        path: Path,
        findings: Findings,
        known: Iterable[str],
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """Note every key that is not `known`; `elsewhere` says where misplaced keys belong."""
        self.value = value
        self.path = path
        self.findings = findings
        self._report_unknown(tuple(known), elsewhere or {})

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def get(self, key: str) -> Any:
        """The value as it stands in the file, or None."""
        return self.value.get(key)

    def problem(self, key: str | None, message: str) -> None:
        """Note a problem of a key, or of the whole object."""
        self.findings.problem(self.path if key is None else (*self.path, key), message)

    def warning(self, key: str, message: str) -> None:
        """Note a warning about a key."""
        self.findings.warning((*self.path, key), message)

    def expected(self, key: str, what: str) -> None:
        """Note that a key holds something else than `what`."""
        self.problem(key, f"must be {what}, not {quote(self.get(key))}")

    def section(
        self, key: str, known: Iterable[str], elsewhere: Mapping[str, str] | None = None
    ) -> "Section":
        """The object under a key; an empty one if it is absent or something else."""
        value = self.value.get(key, {})
        if not isinstance(value, dict):
            self.expected(key, "an object")
            value = {}
        return Section(value, (*self.path, key), self.findings, known, elsewhere)

    def boolean(self, key: str, default: bool) -> bool:
        """A boolean."""
        value = self.value.get(key, default)
        if isinstance(value, bool):
            return value
        self.expected(key, "true or false")
        return default

    def optional_boolean(self, key: str) -> bool | None:
        """A boolean, or None where the file is silent."""
        return self.boolean(key, False) if key in self.value else None

    def integer(self, key: str, default: int, lowest: int, highest: int, unit: str) -> int:
        """A whole number within bounds, both included."""
        value = self.value.get(key, default)
        if type(value) is int and lowest <= value <= highest:
            return value
        self.expected(key, f"a whole number of {unit} from {lowest} to {highest}")
        return default

    def string(self, key: str, default: str = "", longest: int | None = None) -> str:
        """A string of at most `longest` characters."""
        value = self.value.get(key, default)
        if not isinstance(value, str):
            self.expected(key, "a string")
            return default
        if longest is not None and len(value) > longest:
            self.problem(key, f"is {len(value)} characters long; shorten it to {longest} at most")
            return default
        return value

    def optional_string(self, key: str, longest: int | None = None) -> str | None:
        """A string that is not empty, or None where the file is silent."""
        if key not in self.value:
            return None
        value = self.string(key, " ", longest)
        if not value:
            self.expected(key, "a string that is not empty")
        return value

    def items(self, key: str, what: str) -> list[Any]:
        """The elements of a list; none if it is absent or something else."""
        value = self.value.get(key, [])
        if isinstance(value, list):
            return value
        self.expected(key, what)
        return []

    def strings(self, key: str, what: str, check: Callable[[str], str | None]) -> tuple[str, ...]:
        """A list of strings, each once, that `check` finds nothing wrong with.

        Args:
            what: the list expected, for the message, such as `a list of origins`.
            check: says what is wrong with one, or None.
        """
        found: dict[str, None] = {}
        for index, item in enumerate(self.items(key, what)):
            wrong = check(item) if isinstance(item, str) else f"must be a string, not {quote(item)}"
            if wrong:
                self.findings.problem((*self.path, key, index), wrong)
            else:
                found[item] = None
        return tuple(found)

    def _report_unknown(self, known: tuple[str, ...], elsewhere: Mapping[str, str]) -> None:
        unknown = [key for key in self.value if key not in known]
        for key in unknown[:_MOST_UNKNOWN]:
            self.problem(key, _unknown(key, known, elsewhere))
        if len(unknown) > _MOST_UNKNOWN:
            more = len(unknown) - _MOST_UNKNOWN
            self.problem(unknown[_MOST_UNKNOWN], f"unknown key, the first of {more} more here")


def _unknown(key: str, known: tuple[str, ...], elsewhere: Mapping[str, str]) -> str:
    if key in elsewhere:
        return f"unknown key {quote(key)} here; write it inside {quote(elsewhere[key])}"
    by_lower = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(key.lower()[:100], by_lower, n=1, cutoff=0.5)
    if nearest:
        return f"unknown key {quote(key)}; did you mean {quote(by_lower[nearest[0]])}?"
    return f"unknown key {quote(key)}; remove it, or use one of: {', '.join(known)}"
