"""Functions in real processes: started on demand, told what they are, put to sleep, replaced."""

import json
import os
import signal
from collections.abc import Iterator
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from edge.running.protocol import Clear, Doubt, Gone, Hello, Leaving, Load, Need, Up
from edge.running.runs import RunFailed
from tests.support.runner import GOOD, Running, ask, python, running
from tests.support.whole_processes import eventually, is_alive

SHOWS_ENVIRONMENT = """
from served import *
import json
def shown(path):
    return json.dumps([dict(os.environ), os.getcwd(), os.listdir("/proc/self/fd")])
serve(listen(), shown)
"""
ON_PORT = """
import socket
from served import serve, os
server = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
serve(server)
"""
NODE = """
require("http")
  .createServer((_, answer) => answer.end(process.env.JELOU_PROCESS))
  .listen(process.env.LISTEN_SOCKET);
"""


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as edge:
        yield edge


def is_known(edge: Running, slug: str = "one") -> bool:
    try:
        edge.client.status(slug)
    except RunFailed:
        return False
    return True


def pids(edge: Running, slug: str = "one") -> list[int]:
    """The leaders of a function's processes."""
    return [process.pid for process in edge.client.status(slug).processes]


def test_a_function_that_nobody_asks_for_has_no_process(edge: Running) -> None:
    edge.store.deploy_source()
    eventually(lambda: is_known(edge), "the runner knows it")
    status = edge.client.status("one")
    assert status.state == "sleeping"
    assert status.processes == ()


def test_a_request_that_waits_starts_one_process_which_answers(edge: Running) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source())
        assert ask(up.address) == up.instance
        status = edge.client.status("one")
    assert status.state == "up"
    assert [process.instance for process in status.processes] == [up.instance]
    assert status.processes[0].memory > 0
    assert status.processes[0].processes == 1


@pytest.mark.parametrize(
    ("source", "command", "scheme"),
    [
        (GOOD, python(), "unix:/"),
        (ON_PORT, python(), "http://127.0.0.1:"),
        (NODE, ["node", "main.py"], "unix:/"),
    ],
    ids=["socket", "port", "node"],
)
def test_a_function_listens_where_it_likes(
    edge: Running, source: str, command: list[str], scheme: str
) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(source, command=command))
        assert up.address.startswith(scheme)
        assert ask(up.address) == up.instance


def test_two_thousand_needs_start_one_process(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source()
        worker.say(*(Need(deployment, waiting) for waiting in range(1, 2001)))
        worker.until(Up)
        assert len(pids(edge)) == 1
        assert edge.client.status("one").waiting == 2000
        assert sum(isinstance(message, Up) for message in worker.heard) == 1


def test_a_process_sees_nothing_of_the_edge(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source(SHOWS_ENVIRONMENT)
        up = worker.wake(deployment)
        environment, directory, descriptors = json.loads(ask(up.address))
    environment.pop("LC_CTYPE", None)  # Python's own doing (PEP 538)
    home = environment["HOME"]
    assert environment == {
        **{name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ},
        "PORT": environment["PORT"],
        "HOST": "127.0.0.1",
        "LISTEN_SOCKET": up.address.removeprefix("unix:"),
        "JELOU_FUNCTION": "one",
        "JELOU_DEPLOYMENT": deployment,
        "JELOU_URL": "http://127.0.0.1:8080/one",
        "JELOU_PROCESS": up.instance,
        "HOME": home,
        "TMPDIR": home,
        "PYTHONUNBUFFERED": "1",
    }
    assert directory.startswith(str(edge.data_dir / "code"))
    assert sorted(descriptors) == ["0", "1", "2", "3", "4", "5"]  # listening, the client, the list
    assert not Path(home).is_relative_to(directory)


def test_a_process_has_its_secrets(edge: Running) -> None:
    edge.store.set_secret("one", "API_KEY", "k-1")
    edge.store.set_secret("two", "OTHER", "k-2")
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(SHOWS_ENVIRONMENT))
        environment = json.loads(ask(up.address))[0]
    assert environment["API_KEY"] == "k-1"
    assert "OTHER" not in environment


def test_an_idle_process_sleeps_once_the_worker_is_clear_of_it(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source(scale={"idle": 1})
        up = worker.wake(deployment)
        (pid,) = pids(edge)
        assert worker.until(Leaving) == Leaving(deployment, up.instance)
        assert is_alive(pid)
        worker.say(Clear(up.instance))
        worker.until(Gone)
        assert not is_alive(pid)
        status = edge.client.status("one")
        assert (status.state, status.processes, status.last_exit) == ("sleeping", (), None)
        assert ask(worker.wake(deployment).address) != up.instance


def test_more_in_flight_than_one_process_takes_starts_another(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source(scale={"max": 2, "concurrency": 2})
        first = worker.wake(deployment)
        assert first.concurrency == 2
        worker.say(Load(deployment, 3))
        assert worker.until(Up).instance != first.instance
        assert len(pids(edge)) == 2


def test_a_minimum_runs_before_anybody_asks(edge: Running) -> None:
    with edge.worker() as worker:
        edge.store.deploy_source(scale={"min": 2, "max": 2})
        assert worker.until(Up).instance != worker.until(Up).instance


def test_a_worker_that_comes_later_is_told_what_is_up(edge: Running) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source())
        with edge.worker(1) as other:
            assert other.heard[0] == up


def test_a_crash_is_followed_by_another_process(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source(
            "from served import *\nserve(listen(), lambda path: os._exit(7))"
        )
        up = worker.wake(deployment)
        with pytest.raises(RemoteDisconnected):
            ask(up.address, "/crash")
        assert worker.until(Gone) == Gone(deployment, up.instance)
        assert worker.until(Up).instance != up.instance
        status = edge.client.status("one")
    assert status.state == "up"
    assert status.restarts == 1
    assert status.last_exit is not None
    assert status.last_exit.reason == "It ended with exit status 7."


def test_a_worker_that_doubts_a_process_is_told_whether_it_lives(edge: Running) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source())
        worker.say(Doubt(up.deployment, up.instance))
        assert worker.until(Up) == up
        [pid] = pids(edge)
        os.kill(pid, signal.SIGKILL)
        worker.say(Doubt(up.deployment, up.instance))
        gone = Gone(up.deployment, up.instance)
        assert worker.until(Gone) == gone
        eventually(lambda: not pids(edge), "nothing is left of it")
        worker.say(Doubt(up.deployment, up.instance))
        while worker.until(Gone) != gone:
            pass
        assert up not in worker.heard[worker.heard.index(gone) :]


def test_a_new_deployment_takes_over_and_the_old_one_ends(tmp_path: Path) -> None:
    with running(tmp_path, queue_timeout=0.0) as edge, edge.worker() as worker:
        old = worker.wake(edge.store.deploy_source())
        (pid,) = pids(edge)
        deployment = edge.store.deploy_source()
        assert worker.until(Up).deployment == deployment
        assert is_alive(pid)
        assert worker.until(Leaving).instance == old.instance
        worker.say(Clear(old.instance))
        assert worker.until(Gone).instance == old.instance
        assert not is_alive(pid)
        assert pid not in pids(edge)


def test_a_deleted_function_has_no_process(edge: Running) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source())
        (pid,) = pids(edge)
        edge.store.delete("one")
        assert worker.until(Leaving).instance == up.instance
        worker.say(Clear(up.instance))
        worker.until(Gone)
        assert not is_alive(pid)
        assert not is_known(edge)


def test_a_restart_gives_new_processes_the_secrets_of_now(edge: Running) -> None:
    source = "from served import *\nserve(listen(), lambda path: os.environ['API_KEY'])"
    edge.store.set_secret("one", "API_KEY", "old")
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(source))
        assert ask(up.address) == "old"
        edge.store.set_secret("one", "API_KEY", "new")
        edge.client.restart("one")
        assert ask(worker.until(Up).address) == "new"
        assert worker.until(Leaving).instance == up.instance


def test_a_restart_that_fails_leaves_the_former_process_up(edge: Running) -> None:
    source = "from served import *\nassert 'API_KEY' not in os.environ\n" + GOOD
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(source))
        edge.store.set_secret("one", "API_KEY", "new")
        with pytest.raises(RunFailed, match="AssertionError"):
            edge.client.restart("one")
        assert ask(up.address) == up.instance


def test_a_restart_of_what_sleeps_starts_nothing(edge: Running) -> None:
    edge.store.deploy_source()
    eventually(lambda: is_known(edge), "the runner knows it")
    edge.client.restart("one")
    assert pids(edge) == []


def test_a_function_that_is_not_run_here_has_no_status(edge: Running) -> None:
    with pytest.raises(RunFailed, match="runs no function none"):
        edge.client.status("none")


def test_a_newer_connection_of_a_slot_takes_the_place_of_the_older(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source()
        worker.say(Load(deployment, 5))
        with edge.worker() as newer:
            with pytest.raises((AssertionError, OSError)):
                worker.until(Up)
            newer.wake(deployment)
            assert edge.client.status("one").active == 0


def test_what_is_no_message_ends_the_connection_and_nothing_else(edge: Running) -> None:
    with edge.worker() as worker, edge.worker(1) as other:
        other._socket.sendall(b'{"op":"teapot"}\n')
        with pytest.raises((AssertionError, OSError)):
            other.until(Hello)
        worker.wake(edge.store.deploy_source())


def test_the_socket_is_the_edges_alone(edge: Running) -> None:
    assert (edge.data_dir / "runner.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_functions_end_with_the_runner(edge: Running, number: signal.Signals) -> None:
    with edge.worker() as worker:
        worker.wake(edge.store.deploy_source())
        (pid,) = pids(edge)
        edge.stop(number)
        eventually(lambda: not is_alive(pid), "the function has ended")
