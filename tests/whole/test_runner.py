"""The process that runs functions, as one of an edge's children: replaced, and ended last."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edge.running.client import Runner
from edge.running.protocol import ProcessStatus
from edge.running.runs import RunFailed
from tests.support.runner import Store
from tests.support.whole_edge import Edge, serving
from tests.support.whole_processes import children, eventually, is_alive

SLOW = """
from served import *
serve(listen(), lambda path: time.sleep(2.0) or "whole" if path == "/slow" else os.getpid())
"""


@contextmanager
def edge_with_a_function(data_dir: Path) -> Iterator[tuple[Edge, ProcessStatus]]:
    """An edge that runs a public function, which has been woken."""
    store = Store(data_dir)
    with serving(data_dir, "--stop-timeout", "2", "--function-user", "same") as edge:
        store.deploy_source(SLOW, config={"public": True})
        answer = edge.caller().ask("/one")
        assert answer.status == 200, answer
        (process,) = Runner.connect(data_dir).status("one").processes
        assert answer.body.decode() == str(process.pid)
        yield edge, process
    store.close()


def runner_of(edge: Edge) -> int:
    """The runner's pid."""
    (runner,) = set(children(edge.pid)) - set(edge.workers)
    return runner


def wait_for_work(edge: Edge) -> None:
    """Wait until the function has a request."""
    runner = Runner.connect(edge.data_dir)
    eventually(lambda: runner.status("one").active == 1, "the function has it")


@pytest.mark.slow
def test_functions_end_with_the_edge(tmp_path: Path) -> None:
    with edge_with_a_function(tmp_path) as (edge, process):
        everyone = [process.pid, *children(edge.pid)]
        edge.program.process.terminate()
        assert edge.program.process.wait(15) == 0
        assert not any(map(is_alive, everyone))
        assert not (tmp_path / "runner.sock").exists()


def test_a_request_in_flight_is_answered_by_a_function_before_it_ends(tmp_path: Path) -> None:
    with edge_with_a_function(tmp_path) as (edge, process):
        caller = edge.caller().send("/one/slow")
        runner = runner_of(edge)
        wait_for_work(edge)
        os.kill(edge.pid, signal.SIGTERM)
        assert caller.receive().body == b"whole"
        eventually(lambda: not is_alive(runner) and not is_alive(process.pid), "all have ended")


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_runner_that_ends_is_replaced_and_functions_are_started_anew(
    tmp_path: Path, number: signal.Signals
) -> None:
    with edge_with_a_function(tmp_path) as (edge, process):
        former = runner_of(edge)
        os.kill(former, number)
        eventually(lambda: not is_alive(process.pid), "its functions end with it")
        eventually(lambda: _answers(tmp_path), "another runner is there")
        answer = edge.caller().ask("/one")
        assert answer.status == 200
        assert answer.body.decode() != str(process.pid)
        assert runner_of(edge) != former


def test_nothing_runs_on_after_an_edge_that_was_killed(tmp_path: Path) -> None:
    with edge_with_a_function(tmp_path) as (edge, process):
        everyone = [process.pid, *children(edge.pid)]
        os.kill(edge.pid, signal.SIGKILL)
        eventually(lambda: not any(map(is_alive, everyone)), "all notice that it is gone")


@pytest.mark.slow
def test_what_is_in_flight_is_answered_although_the_edges_parent_was_killed(tmp_path: Path) -> None:
    with edge_with_a_function(tmp_path) as (edge, process):
        caller, everyone = edge.caller().send("/one/slow"), children(edge.pid)
        wait_for_work(edge)
        os.kill(edge.pid, signal.SIGKILL)
        assert caller.receive().body == b"whole"
        eventually(lambda: not any(map(is_alive, [process.pid, *everyone])), "all have ended")


def _answers(data_dir: Path) -> bool:
    with suppress(RunFailed):
        Runner.connect(data_dir).status("one")
        return True
    return False
