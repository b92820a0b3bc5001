"""Processes: workers die and are replaced, drains are bounded, nothing is left behind."""

import os
import signal
import socket
import stat
from contextlib import ExitStack, closing, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.support.processes import run
from tests.support.supervised_edge import (
    ask,
    begin,
    children,
    command,
    connection,
    get,
    kill,
    runs,
    supervised,
    until,
)


def test_killing_one_of_two_workers_fails_only_its_requests_and_it_is_replaced(
    tmp_path: Path,
) -> None:
    with supervised(tmp_path, workers=2) as edge, ExitStack() as stack:
        victim, survivor = edge.workers()
        doomed = [edge.connection_to(victim, stack) for _ in range(3)]
        safe = [edge.connection_to(survivor, stack) for _ in range(3)]
        cut, kept = ([begin(client, "/slow?1") for client in group] for group in (doomed, safe))
        kill(victim)
        for answer in cut:
            with pytest.raises((OSError, HTTPException)):
                answer.read()
        assert [answer.read() for answer in kept] == [b"begun done"] * 3
        until(lambda: len(edge.workers()) == 2)
        (replacement,) = edge.workers() - {survivor}
        edge.connection_to(replacement, stack)
        assert [get(client, "/pid") for client in safe] == [(200, str(survivor))] * 3


def test_the_only_worker_is_replaced_and_connections_meanwhile_wait_for_it(
    tmp_path: Path,
) -> None:
    with supervised(tmp_path) as edge:
        (victim,) = edge.workers()
        kill(victim)
        assert edge.get("/pid") != str(victim)


def test_every_worker_is_given_connections(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=2) as edge:
        assert {edge.get("/pid") for _ in range(60)} == {str(pid) for pid in edge.workers()}


def test_sigterm_drains_readiness_flips_the_request_finishes_and_all_end(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=2) as edge, closing(connection(edge.address)) as client:
        workers = edge.workers()
        answer = begin(client, "/slow?1.5")
        edge.program.process.send_signal(signal.SIGTERM)
        until(lambda: _ready(edge.address) != 200)
        assert answer.read() == b"begun done"
        assert edge.program.process.wait(5) == 0
        assert not any(runs(pid) for pid in workers)


@pytest.mark.slow
def test_a_worker_that_drains_before_the_others_leaves_nobody_waiting(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=2) as edge, closing(connection(edge.address, 20)) as client:
        answer = begin(client, "/slow?4")
        edge.program.process.send_signal(signal.SIGTERM)
        until(lambda: len(edge.workers()) == 1)
        until(lambda: {_ready(edge.address) for _ in range(20)} == {503})
        assert answer.read() == b"begun done"


def test_a_drain_is_bounded(tmp_path: Path) -> None:
    with (
        supervised(tmp_path, drain_timeout=0.3) as edge,
        closing(connection(edge.address, 20)) as client,
    ):
        answer = begin(client, "/slow?60")
        edge.program.process.send_signal(signal.SIGTERM)
        assert edge.program.process.wait(8) == 0
        with pytest.raises((OSError, HTTPException)):
            answer.read()


def test_a_second_signal_ends_everything_now(tmp_path: Path) -> None:
    with (
        supervised(tmp_path, drain_timeout=60) as edge,
        closing(connection(edge.address, 50)) as client,
    ):
        workers = edge.workers()
        begin(client, "/slow?60")
        edge.program.process.send_signal(signal.SIGINT)
        until(lambda: _ready(edge.address) == 503)
        edge.program.process.send_signal(signal.SIGINT)
        edge.program.process.wait(5)
        assert not any(runs(pid) for pid in workers)


def test_no_worker_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=2) as edge:
        workers = edge.workers()
        assert len(workers) == 2
        kill(edge.pid)
        until(lambda: not any(runs(pid) for pid in workers))


def test_the_edge_starts_again_after_a_supervisor_was_killed(tmp_path: Path) -> None:
    with supervised(tmp_path) as edge:
        workers = edge.workers()
        kill(edge.pid)
        until(lambda: not any(runs(pid) for pid in workers))
    with supervised(tmp_path) as edge:
        assert ask(str(tmp_path / "admin.sock"), "/")[1] == "local admin"


def test_a_port_in_use_is_one_clear_line_and_exit_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run(command(tmp_path, bind=[address]))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{address} cannot be bound: another program listens there")
    assert done.stderr.count("\n") == 1


def test_another_edge_on_the_same_port_is_noticed(tmp_path: Path) -> None:
    with supervised(tmp_path / "one") as edge:
        done = run(command(tmp_path / "two", bind=[edge.address.removeprefix("http://")]))
    assert done.returncode == 1
    assert "another program listens there" in done.stderr
    assert not (tmp_path / "two" / "admin.sock").exists()


def test_another_edge_on_the_same_data_directory_is_refused(tmp_path: Path) -> None:
    with supervised(tmp_path) as edge:
        done = run(command(tmp_path))
        assert edge.get("/ready") == "ready"
        assert ask(str(tmp_path / "admin.sock"), "/")[1] == "local admin"
    assert done.returncode == 1
    assert done.stderr == f"Another edge runs on this data directory ({tmp_path}).\n"


def test_a_worker_that_does_not_start_ends_the_edge_with_its_reason(tmp_path: Path) -> None:
    done = run(command(tmp_path, "tests.support.edge_server_app:failing", workers=2))
    assert done.returncode == 1
    assert "The edge cannot start: RuntimeError: the store is corrupt" in done.stderr
    assert "ready" not in done.stdout
    assert not (tmp_path / "admin.sock").exists()


def test_a_deploy_at_start_that_fails_ends_the_edge_with_its_reason(tmp_path: Path) -> None:
    done = run(command(tmp_path, on_ready="the project file is broken"))
    assert done.returncode == 1
    assert done.stderr == "the project file is broken\n"
    assert "▸ Edge ready on " in done.stdout


def test_a_data_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(command(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert "--data-dir" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_admin_socket_is_the_owners_alone_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with supervised(tmp_path, workers=2):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ask(str(tmp_path / "admin.sock"), "/")[1] == "local admin"
    assert not path.exists()


def test_a_file_in_the_place_of_the_admin_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "admin.sock").write_text("precious")
    done = run(command(tmp_path))
    assert done.returncode == 1
    assert (tmp_path / "admin.sock").read_text() == "precious"


def test_the_admin_address_serves_the_remote_management_app(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with supervised(tmp_path, workers=2, admin=address):
        for _ in range(4):
            assert ask(f"http://{address}", "/")[1] == "remote admin"


def test_a_unix_socket_and_several_addresses_are_served(tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    binds = ["127.0.0.1:0", "[::1]:0", f"unix:{path}"]
    with supervised(tmp_path, workers=2, bind=binds) as edge:
        assert ask(str(path), "/ready")[1] == "ready"
        assert "▸ Also on http://[::1]:" in edge.program.output()
        assert edge.get("/ready") == "ready"


def test_nothing_about_the_edge_stands_in_the_workers_arguments(tmp_path: Path) -> None:
    with supervised(tmp_path, domain="secret.example") as edge:
        (worker,) = edge.workers()
        said = Path(f"/proc/{worker}/cmdline").read_bytes()
        environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"secret.example" not in said + environment


def test_sigint_from_a_terminal_drains(tmp_path: Path) -> None:
    with supervised(tmp_path) as edge:
        everyone = {edge.pid, *children(edge.pid)}
        for pid in everyone:
            with suppress(ProcessLookupError):  # the parent may have ended its workers already
                os.kill(pid, signal.SIGINT)
        assert edge.program.process.wait(5) == 0
        assert not any(runs(pid) for pid in everyone)


def test_a_data_directory_whose_path_is_too_long_is_a_clear_error(tmp_path: Path) -> None:
    done = run(command(tmp_path / ("x" * 120)))
    assert done.returncode == 1
    assert "too long for a Unix socket" in done.stderr
    assert "--data-dir" in done.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_the_ready_line_is_exact(tmp_path: Path, workers: int) -> None:
    with supervised(tmp_path, workers=workers) as edge:
        assert list(edge.program.lines) == [f"▸ Edge ready on {edge.address}\n"]
        assert edge.address.startswith("http://127.0.0.1:")


def test_it_says_where_the_console_is(tmp_path: Path) -> None:
    for wanted, lines in ((True, 2), (False, 1)):
        with supervised(tmp_path, admin="127.0.0.1:0", console=wanted) as edge:
            told = list(edge.program.lines)
            assert len(told) == lines
            assert told[1:] == [each for each in told if "▸ Console on http://127.0.0.1:" in each]
            assert all(each.endswith("/admin/console/\n") for each in told[1:])


def _ready(address: str) -> int:
    try:
        return ask(address, "/ready", 2)[0]
    except OSError:
        return 0


@pytest.mark.parametrize(
    ("loop", "module"),
    [("asyncio", "asyncio."), ("uvloop", "uvloop"), ("auto", "uvloop")],
)
def test_a_worker_runs_on_the_event_loop_of_the_settings(
    tmp_path: Path, loop: str, module: str
) -> None:
    pytest.importorskip("uvloop")
    with supervised(tmp_path, loop=loop) as edge:
        assert edge.get("/loop").startswith(module)


@pytest.fixture
def without_uvloop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes find no uvloop, as on a platform for which it has no builds."""
    (tmp_path / "uvloop.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("without_uvloop")
def test_without_uvloop_a_worker_runs_on_asyncio(tmp_path: Path) -> None:
    with supervised(tmp_path) as edge:
        assert edge.get("/loop").startswith("asyncio.")


@pytest.mark.usefixtures("without_uvloop")
def test_to_ask_for_a_uvloop_that_is_not_installed_says_what_to_do(tmp_path: Path) -> None:
    done = run(command(tmp_path, loop="uvloop"))
    assert done.returncode == 1
    assert done.stderr == (
        "The edge cannot start: loop is uvloop, which is not installed: "
        "install the package uvloop, or set loop to auto or asyncio.\n"
    )
