"""What the command line prints: marked lines and tables for people, JSON for programs.

Results go to stdout, diagnostics to stderr. `NO_COLOR` (no-color.org) is honoured. Not here: what
any command says.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

DONE = "✓"
ITEM = "▸"
WARNING = "⚠"
FAILED = "✗"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_COLORS = {DONE: "green", ITEM: "cyan", WARNING: "yellow", FAILED: "red"}


class Output:
    """The two streams, in one manner."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._color = False if is_plain(environ) else None

    def lines(self, lines: Iterable[str], *, err: bool = False) -> None:
        """Print lines; a mark at the start of one is coloured on a terminal."""
        for line in lines:
            click.echo(_colored(line), err=err, color=self._color)

    def json(self, value: Any) -> None:
        """Print one JSON document on one line, its control characters escaped."""
        text = json.dumps(value, ensure_ascii=False)
        click.echo(_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text))

    def warn(self, message: str) -> None:
        """Print a diagnostic that stops nothing."""
        self.lines([f"{WARNING} {message}"], err=True)

    def fail(self, message: str) -> None:
        """Print why the command failed."""
        self.lines([f"{FAILED} {message}"], err=True)


def is_plain(environ: Mapping[str, str]) -> bool:
    """Whether the user, or his terminal, wants no colours."""
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"


def done(text: str) -> str:
    """`✓ Deployed`."""
    return f"{DONE} {text}"


def warning(text: str) -> str:
    """`⚠ …`, where it is part of the result."""
    return f"{WARNING} {text}"


def item(label: str, value: str) -> str:
    """`▸ URL: https://…`, values of short labels aligned as the platform does."""
    return f"{ITEM} {label + ':':<4} {value}"


def secret(value: str) -> str:
    """`▸ Token    jfn_rt_…`."""
    return f"{ITEM} Token    {value}"


def fields(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """One `▸` line for each label and value, values aligned."""
    width = max(len(label) for label, _ in pairs)
    return [f"{ITEM} {label:<{width}}   {value}".rstrip() for label, value in pairs]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A header and rows, columns aligned."""
    cells = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(columns))]
    padded = ("   ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in cells)
    return [f"{ITEM} {line}".rstrip() for line in padded]


def moment(seconds: float | None) -> str:
    """A time as the platform prints it, in local time: `4/7/2026, 10:30:00 AM`; or `never`."""
    if seconds is None:
        return "never"
    at = datetime.fromtimestamp(seconds).astimezone()
    hour, half = at.hour % 12 or 12, "AM" if at.hour < 12 else "PM"
    return f"{at.month}/{at.day}/{at.year}, {hour}:{at:%M:%S} {half}"


def printable(text: str) -> str:
    """A text without what a terminal would take for a command.

    Descriptions come from functions' documents, which the one who reads this may not have written.
    """
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def _colored(line: str) -> str:
    """A line with its mark in colour."""
    line = printable(line)
    mark = line[:1]
    return click.style(mark, fg=_COLORS[mark]) + line[1:] if mark in _COLORS else line
