"""How an edge ends: within its bound, at once when told twice, leaving nothing behind."""

import http.client
import signal
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from edge.observe.pages import DIRECTORY
from tests.support.whole_edge import BROKEN, Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually, is_alive

SLUG = "shop"
READY = "/__edge/ready"
KEYS = {"mcp-session-keys.json", "mcp-sealing-keys.json"}
KEPT = {"edge.db", "edge.lock", "generation", "edge-id", "audit-head.json", "rates", *KEYS}


def readiness(edge: Edge) -> int | None:
    """What a load balancer is told, over a connection of its own; None if nothing answers."""
    with suppress(*BROKEN):
        caller = edge.caller()
        try:
            return caller.ask(READY).status
        finally:
            caller.close()
    return None


def wait_until_draining(edge: Edge) -> None:
    """Wait until every worker tells load balancers to go elsewhere."""
    for _ in range(5):  # each connection may land on another worker
        eventually(lambda: readiness(edge) == 503, "the edge says that it drains")


def exit_code(edge: Edge, seconds: float = 20) -> int:
    """Wait for the edge's end."""
    return edge.program.process.wait(seconds)


def test_a_drain_finishes_requests_ends_streams_and_closes_what_is_idle(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", workers=2) as edge:
        token = edge.deploy(SLUG, origin.url).token
        workers = edge.workers
        idle, busy, calling, streaming = (edge.caller() for _ in range(4))
        assert idle.ask(f"/{SLUG}/hello", token).status == 200
        busy.send(f"/{SLUG}/hold", token)
        calling.send_rpc(f"/{SLUG}/mcp", token, "tools/call", name="hold", arguments={})
        origin.wait_for_held(2)
        events = streaming.send(f"/{SLUG}/events", token).connection.getresponse()
        assert readiness(edge) == 200

        edge.program.process.terminate()
        wait_until_draining(edge)
        assert idle.was_closed()
        with pytest.raises(http.client.IncompleteRead):
            events.read()  # cut off, as it must not look like the function's own end
        origin.wait_until_left()
        origin.let_go.set()
        answer = busy.receive()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert calling.receive().json["result"] == {
            "content": [{"type": "text", "text": '{"held": ""}'}],
            "isError": False,
        }
        assert exit_code(edge) == 0
        assert not any(map(is_alive, workers))


def test_a_request_that_comes_during_a_drain_is_told_to_come_again(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data") as edge:
        token = edge.deploy(SLUG, origin.url).token
        edge.caller().send(f"/{SLUG}/hold", token)
        origin.wait_for_held(1)
        edge.program.process.terminate()
        wait_until_draining(edge)
        for target, method in ((f"/{SLUG}/hello", "GET"), (f"/{SLUG}/mcp", "POST")):
            assert edge.caller().ask(target, method=method, body=b"{}").status == 401
            answer = edge.caller().ask(target, token, method=method, body=b"{}")
            assert answer.status == 503
            assert b'"draining"' in answer.body
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["connection"] == "close"
        assert origin.requests == ["/openapi.json", "/hold"]


def test_a_drain_is_over_at_its_bound_whatever_the_function_does(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", "--drain-timeout", "0.5") as edge:
        token = edge.deploy(SLUG, origin.url).token
        [worker] = edge.workers
        busy = edge.caller().send(f"/{SLUG}/hold", token)
        origin.wait_for_held(1)
        edge.program.process.terminate()
        assert exit_code(edge) == 0
        assert not is_alive(worker)
        origin.wait_until_left()
        with pytest.raises(BROKEN):
            busy.receive()


@pytest.mark.slow
def test_a_second_signal_ends_the_edge_at_once(tmp_path: Path, origin: Function) -> None:
    with serving(tmp_path / "data", "--drain-timeout", "600", workers=2) as edge:
        token = edge.deploy(SLUG, origin.url).token
        workers = edge.workers
        edge.caller().send(f"/{SLUG}/hold", token)
        origin.wait_for_held(1)
        edge.program.process.terminate()
        wait_until_draining(edge)
        edge.program.process.terminate()
        exit_code(edge)
        assert not any(map(is_alive, workers))


@pytest.mark.slow
def test_workers_whose_parent_was_killed_finish_their_requests_and_end(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", workers=2) as edge:
        token = edge.deploy(SLUG, origin.url).token
        workers = edge.workers
        busy = edge.caller().send(f"/{SLUG}/hold", token)
        origin.wait_for_held(1)
        edge.program.process.kill()
        exit_code(edge)
        wait_until_draining(edge)
        origin.let_go.set()
        assert busy.receive().status == 200
        eventually(lambda: not any(map(is_alive, workers)), "no worker outlives its parent")
    with serving(tmp_path / "data") as edge:  # the socket that the dead one left is no hindrance
        caller = edge.caller()
        assert caller.ask(f"/{SLUG}/hello", token).status == 200


def test_a_clean_stop_leaves_the_store_and_the_keys_and_nothing_else(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    public = tmp_path / "public.sock"
    bind = ("--bind", "127.0.0.1:0", "--bind", f"unix:{public}")
    with serving(data_dir, *bind, workers=2) as edge:
        edge.deploy(SLUG, origin.url)
        assert public.is_socket()
        eventually((data_dir / DIRECTORY).is_dir, "metrics are kept")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
        assert KEPT | {"admin.sock"} <= modes.keys()
        assert modes.pop(DIRECTORY) == 0o700
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        edge.program.process.send_signal(signal.SIGINT)
        assert exit_code(edge) == 0
    left = {path.name for path in data_dir.iterdir()}
    assert left - {"edge.db-wal", "edge.db-shm"} == KEPT
    assert not public.exists()
