"""A function's log as it is read: its end, or what came after a place that a reader has got to.

A place is a *cursor*, the number of a file and an offset in it, so that it outlives the rotation of
files; where its file is gone by then, reading goes on with the oldest and says so.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.logs.line import read
from edge.logs.writer import numbers, path

AT_ONCE = 8 * 1024 * 1024
"""Bytes that are looked through for one page."""

PAGE = 1024 * 1024
"""Bytes of lines after which a page is full."""

Line = dict[str, Any]
Wanted = Callable[[Line], bool]

_CURSOR = re.compile(r"([0-9]{1,12}):([0-9]{1,15})")


class BadCursor(ValueError):
    """A text that is no cursor."""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, the oldest first.

    Attributes:
        cursor: the place behind the last one looked at.
        more: whether there is more already.
        gap: whether lines between the cursor asked for and the first one are gone.
    """

    lines: tuple[Line, ...]
    cursor: str
    more: bool = False
    gap: bool = False


def last(directory: Path, count: int, wanted: Wanted) -> Page:
    """The last lines that are wanted, and the place behind them.

    Raises:
        OSError: the files cannot be read.
    """
    found: list[Line] = []
    size, cursor = 0, "0:0"
    for index, number in enumerate(sorted(numbers(directory), reverse=True)):
        data = _whole(directory, number)
        if index == 0:
            end = data.rfind(b"\n") + 1
            cursor = f"{number}:{end}"
        for raw in reversed(data.split(b"\n")[:-1]):
            line = read(raw)
            if line is None or not wanted(line):
                continue
            size += len(raw)
            if len(found) == count or (found and size > PAGE):
                return Page(tuple(reversed(found)), cursor)
            found.append(line)
    return Page(tuple(reversed(found)), cursor)


def after(directory: Path, cursor: str, limit: int, wanted: Wanted) -> Page:
    """The lines behind a place.

    Args:
        limit: how many at most.

    Raises:
        BadCursor: it is none.
        OSError: the files cannot be read.
    """
    known = sorted(numbers(directory))
    number, offset, gap = _place(directory, known, cursor)
    here = f"{number}:{offset}"
    found: list[Line] = []
    size = looked = 0
    for raw, place in _behind(directory, known, number, offset):
        if len(found) == limit or size > PAGE or looked > AT_ONCE:
            return Page(tuple(found), here, more=True, gap=gap)
        here, looked = place, looked + len(raw)
        line = read(raw)
        if line is not None and wanted(line):
            found.append(line)
            size += len(raw)
    return Page(tuple(found), here, gap=gap)


def _behind(
    directory: Path, known: list[int], number: int, offset: int
) -> Iterator[tuple[bytes, str]]:
    """Whole lines behind a place, each with the place behind it."""
    for each in (other for other in known if other >= number):
        for raw, end in _lines(directory, each, offset if each == number else 0):
            yield raw, f"{each}:{end}"


def _place(directory: Path, known: list[int], cursor: str) -> tuple[int, int, bool]:
    """File and offset to go on from, and whether something in between is gone."""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadCursor(f"{cursor[:50]!r} is no cursor")
    number, offset = int(match[1]), int(match[2])
    if not known:
        return number, offset, False
    if number in known:
        fits = offset <= _size(directory, number)
        return number, offset if fits else 0, not fits
    following = [other for other in known if other > number]
    # A cursor behind all files is of a log that has begun anew since.
    return (following or known)[0], 0, number != 0 or known[0] > 1


def _lines(directory: Path, number: int, offset: int) -> Iterator[tuple[bytes, int]]:
    """Whole lines from an offset on, each with the offset of its end."""
    try:
        with path(directory, number).open("rb") as file:
            file.seek(offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                offset += len(raw)
                yield raw, offset
    except FileNotFoundError:
        return  # it was rotated out just now


def _whole(directory: Path, number: int) -> bytes:
    try:
        return path(directory, number).read_bytes()
    except FileNotFoundError:
        return b""


def _size(directory: Path, number: int) -> int:
    try:
        return path(directory, number).stat().st_size
    except FileNotFoundError:
        return 0
