"""A function's log is bounded whatever the function writes, and loses nothing without saying so."""

import os
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.logs.kept import Logs, directory, remove
from edge.logs.line import LONGEST
from edge.logs.writer import LINES_A_SECOND, FunctionLog, Limits, numbers, path
from tests.edge.logs.tokens import TOKEN

LIMITS = Limits(size=100_000, files=3, rate=1_000_000)


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def log(where: Path, clock: Clock, limits: Limits = LIMITS) -> FunctionLog:
    return FunctionLog(where / "logs" / "shop", "shop", limits, clock, clock)


def raw(where: Path) -> bytes:
    files = where / "logs" / "shop"
    return b"".join(path(files, number).read_bytes() for number in sorted(numbers(files)))


def lines(where: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in raw(where).splitlines()]


def messages(where: Path) -> list[str]:
    return [line["message"] for line in lines(where)]


def test_lines_are_kept_as_they_come(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock)
    kept.write("stdout", b"one\ntw", "a", "dep_1")
    assert messages(tmp_path) == ["one"]
    kept.write("stderr", b"error\n", "a", "dep_1")
    kept.write("stdout", b"other\n", "b", "dep_1")
    kept.write("stdout", b"o\n\n  \nthree\n", "a", "dep_1")
    assert messages(tmp_path) == ["one", "error", "other", "two", "three"]
    assert [line["instance"] for line in lines(tmp_path)] == ["a", "a", "b", "a", "a"]


@given(st.lists(st.integers(1, 40)))
def test_it_does_not_matter_where_output_is_cut(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    where, kept = tmp_path_factory.mktemp("log"), None
    kept = log(where, Clock())
    text = "\n".join(f"line {number} é" for number in range(50)).encode()
    at = 0
    for size in [*sizes, len(text)]:
        kept.write("stdout", text[at : at + size], "a", "d")
        at += size
    kept.end("a")
    assert messages(where) == text.decode().split("\n")


def test_what_a_process_says_last_is_kept(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock)
    kept.write("stdout", b"no end", "a", "d")
    kept.write("stdout", b"of another", "b", "d")
    kept.end("a")
    kept.end("a")
    assert messages(tmp_path) == ["no end"]
    kept.close()
    assert messages(tmp_path) == ["no end", "of another"]


def test_files_are_their_owners(tmp_path: Path, clock: Clock) -> None:
    log(tmp_path, clock).write("stdout", b"x\n", "a", "d")
    files = tmp_path / "logs" / "shop"
    assert stat.S_IMODE(files.stat().st_mode) == 0o700
    assert stat.S_IMODE(path(files, 1).stat().st_mode) == 0o600


def test_files_are_bounded_in_size_and_number(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock)
    for number in range(40):
        clock.now += 1
        kept.write("stdout", f"{number:09}".encode() * 1000 + b"\n", "a", "d")
    files = tmp_path / "logs" / "shop"
    assert sorted(numbers(files)) == [2, 3, 4]
    assert all(path(files, number).stat().st_size <= LIMITS.size for number in numbers(files))
    assert messages(tmp_path)[-1].startswith("000000039")


def test_a_line_without_end_takes_bounded_memory_and_says_what_is_missing(
    tmp_path: Path, clock: Clock
) -> None:
    kept = log(tmp_path, clock)
    for _ in range(30):
        clock.now += 1
        kept.write("stdout", b"x" * 500_000, "a", "d")
    kept.write("stdout", b"\nnext\n", "a", "d")
    first, second = lines(tmp_path)
    assert len(first["message"]) <= LONGEST
    assert first["cut"] == 15_000_000 - LONGEST
    assert second["message"] == "next"
    assert len(raw(tmp_path)) < 20_000


def test_a_token_that_is_written_in_pieces_is_not_kept(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock)
    for character in TOKEN + "\n":
        kept.write("stdout", character.encode(), "a", "d")
    assert messages(tmp_path) == ["jfn_[redacted]"]


def test_too_many_lines_are_dropped_and_counted(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock, Limits(10_000_000, 3, 10_000_000))
    kept.write("stdout", b"x\n" * (LINES_A_SECOND + 500), "a", "d")
    kept.write("stdout", b"y\nz", "a", "d")
    assert len(lines(tmp_path)) == LINES_A_SECOND
    clock.now += 1
    kept.write("stdout", b"zz\nafter\n", "a", "d")
    told, last = lines(tmp_path)[LINES_A_SECOND:]
    assert told["message"].startswith("501 lines (1003 bytes) were dropped")
    assert (told["stream"], told["level"]) == ("edge", "warn")
    assert last["message"] == "after"


def test_too_many_bytes_are_dropped_and_counted(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock)
    for _ in range(100):
        kept.write("stdout", (b"x" * 9_999 + b"\n") * 6, "a", "d")
    assert len(lines(tmp_path)) <= 100
    clock.now += 1
    kept.tick()
    assert "lines" in messages(tmp_path)[-1]
    kept.tick()
    assert sum("dropped" in message for message in messages(tmp_path)) == 1


def test_one_functions_flood_takes_nothing_from_another(tmp_path: Path, clock: Clock) -> None:
    logs = Logs(tmp_path, LIMITS, clock, clock)
    for _ in range(50):
        logs.of("flood").write("stdout", b"x\n" * 100_000, "a", "d")
    logs.of("quiet").write("stdout", b"heard\n", "b", "d")
    quiet = path(directory(tmp_path, "quiet"), 1).read_bytes()
    assert orjson.loads(quiet)["message"] == "heard"


def test_a_disk_that_takes_nothing_harms_nobody_and_is_told_later(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "logs").write_text("in the way")
    kept = log(tmp_path, clock)
    kept.write("stdout", b"one\ntwo\n", "a", "d")
    kept.end("a")
    (tmp_path / "logs").unlink()
    kept.write("stdout", b"three\n", "a", "d")
    three, told = messages(tmp_path)
    assert three == "three"
    assert told.startswith("2 lines (")
    assert "disk" in told


def test_half_a_line_left_by_a_crash_swallows_none(tmp_path: Path, clock: Clock) -> None:
    kept = log(tmp_path, clock)
    kept.write("stdout", b"one\n", "a", "d")
    kept.close()
    with path(tmp_path / "logs" / "shop", 1).open("ab") as file:
        file.write(b'{"message": "tor')
    log(tmp_path, clock).write("stdout", b"two\n", "b", "d")
    assert orjson.loads(raw(tmp_path).splitlines()[-1])["message"] == "two"


def test_a_log_that_was_removed_begins_anew(tmp_path: Path, clock: Clock) -> None:
    logs = Logs(tmp_path, LIMITS, clock, clock)
    logs.of("shop").write("stdout", b"old\n", "a", "d")
    remove(tmp_path, "shop")
    logs.of("shop").write("stdout", b"new\n", "b", "d")
    assert messages(tmp_path) == ["new"]


def test_no_link_is_followed(tmp_path: Path, clock: Clock) -> None:
    files = tmp_path / "logs" / "shop"
    files.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("")
    os.symlink(tmp_path / "elsewhere", path(files, 1))
    log(tmp_path, clock).write("stdout", b"x\n", "a", "d")
    assert (tmp_path / "elsewhere").read_text() == ""
