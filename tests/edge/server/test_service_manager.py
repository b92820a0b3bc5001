"""What a service manager has of an edge: it serves on what is passed, and says what it does."""

import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from edge.server.service_manager import Manager, passed_sockets
from tests.support.processes import run
from tests.support.service_manager import activating, hearing
from tests.support.supervised_edge import UnixConnection, command, get, supervised


def test_sockets_that_are_passed_are_served_on_by_every_worker_and_stay(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = tmp_path / "edge.sock"
    by = activating(f"127.0.0.1:{port}", str(path))
    with hearing(tmp_path / "notify") as told:
        more = {**told.variables, "WATCHDOG_USEC": "200000"}
        with supervised(tmp_path / "data", by=by, env=more, workers=2) as edge:
            assert edge.address == f"http://127.0.0.1:{port}"
            assert told.next() == {"READY": "1", "STATUS": f"Serving on {edge.address}"}
            told.sign_of_life()
            with ExitStack() as stack:
                for worker in edge.workers():
                    edge.connection_to(worker, stack)
            unix = UnixConnection(path)
            assert get(unix, "/pid")[0] == 200
            unix.close()
            for worker in edge.workers():
                variables = Path(f"/proc/{worker}/environ").read_bytes()
                assert b"NOTIFY_SOCKET" not in variables
                assert b"LISTEN_FDS" not in variables
            os.kill(edge.pid, signal.SIGHUP)
            reloading = told.next()
            assert reloading["RELOADING"] == "1"
            assert int(reloading["MONOTONIC_USEC"]) > 0
            assert told.next() == {"READY": "1"}
        assert told.next() == {"STOPPING": "1"}
    assert path.exists()  # it is whose socket it is that removes it


def test_several_sockets_of_one_address_are_shared_out(tmp_path: Path) -> None:
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{kept.getsockname()[1]}"
        with supervised(tmp_path, by=activating(address, address), workers=2) as edge:
            assert {edge.get("/pid") for _ in range(60)} == {str(pid) for pid in edge.workers()}


def test_what_cannot_be_served_on_is_said(tmp_path: Path) -> None:
    edge = command(tmp_path)
    (tmp_path / "no-socket").touch()
    words = ["sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<{tmp_path}/no-socket', "sh"]
    done = run([*words, *edge])
    assert done.returncode == 1
    assert "Descriptor 3 is no socket" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_said_to_another_process_is_not_for_this_one() -> None:
    assert passed_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == {}
    assert passed_sockets({"LISTEN_FDS": "1"}) == {}
    other = {"NOTIFY_SOCKET": "/x", "WATCHDOG_PID": "1", "WATCHDOG_USEC": "1000"}
    assert Manager.of(other) == Manager("/x", 0.0)


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "nothing"])
def test_without_a_manager_nothing_is_told(address: str) -> None:
    assert Manager.of({"NOTIFY_SOCKET": address}) == Manager()
    Manager().tell("READY=1")


def test_it_is_heard_at_an_abstract_name_and_missed_by_nobody_where_it_is_gone() -> None:
    with hearing(f"@{uuid4()}") as told:
        manager = Manager.of(told.variables)
        manager.tell("READY=1")
        assert told.next() == {"READY": "1"}
    manager.tell("STOPPING=1")
