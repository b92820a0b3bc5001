"""An edge under a service manager that is told to reload, or started by a first connection."""

import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.edge import isolated, jelou
from tests.support.processes import stop
from tests.support.service_manager import Told, activating, hearing
from tests.support.steady_callers import asks, calling
from tests.support.tools import tool
from tests.support.whole_edge import Caller, serve_command, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually, is_alive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def status(port: int, token: str) -> int:
    """What a token is answered with where not every edge looks for it."""
    with closing(Caller(port)) as caller:
        return caller.ask("/shop/hello", headers={"X-Api-Key": token}).status


def reloads(pid: int, told: Told) -> dict[str, str]:
    """Have an edge reload; what it says once that is over."""
    os.kill(pid, signal.SIGUSR2)
    assert told.next()["RELOADING"] == "1"
    return told.next()


def test_a_reload_takes_up_new_settings_on_the_same_sockets_and_loses_no_request(
    tmp_path: Path, origin: Function
) -> None:
    toml, port = tmp_path / "edge.toml", free_port()
    toml.write_text("")
    flags = ("--config", str(toml), "--drain-timeout", "3")
    by = activating(f"127.0.0.1:{port}")
    with (
        hearing(tmp_path / "notify") as told,
        serving(tmp_path / "data", *flags, by=by, env=told.variables) as edge,
    ):
        assert told.next()["READY"] == "1"
        token = edge.deploy("shop", origin.url).token or ""
        assert status(port, token) == 401
        toml.write_text("nonsense = 1\n")
        assert reloads(edge.pid, told) == {"READY": "1"}
        eventually(lambda: "this one goes on" in edge.program.output(), "it is said")
        toml.write_text('accept_tokens_in = ["x-api-key"]\n')
        with calling(port, asks("/shop/hello", token)) as wrong:
            ended = reloads(edge.pid, told)
            ended |= told.next()  # both edges say that they are ready
            successor = int(ended["MAINPID"])
            assert edge.program.process.wait(30) == 0
        assert wrong == []
        try:
            assert status(port, token) == 200
            os.kill(successor, signal.SIGHUP)
            assert told.next()["RELOADING"] == "1"
            assert told.next() == {"READY": "1"}
        finally:
            os.kill(successor, signal.SIGTERM)
        assert told.next() == {"STOPPING": "1"}
        eventually(lambda: not is_alive(successor), "the second edge has ended")


def test_the_first_connection_starts_it(tmp_path: Path, origin: Function) -> None:
    port, data_dir = free_port(), tmp_path / "data"
    words = [tool("systemd-socket-activate"), "--listen", f"127.0.0.1:{port}"]
    environ = {**os.environ, **isolated(data_dir)}
    passed = [f"--setenv={name}" for name in ("HOME", "PYTHONPATH", "PATH", "XDG_CONFIG_HOME")]
    process = subprocess.Popen(
        [*words, *passed, *serve_command(data_dir)],
        env={"PYTHONPATH": os.getcwd(), **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: listens(port), "the socket is there")
        with closing(Caller(port)) as caller:
            assert caller.ask("/__edge/ready").status == 200
            deployed = jelou(data_dir, "deploy", origin.url, "--slug", "shop")
            assert deployed["url"] == f"http://127.0.0.1:{port}/shop"
            assert caller.ask("/shop/hello", deployed["token"]).status == 200
    finally:
        stop(process)


def listens(port: int) -> bool:
    """Whether somebody listens, without a connection."""
    local = f"0100007F:{port:04X} 00000000:0000 0A"
    return local in Path("/proc/net/tcp").read_text()
