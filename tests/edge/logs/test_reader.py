"""A log is read to its end and on from there, across rotation, without losing or repeating."""

from pathlib import Path
from typing import Any

import pytest

from edge.logs.line import read
from edge.logs.reader import BadCursor, after, last
from edge.logs.writer import FunctionLog, Limits, numbers, path


def every(_: dict[str, Any]) -> bool:
    return True


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "shop"


def log(files: Path, *, size: int = 1000, kept: int = 5) -> FunctionLog:
    return FunctionLog(files, "shop", Limits(size, kept, 10**9), lambda: 1.8e9, lambda: 0.0)


def said(page: Any) -> list[str]:
    return [line["message"] for line in page.lines]


def test_nothing_written_is_no_error(files: Path) -> None:
    page = last(files, 10, every)
    assert (page.lines, page.more) == ((), False)
    assert after(files, page.cursor, 10, every).lines == ()
    log(files).write("stdout", b"first\n", "a", "d")
    assert said(after(files, page.cursor, 10, every)) == ["first"]


def test_the_last_lines_come_oldest_first_from_several_files(files: Path) -> None:
    writing = log(files)
    for number in range(20):
        writing.write("stdout", f"{number}\n".encode(), "a", "d")
    assert len(numbers(files)) > 2
    assert said(last(files, 12, every)) == [str(number) for number in range(8, 20)]
    assert said(last(files, 1, every)) == ["19"]


def test_a_cursor_survives_rotation(files: Path) -> None:
    writing, cursor, got = log(files, kept=100), last(files, 1, every).cursor, []
    for number in range(60):
        writing.write("stdout", f"{number}\n".encode(), "a", "d")
        if number % 7 == 0:
            while (page := after(files, cursor, 3, every)).lines:
                cursor = page.cursor
                got += said(page)
                assert not page.gap
    while (page := after(files, cursor, 3, every)).lines:
        cursor, got = page.cursor, got + said(page)
    assert got == [str(number) for number in range(60)]


def test_more_is_told_while_there_is_more(files: Path) -> None:
    log(files).write("stdout", b"1\n2\n3\n", "a", "d")
    page = after(files, "0:0", 2, every)
    assert (said(page), page.more) == (["1", "2"], True)
    page = after(files, page.cursor, 2, every)
    assert (said(page), page.more) == (["3"], False)


def test_what_was_rotated_away_is_a_gap(files: Path) -> None:
    writing = log(files, kept=2)
    writing.write("stdout", b"0\n", "a", "d")
    cursor = last(files, 1, every).cursor
    for number in range(1, 40):
        writing.write("stdout", f"{number}\n".encode(), "a", "d")
    page = after(files, cursor, 1000, every)
    assert page.gap
    assert said(page)[-1] == "39"


def test_a_log_that_began_anew_is_read_from_its_start(files: Path) -> None:
    log(files).write("stdout", b"new\n", "a", "d")
    for cursor in ("9:0", "1:99999"):
        page = after(files, cursor, 10, every)
        assert (said(page), page.gap) == (["new"], True)


def test_half_a_line_waits_for_its_end(files: Path) -> None:
    log(files).write("stdout", b"one\n", "a", "d")
    whole = path(files, 1).read_bytes()
    path(files, 1).write_bytes(whole + whole[:20])
    page = after(files, "0:0", 10, every)
    assert said(page) == ["one"]
    assert said(last(files, 10, every)) == ["one"]
    path(files, 1).write_bytes(whole + whole)
    assert said(after(files, page.cursor, 10, every)) == ["one"]


def test_only_what_is_wanted_comes(files: Path) -> None:
    log(files, size=10_000).write("stdout", b"".join(b"%d\n" % n for n in range(50)), "a", "d")

    def wanted(line: dict[str, Any]) -> bool:
        return str(line["message"]).endswith("7")

    assert said(last(files, 3, wanted)) == ["27", "37", "47"]
    page = after(files, "0:0", 100, wanted)
    assert said(page) == ["7", "17", "27", "37", "47"]
    assert after(files, page.cursor, 100, every).lines == ()


@pytest.mark.parametrize("cursor", ["", "x", "1", "1:", "-1:0", "1:2:3", "1:" + "9" * 16, "../x:1"])
def test_what_is_no_cursor_is_refused(files: Path, cursor: str) -> None:
    with pytest.raises(BadCursor):
        after(files, cursor, 1, every)


def test_damage_costs_the_damaged_line_alone(files: Path) -> None:
    log(files).write("stdout", b"one\ntwo\n", "a", "d")
    first, second = path(files, 1).read_bytes().splitlines(keepends=True)
    path(files, 1).write_bytes(first + b"\xff{]\n[1]\n" + second)
    assert said(after(files, "0:0", 10, every)) == ["one", "two"]
    assert read(b"\xff") is None
