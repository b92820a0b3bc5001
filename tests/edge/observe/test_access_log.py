"""Which requests get a line, and that lines reach their file whatever becomes of it."""

import json
import os
import select
import threading
from pathlib import Path

import pytest

from edge.events import Account, CutOff, Event
from edge.observe.access_log import MOST_WAITING, RECENT, AccessLog, LineWriter, Style
from tests.support.accounts import account
from tests.support.whole_processes import eventually


def told(events: list[Event], sample: float, drawn: float) -> list[dict[str, object]]:
    written: list[bytes] = []
    log = AccessLog(Style(sample=sample), (), written.append, lambda: drawn)
    log.watch(events)
    return [json.loads(line) for line in b"".join(written).splitlines()]


@pytest.mark.parametrize(("drawn", "successes"), [(0.09, 1), (0.1, 0)])
def test_successes_are_sampled_and_nothing_else_is(drawn: float, successes: int) -> None:
    failures: list[Account] = [
        account(status=404),
        account(status=500),
        account(status=0),
        account(whole=False),
        account(tool_failed=True, mcp_method="tools/call"),
    ]
    happened: list[Event] = [account(), CutOff("flood"), *failures]
    assert len(told(happened, 0.1, drawn)) == successes + 1 + len(failures)


def test_the_last_lines_are_at_hand_also_where_none_is_written() -> None:
    log = AccessLog(Style(), (), None, lambda: 0.0)
    log.watch([account(status=200 + n % 100) for n in range(RECENT + 7)])
    assert [json.loads(line)["status"] for line in log.recent()][-1] == 200 + RECENT + 6
    assert len(log.recent()) == RECENT


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path, problems = tmp_path / "access.log", list[str]()
    writer = LineWriter(path, problems.append)
    writer.write(b"one\n")
    eventually(lambda: path.exists() and path.read_bytes() == b"one\n", "a line")
    path.rename(tmp_path / "access.log.1")
    writer.write(b"two\n")
    eventually(lambda: path.exists() and path.read_bytes() == b"two\n", "a new file")
    path.unlink()
    writer.write(b"three\n")
    writer.close()
    assert path.read_bytes() == b"three\n"
    assert (tmp_path / "access.log.1").read_bytes() == b"one\n"
    assert path.stat().st_mode & 0o007 == 0
    assert problems == []


def test_a_file_that_cannot_be_written_is_complained_of_once(tmp_path: Path) -> None:
    problems = list[str]()
    writer = LineWriter(tmp_path / "later" / "access.log", problems.append)
    writer.write(b"lost\n")
    writer.write(b"lost too\n")
    writer.close()
    assert problems == ["The access log cannot be written: No such file or directory."]


def test_a_file_that_can_be_written_again_is(tmp_path: Path) -> None:
    path, problems = tmp_path / "later" / "access.log", list[str]()
    writer = LineWriter(path, problems.append)
    writer.write(b"lost\n")
    eventually(lambda: problems, "a complaint")
    path.parent.mkdir()
    writer.write(b"kept\n")
    writer.close()
    assert path.read_bytes() == b"kept\n"


def test_a_pipe_that_nobody_reads_holds_up_nobody_and_what_is_left_out_is_said(
    tmp_path: Path,
) -> None:
    path, seen, tries = tmp_path / "pipe", bytearray(), 0
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter(path, pytest.fail)
    for _ in range(MOST_WAITING // 1000 + 500):
        writer.write(b"x" * 999 + b"\n")  # more than pipe and queue hold; none of it waits
    select.select([reading], [], [], 10)
    reader = threading.Thread(target=_read, args=(reading, seen))
    reader.start()
    while b"last" not in seen:
        tries += 1
        writer.write(b"last\n")
        select.select([], [], [], 0.01)
    writer.close()
    reader.join(10)
    said = bytes(seen).splitlines()
    left_out = [json.loads(line)["lines"] for line in said if line.startswith(b"{")]
    written = len(said) - len(left_out)
    assert left_out
    assert written + sum(left_out) == MOST_WAITING // 1000 + 500 + tries
    assert set(said) <= {b"x" * 999, b"last"} | {line for line in said if line.startswith(b"{")}


def _read(descriptor: int, into: bytearray) -> None:
    os.set_blocking(descriptor, True)
    while piece := os.read(descriptor, 65536):
        into += piece
    os.close(descriptor)
