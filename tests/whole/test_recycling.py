"""Workers that give their place to others while they serve: no client notices, none piles up."""

from pathlib import Path

import pytest

from tests.support.code_projects import http_server, served_project
from tests.support.edge import jelou
from tests.support.steady_callers import asks, calling, calls_a_tool
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually, is_alive

LANES = pytest.mark.parametrize(
    ("lane", "recyclings"),
    [
        ("--fast-lane", 2),
        pytest.param("--fast-lane", 8, marks=pytest.mark.slow),
        pytest.param("--no-fast-lane", 4, marks=pytest.mark.slow),
    ],
)
OWN = http_server("""
def answer(path):
    return "own"
""")


def wait_for_recyclings(edge: Edge, count: int) -> set[int]:
    """Wait until so many workers have come anew; the process ids of all that were there.

    There are never more than one too many at a time.
    """
    first = set(edge.workers)
    seen = set(first)

    def come() -> bool:
        now = edge.workers
        assert len(now) <= len(first) + 1
        seen.update(now)
        return len(seen) >= len(first) + count

    eventually(come, "workers have been replaced", seconds=60)
    return seen


@LANES
def test_500_requests_and_calls_of_a_session_do_not_notice_that_workers_are_recycled(
    tmp_path: Path, origin: Function, lane: str, recyclings: int
) -> None:
    flags = (lane, "--worker-lifetime", "2s", "--drain-timeout", "3", "--access-log", "off")
    with serving(tmp_path, *flags, workers=2) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        session = edge.caller().open_session("/shop/mcp", token)
        plain = calling(edge.port, asks("/shop/hello", token))
        tools = calling(edge.port, calls_a_tool("/shop/mcp", token, session))
        with plain as wrong, tools as wrong_too:
            wait_for_recyclings(edge, recyclings)
        assert (wrong, wrong_too) == ([], [])
        said = edge.program.output()
        assert "gives its place to another: its lifetime is over" in said
        assert "it is replaced" not in said


@pytest.mark.slow
def test_functions_that_the_edge_runs_go_on_in_the_same_process(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    folder = served_project(tmp_path / "project", OWN)
    flags = ("--function-user", "same", "--worker-lifetime", "2s", "--drain-timeout", "3")
    with serving(data_dir, *flags, workers=2) as edge:
        jelou(data_dir, "deploy", str(folder))
        before = jelou(data_dir, "functions", "info", "own")["run"]["processes"]
        with calling(edge.port, asks("/own/", None)) as wrong:
            wait_for_recyclings(edge, 4)
        assert wrong == []
        after = jelou(data_dir, "functions", "info", "own")["run"]["processes"]
        assert [process["pid"] for process in after] == [process["pid"] for process in before]


@pytest.mark.slow
def test_streams_end_in_order_what_is_begun_is_finished_and_what_is_stuck_is_cut(
    tmp_path: Path, origin: Function
) -> None:
    flags = ("--worker-lifetime", "3s", "--drain-timeout", "4")
    with serving(tmp_path, *flags) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        (worker,) = edge.workers
        busy, stream, idle = (edge.caller() for _ in range(3))
        session = busy.open_session("/shop/mcp", token)
        assert idle.ask("/shop/hello", token).status == 200
        headers = {"Mcp-Session-Id": session, "Accept": "text/event-stream"}
        stream.send("/shop/mcp", token, headers=headers)
        events = stream.connection.getresponse()
        busy.send("/shop/hold", token)
        origin.wait_for_held(1)
        events.read()  # to its last chunk: IncompleteRead if that is missing
        assert is_alive(worker)
        late = idle.ask("/shop/hello", token)
        assert (late.status, late.headers["connection"]) == (200, "close")
        eventually(lambda: not is_alive(worker), "the stuck worker is gone", seconds=30)
        assert busy.was_closed()
        origin.let_go.set()
        assert edge.caller().ask("/shop/hello", token).status == 200


@pytest.mark.slow
def test_a_worker_beyond_its_memory_is_replaced_again_and_again_but_not_at_once(
    tmp_path: Path, origin: Function
) -> None:
    flags = ("--worker-memory", "1MiB", "--drain-timeout", "1", "--access-log", "off")
    with serving(tmp_path, *flags) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        with calling(edge.port, asks("/shop/hello", token)) as wrong:
            wait_for_recyclings(edge, 2)
        assert wrong == []
        assert "gives its place to another: it takes " in edge.program.output()


@pytest.mark.slow
def test_an_edge_that_is_stopped_amid_a_recycling_leaves_nothing(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path, "--worker-lifetime", "1s", "--drain-timeout", "1", workers=2) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        assert edge.caller().ask("/shop/hello", token).status == 200
        seen = wait_for_recyclings(edge, 1)
        edge.program.process.terminate()
        assert edge.program.process.wait(20) == 0
        assert not any(is_alive(pid) for pid in seen)
