"""Logs of functions that run: what they write is there, whatever they write, and costs no other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.logs.kept import directory
from edge.logs.reader import last
from edge.running.protocol import Need
from tests.edge.logs.tokens import TOKEN
from tests.support.runner import Running, ask, running
from tests.support.whole_processes import eventually

SAYS = """
from served import *
print("hello", flush=True)
print("oops", file=sys.stderr, flush=True)
def answer(path):
    print("asked", path, flush=True)
    return "ok"
serve(listen(), answer)
"""
LAST_WORDS = """
import sys
sys.stdout.write("my last words")
sys.stdout.flush()
sys.exit(3)
"""
FLOODS = """
from served import *
import threading
def flood():
    while True:
        os.write(1, b"x" * 60 + b"\\n" + b"y" * 3000 + b"\\n")
threading.Thread(target=flood, daemon=True).start()
serve(listen())
"""


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, log_size=200_000, log_files=3, log_rate=300_000) as edge:
        yield edge


def lines(edge: Running, slug: str = "one") -> list[dict[str, Any]]:
    return list(last(directory(edge.data_dir, slug), 1000, lambda _: True).lines)


def has(edge: Running, slug: str, wanted: Callable[[dict[str, Any]], bool]) -> bool:
    return any(wanted(line) for line in lines(edge, slug))


def test_what_a_process_writes_is_in_its_functions_log(edge: Running) -> None:
    deployment = edge.store.deploy_source(SAYS)
    with edge.worker() as worker:
        up = worker.wake(deployment)
        assert ask(up.address, f"/{TOKEN}") == "ok"
    eventually(lambda: has(edge, "one", lambda line: "asked" in line["message"]), "it is written")
    found = {line["message"]: line for line in lines(edge)}
    assert found["hello"]["stream"] == "stdout"
    assert found["oops"]["level"] == "error"
    assert {line["deployment"] for line in found.values()} == {deployment}
    assert {line["instance"] for line in found.values()} == {up.instance}
    assert "asked /jfn_[redacted]" in found


def test_last_words_without_the_end_of_a_line_are_kept(edge: Running) -> None:
    deployment = edge.store.deploy_source(LAST_WORDS)
    with edge.worker() as worker:
        worker.say(Need(deployment, 1))
        eventually(
            lambda: has(edge, "one", lambda line: line["message"] == "my last words"), "it is kept"
        )
        eventually(
            lambda: has(edge, "one", lambda line: line["stream"] == "edge"), "its end is told"
        )


def test_a_flood_is_bounded_and_another_function_is_heard(edge: Running) -> None:
    flood = edge.store.deploy_source(FLOODS, slug="flood")
    quiet = edge.store.deploy_source(SAYS, slug="quiet")
    with edge.worker() as worker:
        worker.wake(flood)
        address = worker.wake(quiet).address
        for number in range(20):
            assert ask(address, f"/{number}") == "ok"
        eventually(
            lambda: has(edge, "flood", lambda line: "were dropped" in line["message"]),
            "the drop is told",
        )
        assert ask(address, "/done") == "ok"
        eventually(
            lambda: has(edge, "quiet", lambda line: line["message"] == "asked /done"), "it is heard"
        )
    files = list(directory(edge.data_dir, "flood").iterdir())
    assert sum(file.stat().st_size for file in files) < 3 * 600_000
    assert not has(edge, "quiet", lambda line: "dropped" in line["message"])


def test_the_log_says_who_wrote_it_whatever_that_claims(edge: Running) -> None:
    forged = '{"function":"bank","requestId":"r","timestamp":"2999-01-01T00:00:00Z","args":["x"]}'
    source = f"from served import *\nprint({forged!r}, flush=True)\nserve(listen())\n"
    deployment = edge.store.deploy_source(source)
    with edge.worker() as worker:
        worker.wake(deployment)
    eventually(lambda: has(edge, "one", lambda line: line.get("requestId") == "r"), "it is kept")
    (line,) = [line for line in lines(edge) if "requestId" in line]
    assert line["function"] == "one"
    assert line["timestamp"] < "2999"
