"""`jelou logs`: the documented lines, and nothing that a terminal would obey."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.logs.kept import Logs
from edge.logs.writer import FunctionLog, Limits
from tests.edge.cli.conftest import ROOT, Cli
from tests.support.whole_edge import serving

LIMITS = Limits(1_000_000, 3, 10_000_000)
NOW = "2026-04-07T15:30:01.234Z"


@pytest.fixture
def log(cli: Cli, project: Path) -> Iterator[FunctionLog]:
    """The log of my-function, which is deployed."""
    assert cli("deploy").code == 0
    logs = Logs(Path(cli.environ["JELOU_DATA_DIR"]), LIMITS)
    yield logs.of("my-function")
    logs.close()


def write(log: FunctionLog, *lines: str, stream: str = "stdout") -> None:
    log.write(stream, "".join(f"{line}\n" for line in lines).encode(), "i", "dep_1")


def context(request: str, *args: object) -> str:
    said = {"requestId": request, "function": "bank", "timestamp": "x", "args": args}
    return json.dumps(said)


def test_history_counts_what_it_fetched(cli: Cli, log: FunctionLog) -> None:
    write(log, "one", context("r1", "Buscando cliente", {"telefono": "593"}))
    write(log, "broken", stream="stderr")
    outcome = cli("logs", "my-function", "--history")
    header, *lines = outcome.out.splitlines()
    assert header == "◇ Fetched 3 logs"
    assert [line[12:] for line in lines] == [
        "INFO  one",
        'INFO  Buscando cliente { telefono: "593" }',
        "ERROR broken",
    ]
    assert "does not run my-function" in outcome.err


def test_the_longer_spelling_is_the_same(cli: Cli, log: FunctionLog) -> None:
    write(log, "one")
    assert "◇ Fetched 1 log\n" in cli("functions", "logs", "my-function", "--history").out


def test_json_is_a_line_for_each_and_says_who_wrote_it(cli: Cli, log: FunctionLog) -> None:
    write(log, context("r1", "x"), "two")
    first, second = map(
        json.loads, cli("logs", "my-function", "--history", "--json").out.splitlines()
    )
    assert (first["requestId"], first["args"], first["function"]) == ("r1", ["x"], "my-function")
    assert (second["message"], second["stream"], second["instance"]) == ("two", "stdout", "i")


def test_history_takes_a_request_a_number_and_a_time(cli: Cli, log: FunctionLog) -> None:
    write(log, *(context(f"r{number % 3}", number) for number in range(30)))

    def said(*options: str) -> list[int]:
        out = cli("logs", "my-function", "--history", "--json", *options).out
        return [json.loads(line)["args"][0] for line in out.splitlines()]

    assert said("--request", "r1") == list(range(1, 30, 3))
    assert said("-n", "2", "--request", "r0") == [24, 27]
    assert len(said("--since", "10m")) == 30
    assert said("--request", "none") == []


ATTACKS = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[1;1H✓ Deployed",
    "\x9b31m",
    "a\rb",
    "\x7f\b\b",
    "\u202etxt.exe",
    "\u2028✓ Deployed",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_that_a_function_writes_commands_a_terminal(
    cli: Cli, log: FunctionLog, attack: str, as_json: bool
) -> None:
    write(log, f"x{attack}y", context("r", attack, {attack: attack}))
    out = cli("logs", "my-function", "--history", *(["--json"] if as_json else [])).out
    assert all(c.isprintable() for c in out.replace("\n", "")), out
    lines = out.split("\n")
    assert len(lines) == (3 if as_json else 4)
    if as_json:
        assert json.loads(lines[0])["message"] == f"x{attack}y"


def test_bytes_that_are_no_text_are_shown_safely(cli: Cli, log: FunctionLog) -> None:
    log.write("stdout", b"a\xff\xfe\xc3(b\n", "i", "dep_1")
    assert "a\ufffd\ufffd\ufffd(b" in cli("logs", "my-function", "--history").out


def test_what_cannot_be_read_is_said(cli: Cli, log: FunctionLog) -> None:
    assert cli("logs", "nope", "--history", "--json").error["code"] == "NOT_FOUND"
    assert cli("logs", "../my-function", "--history", "--json").error["code"] == "NOT_FOUND"
    assert cli("logs", "my-function", "--follow", "--history").code == 2


def test_a_deleted_functions_log_goes_with_it(cli: Cli, log: FunctionLog) -> None:
    write(log, "private")
    cli("functions", "delete", "my-function", "-y")
    cli("deploy")
    assert "◇ Fetched 0 logs" in cli("logs", "my-function", "--history").out


def following(cli: Cli, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "edge.cli.main", "logs", "my-function", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**cli.environ, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cwd=cli.directory,
    )


def test_following_shows_what_comes_until_it_is_interrupted(cli: Cli, log: FunctionLog) -> None:
    write(log, "before")
    with following(cli) as reader:
        assert reader.stdout is not None
        head = [reader.stdout.readline() for _ in range(3)]
        assert head[:2] == ["▸ Streaming logs for my-function\n", "▸ Press Ctrl+C to stop\n"]
        assert head[2].endswith("INFO  before\n")
        for number in range(3):
            write(log, f"line {number}")
            assert reader.stdout.readline().endswith(f"INFO  line {number}\n")
        reader.send_signal(signal.SIGINT)
        assert reader.wait(10) == 0


@pytest.mark.slow
def test_a_running_edge_is_followed_through_its_socket(cli: Cli, log: FunctionLog) -> None:
    with serving(Path(cli.environ["JELOU_DATA_DIR"])) as edge, following(cli, "--json") as reader:
        assert reader.stdout is not None
        write(log, "one")
        deadline = time.monotonic() + 20
        assert json.loads(reader.stdout.readline())["message"] == "one"
        page = edge.operations.logs("my-function", limit=1)
        assert time.monotonic() < deadline
        write(log, *(f"{number}" for number in range(5)))
        page = edge.operations.logs("my-function", page.cursor, limit=2, wait=5)
        assert ([line["message"] for line in page.lines], page.more) == (["0", "1"], True)
        reader.terminate()
        reader.wait(10)
