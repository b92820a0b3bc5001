"""What clients and functions do not take does not pile up, and what has ended leaves nothing."""

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import PIECE, Function
from tests.support.whole_processes import (
    descriptors,
    eventually,
    forget_peak,
    memory,
    settled,
)

MIB = 1024 * 1024
SIZE = 64 * MIB
SLOW_ONES = 20
ALLOWED = 1 * MIB
"""Memory for each slow exchange, with what Python needs to keep account of it."""


@pytest.mark.slow
def test_clients_that_do_not_read_cost_no_memory(tmp_path: Path, origin: Function) -> None:
    with serving(tmp_path / "data") as edge:
        token = edge.deploy("shop", origin.url).token
        [worker] = edge.workers
        assert edge.caller().ask("/shop/hello", token).status == 200
        forget_peak(worker)
        before, _ = memory(worker)
        for _ in range(SLOW_ONES):
            edge.caller().send(f"/shop/download?{SIZE}", token)
        assert settled(lambda: origin.moved) < SLOW_ONES * SIZE
        assert memory(worker)[1] - before < SLOW_ONES * ALLOWED


@pytest.mark.slow
def test_functions_that_do_not_read_cost_no_memory(tmp_path: Path, origin: Function) -> None:
    with serving(tmp_path / "data") as edge:
        token = edge.deploy("shop", origin.url, limits={"body": None}).token or ""
        [worker] = edge.workers
        assert edge.caller().ask("/shop/hello", token).status == 200
        forget_peak(worker)
        before, _ = memory(worker)
        for _ in range(SLOW_ONES):
            caller = edge.caller()
            caller.connection.putrequest("POST", "/shop/hold")
            caller.connection.putheader("X-Jelou-Token", token)
            caller.connection.putheader("Content-Length", str(SIZE))
            caller.connection.endheaders()
            push(caller.connection.sock)
        origin.wait_for_held(SLOW_ONES)
        assert memory(worker)[1] - before < SLOW_ONES * ALLOWED
        origin.let_go.set()


def push(client: socket.socket) -> None:
    """Send until nobody takes anything any more."""
    client.settimeout(0.1)
    with suppress(TimeoutError):
        while True:
            client.sendall(PIECE)


@pytest.mark.slow
def test_what_has_ended_holds_no_descriptor(tmp_path: Path, origin: Function) -> None:
    with serving(tmp_path / "data") as edge:
        token = edge.deploy("shop", origin.url).token
        [worker] = edge.workers
        begin_and_leave(edge, origin, token, 10)
        few = settled(lambda: descriptors(worker))
        for _ in range(2):
            begin_and_leave(edge, origin, token, 10)
        eventually(lambda: descriptors(worker) <= few + 5, "all that was opened is closed again")


def begin_and_leave(edge: Edge, origin: Function, token: str | None, count: int) -> None:
    """Requests of every kind, which clients give up or end."""
    targets = (f"/shop/download?{SIZE}", "/shop/hold", "/shop/events", "/shop/hello", "/nowhere")
    for target in targets:
        callers = [edge.caller().send(target, token) for _ in range(count)]
        if target == "/shop/hold":
            origin.wait_for_held(count)
        else:
            for caller in callers:
                caller.connection.getresponse().close()
        for caller in callers:
            caller.close()
        if target in ("/shop/hold", "/shop/events"):
            for _ in range(count):
                origin.wait_until_left()
