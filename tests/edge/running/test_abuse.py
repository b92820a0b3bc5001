"""What functions do to an edge, in real processes: it says what happened, and is rid of them."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge.running.protocol import Clear, Failed, FunctionStatus, Gone, Leaving, Need, Up
from tests.support.runner import GOOD, Running, Worker, ask, python, running
from tests.support.whole_processes import children, eventually, is_alive, memory

NOTES = """
from served import *
def note(name, pid):
    with open(os.path.join(os.environ["NOTES"], name), "w") as file:
        file.write(str(pid))
"""
FORKS = (
    NOTES
    + """
def forked(name, then):
    pid = os.fork()
    if pid == 0:
        then()
        note(name, os.getpid())
        time.sleep(600)
    return pid
def twice():
    os.setsid()
    if os.fork():
        os._exit(0)
def renamed():
    os.setsid()
    if os.fork():
        os._exit(0)
    note("clean", os.getpid())
    os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)"], {})
forked("plain", lambda: None)
forked("session", os.setsid)
forked("twice", twice)
forked("clean", renamed)
server = listen()
while len(os.listdir(os.environ["NOTES"])) < 4:
    time.sleep(0.01)
serve(server)
"""
)
HOPS = (
    NOTES
    + """
def hop(name):
    note(name, os.getpgid(0))
    while True:
        if os.fork():
            os._exit(0)
for number in range(6):
    if os.fork() == 0:
        if number % 2:
            os.setsid()
        hop(str(number))
server = listen()
serve(server)
"""
)
LEAKS = """
from served import *
def leak(path):
    if path == "/leak":
        kept = [bytearray(b"x" * 1024 * 1024) for _ in range(400)]
        time.sleep(600)
serve(listen(), leak)
"""
FLOODS = (
    NOTES
    + """
import threading
def flood():
    line = b"x" * 1023 + b"\\n"
    for _ in range(int(os.environ["MIB"])):
        os.write(1, line * 1024)
    note("done", os.getpid())
threading.Thread(target=flood).start()
serve(listen())
"""
)
IGNORES = """
from served import *
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
serve(listen())
"""
HANGS = "import time; time.sleep(600)"
SILENT = "from served import *\nserver = listen()\ntime.sleep(600)"
TELLS_ITS_PORT = """
import os, time
open("port", "w").write(os.environ["PORT"])
time.sleep(600)
"""


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, function_user="same") as edge:
        yield edge


@pytest.fixture
def neighbour(edge: Running) -> Iterator[str]:
    """Another function, which answers before, meanwhile and after."""
    with edge.worker(9) as worker:
        up = worker.wake(edge.store.deploy_source(slug="neighbour"))
        assert ask(up.address) == up.instance
        yield up.address
        assert ask(up.address) == up.instance


@pytest.fixture
def notes(edge: Running, tmp_path: Path) -> Path:
    """Where functions write down pids."""
    directory = tmp_path / "notes"
    directory.mkdir()
    edge.store.set_secret("one", "NOTES", str(directory))
    return directory


def refused(edge: Running, worker: Worker, source: str, **keys: object) -> FunctionStatus:
    """Ask for a function that does not start; how it is then."""
    deployment = edge.store.deploy_source(source, **keys)
    worker.say(Need(deployment, 1))
    assert worker.until(Failed).deployment == deployment
    return edge.client.status("one")


def reason(status: FunctionStatus) -> str:
    assert status.last_exit is not None
    return status.last_exit.reason


def processes_of(edge: Running) -> list[int]:
    """Everything that descends from the runner."""
    found, waiting = [], [edge.process.pid]
    while waiting:
        new = children(waiting.pop())
        found += new
        waiting += new
    return found


def noted(directory: Path, count: int) -> list[int]:
    """The pids that a function has written down."""
    eventually(lambda: len(os.listdir(directory)) == count, "all have been noted")
    eventually(lambda: all(file.read_text() for file in directory.iterdir()), "written")
    return [int(file.read_text()) for file in directory.iterdir()]


@contextmanager
def answering(port: int) -> Iterator[None]:
    """A server that is nobody's function."""
    with ThreadingHTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("source", "said", "last_line"),
    [
        ("import sys; sys.exit(3)", "exit status 3", None),
        ("raise RuntimeError('no database')", "exit status 1", "RuntimeError: no database"),
        ("import os; os.abort()", "SIGABRT", None),
    ],
)
def test_a_crash_on_start_is_said_with_its_last_output(
    edge: Running, neighbour: str, source: str, said: str, last_line: str | None
) -> None:
    with edge.worker() as worker:
        status = refused(edge, worker, source)
        assert said in reason(status)
        assert "before it answered GET /__health" in reason(status)
        assert status.state == "backing off"
        assert status.last_exit is not None
        assert last_line is None or status.last_exit.output[-1] == last_line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-program"], "There is no program no-such-program"),
        (["./main.py"], "Permission denied"),
    ],
)
def test_a_program_that_cannot_be_run_is_said(edge: Running, command: list[str], said: str) -> None:
    with edge.worker() as worker:
        assert said in reason(refused(edge, worker, GOOD, command=command))


def test_code_that_is_not_there_is_said(edge: Running) -> None:
    with edge.worker() as worker:
        deployment = edge.store.deploy_source()
        (edge.data_dir / "code" / "one1" / "whole").unlink()
        worker.say(Need(deployment, 1))
        assert "deploy it again" in worker.until(Failed).reason


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (HANGS, "it listens neither on LISTEN_SOCKET nor on PORT"),
        (SILENT, "it takes connections, but sends no answer"),
    ],
)
def test_a_start_that_hangs_is_ended_and_said(tmp_path: Path, source: str, said: str) -> None:
    with running(tmp_path, start_timeout=0.7) as edge, edge.worker() as worker:
        status = refused(edge, worker, source)
        assert f"did not answer GET /__health within 0.7 s: {said}" in reason(status)
        for process in status.processes:
            eventually(lambda pid=process.pid: not is_alive(pid), "it has ended")


@pytest.mark.slow
def test_somebody_else_who_listens_on_its_port_is_not_taken_for_it(tmp_path: Path) -> None:
    same = running(tmp_path, start_timeout=2.0, function_user="same")
    with same as edge, edge.worker() as worker:
        worker.say(Need(edge.store.deploy_source(TELLS_ITS_PORT), 1))
        port = edge.data_dir / "code" / "one1" / "files" / "port"
        eventually(lambda: port.exists() and bool(port.read_text()), "the port is known")
        with answering(int(port.read_text())):
            assert "within 2 s" in worker.until(Failed).reason


@pytest.mark.slow
def test_a_process_that_takes_too_much_memory_is_ended_and_another_started(tmp_path: Path) -> None:
    limit = 200 * 1024 * 1024
    with running(tmp_path, function_memory=limit) as edge, edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(LEAKS))
        with pytest.raises(RemoteDisconnected):
            ask(up.address, "/leak")
        assert worker.until(Up).instance != up.instance
        said = reason(edge.client.status("one"))
    assert "function_memory is 200 MiB" in said
    assert said.startswith("It used ")


@pytest.mark.parametrize("end", ["delete", "stop"])
def test_nothing_that_a_function_has_forked_is_left(edge: Running, notes: Path, end: str) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(FORKS))
        forks = noted(notes, 4)
        eventually(lambda: edge.client.status("one").processes[0].processes == 5, "all are seen")
        assert all(map(is_alive, forks))
        if end == "stop":
            edge.stop()
        else:
            edge.store.delete("one")
            worker.until(Leaving)
            worker.say(Clear(up.instance))
            worker.until(Gone)
        assert not any(map(is_alive, forks))


@pytest.mark.slow
def test_processes_that_change_their_numbers_all_the_time_are_ended(
    edge: Running, notes: Path
) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(HOPS))
        groups = set(noted(notes, 6))
        edge.store.delete("one")
        worker.until(Leaving)
        worker.say(Clear(up.instance))
        worker.until(Gone)
        assert len(groups) == 4
        eventually(lambda: not any(map(has_group, groups)), "not even a zombie is left")


def has_group(group: int) -> bool:
    """Whether a process is in this group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_crash_takes_forks_with_it(edge: Running, notes: Path) -> None:
    with edge.worker() as worker:
        worker.wake(edge.store.deploy_source(FORKS))
        forks = noted(notes, 4)
        status = edge.client.status("one")
        os.kill(status.processes[0].pid, signal.SIGKILL)
        eventually(lambda: not any(map(is_alive, forks)), "the forks have ended")


def test_what_a_killed_runner_leaves_is_ended_by_the_next(edge: Running, notes: Path) -> None:
    with edge.worker() as worker:
        worker.wake(edge.store.deploy_source(FORKS))
        forks = noted(notes, 4)
        (leader,) = [process.pid for process in edge.client.status("one").processes]
        edge.stop(signal.SIGKILL)
        eventually(lambda: not is_alive(leader), "the leader ends with the runner")
    with running(edge.data_dir):
        assert not any(map(is_alive, forks))


def flood(edge: Running, notes: Path, mib: int) -> None:
    edge.store.set_secret("one", "MIB", str(mib))
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(FLOODS))
        before = memory(edge.process.pid)[0]
        while not os.listdir(notes):
            assert ask(up.address) == up.instance
    assert memory(edge.process.pid)[1] - before < 64 * 1024 * 1024
    kept = sum(file.stat().st_size for file in (edge.data_dir / "logs").rglob("*.jsonl"))
    assert kept < 128 * 1024 * 1024


def test_a_flood_of_output_harms_nobody(edge: Running, notes: Path, neighbour: str) -> None:
    flood(edge, notes, 200)
    assert ask(neighbour)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_gigabyte_of_output_harms_nobody(edge: Running, notes: Path, neighbour: str) -> None:
    flood(edge, notes, 1024)
    assert ask(neighbour)


def test_a_process_that_ignores_sigterm_is_ended_all_the_same(tmp_path: Path) -> None:
    with running(tmp_path, stop_timeout=0.5) as edge, edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(IGNORES))
        (process,) = edge.client.status("one").processes
        edge.store.delete("one")
        worker.until(Leaving)
        worker.say(Clear(up.instance))
        worker.until(Gone)
        assert not is_alive(process.pid)


def test_the_runner_ends_although_a_function_ignores_sigterm(tmp_path: Path) -> None:
    with running(tmp_path, stop_timeout=0.5) as edge, edge.worker() as worker:
        worker.wake(edge.store.deploy_source(IGNORES))
        pids = processes_of(edge)
        assert pids
        assert edge.stop() == 0
        assert not any(map(is_alive, pids))


def test_a_process_that_exits_amid_a_request_is_said(edge: Running, neighbour: str) -> None:
    source = """
from served import *
def broken(path):
    print("amid", flush=True)
    os._exit(0)
serve(listen(), broken)
"""
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(source))
        with pytest.raises(RemoteDisconnected):
            ask(up.address)
        worker.until(Up)
        status = edge.client.status("one")
    assert reason(status) == "It ended with exit status 0."
    assert status.last_exit is not None
    assert status.last_exit.output == ("amid",)


def test_open_files_are_limited_and_core_dumps_off(tmp_path: Path) -> None:
    source = """
from served import *
import resource
serve(listen(), lambda path: [resource.getrlimit(resource.RLIMIT_NOFILE),
                              resource.getrlimit(resource.RLIMIT_CORE)])
"""
    with running(tmp_path, function_descriptors=64) as edge, edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source(source, command=python()))
        assert ask(up.address) == "[(64, 64), (0, 0)]"


def test_no_directory_of_an_instance_is_left(edge: Running) -> None:
    with edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source())
        room = Path(up.address.removeprefix("unix:")).parent
        assert room.is_dir()
        edge.stop()
        assert not room.exists()
