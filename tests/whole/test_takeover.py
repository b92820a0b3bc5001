"""An edge replaced while it runs: no client notices, and one that fails changes nothing."""

import os
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.code_projects import http_server, served_project
from tests.support.edge import isolated, jelou
from tests.support.processes import run
from tests.support.steady_callers import asks, calling, calls_a_tool
from tests.support.whole_edge import Edge, serve_command, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import children, eventually, is_alive

LANES = pytest.mark.parametrize(
    "lane", ["--fast-lane", pytest.param("--no-fast-lane", marks=pytest.mark.slow)]
)

OWN = http_server("""
def answer(path):
    if "slow" in path:
        time.sleep(1.5)
    return str(os.getpid())
""")


def ended(edge: Edge) -> int:
    """Wait until a whole edge has ended; its exit status."""
    return edge.program.process.wait(30)


@LANES
def test_500_requests_and_calls_of_a_session_do_not_notice_an_upgrade(
    tmp_path: Path, origin: Function, lane: str
) -> None:
    data_dir = tmp_path / "data"
    with ExitStack() as stack:
        old = stack.enter_context(serving(data_dir, lane, "--drain-timeout", "4", workers=2))
        token = old.deploy("shop", origin.url).token or ""
        session = old.caller().open_session("/shop/mcp", token)
        plain = calling(old.port, asks("/shop/hello", token))
        tools = calling(old.port, calls_a_tool("/shop/mcp", token, session))
        with plain as wrong, tools as wrong_too:
            new = stack.enter_context(serving(data_dir, lane, "--takeover", workers=2))
            assert new.port == old.port
            assert ended(old) == 0
        with new.caller_of_each_worker() as callers:
            for caller in callers.values():
                assert caller.ask("/shop/hello", token).status == 200
                assert caller.rpc("/shop/mcp", token, "tools/list", session).status == 200
    assert (wrong, wrong_too) == ([], [])


@pytest.mark.slow
@LANES
def test_what_is_open_is_ended_in_order_and_what_is_begun_is_finished(
    tmp_path: Path, origin: Function, lane: str
) -> None:
    data_dir = tmp_path / "data"
    with ExitStack() as stack:
        old = stack.enter_context(serving(data_dir, lane, "--drain-timeout", "8"))
        token = old.deploy("shop", origin.url).token or ""
        busy, stream, idle = (old.caller() for _ in range(3))
        session = busy.open_session("/shop/mcp", token)
        assert idle.ask("/shop/hello", token).status == 200
        headers = {"Mcp-Session-Id": session, "Accept": "text/event-stream"}
        stream.send("/shop/mcp", token, headers=headers)
        events = stream.connection.getresponse()
        assert events.status == 200
        busy.send("/shop/hold", token)
        origin.wait_for_held(1)

        new = stack.enter_context(serving(data_dir, lane, "--takeover"))
        events.read()  # to its last chunk: IncompleteRead if that is missing
        again = new.caller().send("/shop/mcp", token, headers=headers)
        assert again.connection.getresponse().status == 200
        assert is_alive(old.pid)
        late = idle.ask("/shop/hello", token)
        assert (late.status, late.headers["connection"]) == (200, "close")
        origin.let_go.set()
        assert busy.receive().status == 200
        assert ended(old) == 0
        assert new.caller().ask("/__edge/ready").status == 200


@pytest.mark.slow
def test_the_place_is_taken_again_and_again_and_left_clean(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    flags = ("--drain-timeout", "2")
    with ExitStack() as stack:
        edge = stack.enter_context(serving(data_dir, *flags, workers=2))
        token = edge.deploy("shop", origin.url).token
        for workers in (1, 3, 2):
            before = edge
            with calling(edge.port, asks("/shop/hello", token)) as wrong:
                edge = stack.enter_context(serving(data_dir, *flags, "--takeover", workers=workers))
                assert len(edge.workers) == workers
                assert ended(before) == 0
            assert wrong == []
            assert len(jelou(data_dir, "functions", "list")) == 1
        edge.program.process.terminate()
        assert ended(edge) == 0
        left = {path.name for path in data_dir.iterdir() if path.is_socket()}
        assert left == set()


@pytest.mark.slow
def test_where_no_edge_runs_there_is_nothing_to_take(tmp_path: Path, origin: Function) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, "--takeover") as edge:
        token = edge.deploy("shop", origin.url).token
        edge.program.process.kill()
        edge.program.process.wait()
    with serving(data_dir, "--takeover") as edge:  # of a killed one nothing is to be had either
        assert edge.caller().ask("/shop/hello", token).status == 200


@pytest.mark.slow
def test_one_that_cannot_start_leaves_the_edge_that_runs_as_it_was(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, workers=2) as edge, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        token = edge.deploy("shop", origin.url).token
        workers = edge.workers
        nowhere = str(tmp_path / "nowhere.pem")
        for flags in (
            ("--bind", "127.0.0.1:0", "--bind", taken),
            ("--certfile", nowhere, "--keyfile", nowhere),
            ("--loop", "none"),
        ):
            failed = run(
                serve_command(data_dir, "--takeover", *flags, workers=2), env=isolated(data_dir)
            )
            assert failed.returncode != 0
        for _ in range(3):
            killed_while_starting(data_dir)
        with calling(edge.port, asks("/shop/hello", token)) as wrong:
            pass
        assert wrong == []
        assert edge.workers == workers
        assert len(jelou(data_dir, "functions", "list")) == 1
        with serving(data_dir, "--takeover", "--drain-timeout", "1", workers=2) as successor:
            assert successor.caller().ask("/shop/hello", token).status == 200


def killed_while_starting(data_dir: Path) -> None:
    """Begin to take over, and be killed once the children are there."""
    command = serve_command(data_dir, "--takeover", workers=2)
    starting = subprocess.Popen(
        command,
        env={**os.environ, **isolated(data_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: len(children(starting.pid)) > 0, "it has begun")
    starting.kill()
    starting.wait()


@pytest.mark.slow
def test_functions_that_the_edge_runs_answer_throughout_and_end_with_their_edge(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    folder = served_project(tmp_path / "project", OWN)
    flags = ("--function-user", "same", "--drain-timeout", "5", "--stop-timeout", "2")
    with ExitStack() as stack:
        edge = stack.enter_context(serving(data_dir, *flags, workers=2))
        jelou(data_dir, "deploy", str(folder))
        pids = [int(edge.caller().ask("/own/").body)]
        for _ in range(2):
            slow = edge.caller().send("/own/slow")
            before = edge
            with calling(edge.port, asks("/own/", None)) as wrong:
                edge = stack.enter_context(serving(data_dir, *flags, "--takeover", workers=2))
                assert int(slow.receive().body) == pids[-1]
                assert ended(before) == 0  # until then either may accept
                pids.append(int(edge.caller().ask("/own/").body))
            assert wrong == []
            assert not is_alive(pids[-2])
            status = jelou(data_dir, "functions", "info", "own")
            assert [process["pid"] for process in status["run"]["processes"]] == [pids[-1]]
        assert len(set(pids)) == 3
        folder.joinpath("server.py").write_text(OWN + "# changed\n")
        assert jelou(data_dir, "deploy", str(folder))["changed"]
        edge.program.process.send_signal(signal.SIGKILL)
        edge.program.process.wait()
    with serving(data_dir, *flags) as fresh:
        assert int(fresh.caller().ask("/own/").body) not in pids
        assert not any(is_alive(pid) for pid in pids)
