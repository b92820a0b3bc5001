"""Trials, with an edge and without: one process, ready, that is adopted, or leaves nothing."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.running.alone import InProcess
from edge.running.client import Runner
from edge.running.output import Nowhere
from edge.running.protocol import Clear, Gone, Leaving, Need, Up
from edge.running.runs import RunFailed, Runs
from edge.running.sources import sources
from tests.support.runner import GOOD, Store, ask, make_project, put_code, running, settings
from tests.support.whole_processes import bearing, children, eventually

FAILS = "print('no database'); raise SystemExit(4)"
HANGS = "import time; print('waiting', flush=True); time.sleep(600)"
SPEAKS = "print('good', 'morning', flush=True)\n" + GOOD


@contextmanager
def with_edge(data_dir: Path) -> Iterator[Runs]:
    with running(data_dir, start_timeout=2.0) as edge:
        yield edge.client


@contextmanager
def without_edge(data_dir: Path) -> Iterator[Runs]:
    store = Store(data_dir)
    config = settings(data_dir, start_timeout=2.0)
    nowhere = Nowhere()
    yield InProcess(config, sources(config, config.bind, store.database, lambda _: nowhere))
    store.close()


@pytest.fixture(params=[with_edge, without_edge])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with request.param(tmp_path) as runs:
        yield runs


def test_a_trial_answers_while_it_lasts_and_nothing_of_it_is_left(
    runs: Runs, tmp_path: Path
) -> None:
    project, code = make_project().text, put_code(tmp_path, "aa")
    with runs.trial("one", project, code) as trial:
        marked = ask(trial.address)
        assert bearing(f"JELOU_PROCESS={marked}")
    eventually(lambda: not bearing(f"JELOU_PROCESS={marked}"), "it has ended")


def test_a_trial_is_told_what_it_is_going_to_be(runs: Runs, tmp_path: Path) -> None:
    source = "from served import *\nserve(listen(), lambda path: os.environ['JELOU_DEPLOYMENT'])"
    project, code = make_project().text, put_code(tmp_path, "aa", source)
    with runs.trial("one", project, code, deployment="dep_12345678") as trial:
        assert ask(trial.address) == "dep_12345678"


def test_what_a_trial_writes_while_it_starts_is_told(runs: Runs, tmp_path: Path) -> None:
    said: list[str] = []
    project, code = make_project().text, put_code(tmp_path, "aa", SPEAKS)
    with runs.trial("one", project, code, said.append):
        assert "good morning" in "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "reason"),
    [(FAILS, "exit status 4(.|\n)*no database"), (HANGS, "within 2 s(.|\n)*waiting")],
)
def test_a_trial_that_does_not_start_says_why(
    runs: Runs, tmp_path: Path, source: str, reason: str
) -> None:
    project, code = make_project().text, put_code(tmp_path, "aa", source)
    with pytest.raises(RunFailed, match=reason), runs.trial("one", project, code):
        pass


@pytest.mark.parametrize(
    ("project", "code", "reason"),
    [
        ("{}", "aa", "function"),
        ('{"function":"one","upstream":"http://127.0.0.1:1"}', "aa", "not a project that"),
        (make_project("other").text, "aa", "not a project that"),
        (make_project().text, "bb", "not there any more"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    runs: Runs, tmp_path: Path, project: str, code: str, reason: str
) -> None:
    put_code(tmp_path, "aa")
    with pytest.raises(RunFailed, match=reason), runs.trial("one", project, code):
        pass


def test_an_adopted_trial_is_the_deployments_first_instance(tmp_path: Path) -> None:
    with running(tmp_path) as edge, edge.worker() as worker:
        project, code = make_project(scale={"min": 1}), put_code(tmp_path, "aa")
        with edge.client.trial("one", project.text, code) as trial:
            instance = ask(trial.address)
            deployment = edge.store.deploy(project, code)
            trial.adopt(deployment)
        up = worker.until(Up)
        assert (up.deployment, up.instance) == (deployment, instance)
        assert ask(up.address) == instance
        (process,) = edge.client.status("one").processes
        assert (process.instance, process.deployment) == (instance, deployment)


def test_a_request_before_the_adoption_finds_the_tried_process(tmp_path: Path) -> None:
    with running(tmp_path) as edge, edge.worker() as worker:
        project, code = make_project(), put_code(tmp_path, "aa")
        with edge.client.trial("one", project.text, code) as trial:
            instance = ask(trial.address)
            deployment = edge.store.deploy(project, code)
            worker.say(Need(deployment, 1))
            assert worker.until(Up).instance == instance
            trial.adopt(deployment)
        assert len(edge.client.status("one").processes) == 1


def test_one_that_is_not_needed_is_never_said_to_be_up_behind_its_leaving(tmp_path: Path) -> None:
    """A rollback to what has a process yet: requests would go to the one that is about to end."""
    with running(tmp_path) as edge, edge.worker() as worker:
        project, code = make_project(), put_code(tmp_path, "aa")
        former = edge.store.deploy(project, code)
        stays = worker.wake(former).instance
        worker.wake(edge.store.deploy_source(GOOD + "# another"))
        with edge.client.trial("one", project.text, code, deployment=former) as trial:
            instance = ask(trial.address)
            edge.store.roll_back("one", former)
            trial.adopt(former)
        worker.until(Leaving)
        worker.say(Clear(instance))
        worker.until(Gone)
        told = [m for m in worker.heard if isinstance(m, Up | Leaving | Gone)]
        assert [type(m) for m in told if m.instance == instance] == [Up, Leaving, Gone]
        assert [type(m) for m in told if m.instance == stays] == [Up]


def test_a_former_deployments_process_does_not_become_another_ones(tmp_path: Path) -> None:
    with running(tmp_path) as edge:
        project, code = make_project(), put_code(tmp_path, "aa")
        with (
            edge.client.trial("one", project.text, code) as trial,
            pytest.raises(RunFailed, match="no live deployment"),
        ):
            trial.adopt("dep_none")


def test_a_trial_whose_asker_is_killed_is_ended(tmp_path: Path) -> None:
    with running(tmp_path) as edge:
        project, code = make_project().text, put_code(tmp_path, "aa")
        asker = os.fork()
        if asker == 0:
            with Runner.connect(tmp_path).trial("one", project, code):
                time.sleep(600)
        eventually(lambda: len(children(edge.process.pid)) == 1, "the trial runs")
        os.kill(asker, signal.SIGKILL)
        os.waitpid(asker, 0)
        eventually(lambda: not children(edge.process.pid), "the trial has ended")


def test_no_runner_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="does not answer"):
        Runner.connect(tmp_path)
