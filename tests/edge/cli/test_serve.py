"""`jelou serve` as a process, and every other command talking to it while it runs."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.edge.cli.conftest import ROOT, Cli
from tests.support.documents_origin import Origin


class Edge:
    """A running `jelou serve`."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, lines: list[str]) -> None:
        self.process = process
        self.url = url
        self.lines = lines

    def wait_for(self, text: str) -> str:
        """The first line of stdout that holds this; it fails after 20 s."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(20, self.process.kill)
        watchdog.start()
        try:
            while not any(text in line for line in self.lines):
                line = self.process.stdout.readline()
                assert line, f"{text!r} never came: {self.lines}"
                self.lines.append(line)
        finally:
            watchdog.cancel()
        return next(line for line in self.lines if text in line)


@contextmanager
def serving(cli: Cli, *arguments: str) -> Iterator[Edge]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.cli.main", "serve", "--bind", "127.0.0.1:0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**cli.environ, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cwd=cli.directory,
    )
    edge = Edge(process, "", [])
    try:
        edge.url = edge.wait_for("▸ Edge ready on ").removeprefix("▸ Edge ready on ").strip()
        yield edge
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def status(url: str, path: str, token: str | None = None) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path, headers={"X-Jelou-Token": token} if token else {})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_commands_talk_to_the_running_edge(cli: Cli, project: Path, function: Origin) -> None:
    function.serve("/books", {"books": []})
    with serving(cli) as edge:
        deployed = cli("deploy", "--json").data
        assert deployed["running"] is True
        assert deployed["url"] == f"{edge.url}/my-function"
        assert status(edge.url, "/my-function/books") == 401
        assert status(edge.url, "/my-function/books", deployed["token"]) == 200
        example = subprocess.run(
            deployed["example"], shell=True, capture_output=True, timeout=20, check=True
        )
        assert json.loads(example.stdout) == {"books": []}
        made = cli("tokens", "create", "--name", "ci", "--json").data
        assert status(edge.url, "/my-function/books", made["token"]) == 200
        assert cli("tokens", "revoke", "my-function", "ci", "-y").code == 0
        assert status(edge.url, "/my-function/books", made["token"]) == 401
        assert "No edge is running" not in cli("deploy").out
        assert cli("functions", "delete", "my-function", "-y").code == 0
        assert status(edge.url, "/my-function/books", deployed["token"]) == 404
    assert edge.process.returncode == 0
    assert not (Path(cli.environ["JELOU_DATA_DIR"]) / "admin.sock").exists()
    assert cli("whoami", "--json").data["type"] == "local"


@pytest.mark.slow
async def test_the_official_client_reaches_it_through_the_stdio_bridge(
    cli: Cli, project: Path, function: Origin
) -> None:
    function.serve("/books", {"books": []})
    with serving(cli):
        deployed = cli("deploy", "--json").data
        bridge = StdioServerParameters(
            command=sys.executable,
            args=["-m", "edge.cli.main", "mcp", "stdio", deployed["mcpUrl"]],
            env={"JELOU_FUNCTION_TOKEN": deployed["token"], "PYTHONPATH": str(ROOT)},
        )
        for mode in ("auto", "legacy", "2026-07-28"):
            with anyio.fail_after(20):
                async with Client(stdio_client(bridge), mode=mode) as client:
                    names = [tool.name for tool in (await client.list_tools()).tools]
                    assert names == ["addBook", "getBook", "listBooks"]
                    called = await client.call_tool("listBooks", {})
                    assert called.structured_content == {"books": []}


def test_projects_are_deployed_at_start(cli: Cli, project: Path) -> None:
    with serving(cli, "--project", str(project), "--project", str(project / "nowhere")) as edge:
        token = edge.wait_for("▸ Token").split()[-1]
        edge.wait_for("▸ Try:")
        assert status(edge.url, "/my-function/books", token) == 404, "the function's own"
    with serving(cli, "--project", str(project)) as edge:
        edge.wait_for("✓ Unchanged")
        edge.wait_for("▸ Try:")
        assert not any("Token " in line for line in edge.lines)


@pytest.mark.slow
def test_an_access_token_manages_it_from_elsewhere(cli: Cli, project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    admin = f"http://127.0.0.1:{port}"
    with serving(cli, "--admin", f"127.0.0.1:{port}"):
        token = cli("access", "create", "--name", "laptop", "--json").data["token"]
        assert cli("login", "--edge", admin, stdin=token).code == 0
        outcome = cli("deploy", "--edge", admin)
        assert outcome.code == 0, outcome.err
        assert [f["slug"] for f in cli("functions", "list", "--edge", admin, "--json").data] == [
            "my-function"
        ]
        assert cli("access", "list", "--edge", admin, "--json").error["code"] == "FORBIDDEN"
        (row,) = cli("access", "list", "--json").data
        assert row["lastUsed"] is not None


def as_nobody(work: Callable[[], None]) -> int:
    """Start a child that is user 65534 and does this; it exits 0, or 13 if it may not."""
    child = os.fork()
    if child:
        return child
    try:
        os.setgid(65534)
        os.setuid(65534)
        work()
        os._exit(0)
    except PermissionError:
        os._exit(13)
    finally:
        os._exit(1)


def let_through(directory: Path) -> None:
    """Open the way to a directory, so that it is the socket's own mode that is tried."""
    for parent in [directory, *directory.parents]:
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_another_user_cannot_manage_it(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "data" / "admin.sock"

    def connect() -> None:
        socket.socket(socket.AF_UNIX).connect(str(path))

    with serving(cli):
        let_through(path.parent)
        _, ended = os.waitpid(as_nobody(connect), 0)
        assert os.waitstatus_to_exitcode(ended) == 13
        assert cli("whoami").code == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_a_socket_of_another_user_is_not_talked_to(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "data" / "admin.sock"
    path.parent.mkdir()
    let_through(path.parent)
    path.parent.chmod(0o777)
    ready, tell = os.pipe()

    def listen() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        os.write(tell, b"x")
        listener.accept()[0].recv(1)

    child = as_nobody(listen)
    os.close(tell)  # so that the read ends with the child
    try:
        assert os.read(ready, 1) == b"x"
        assert cli("functions", "list", "--json").error["code"] == "FORBIDDEN"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)


def test_a_port_in_use_is_told(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = cli.process("serve", "--bind", f"127.0.0.1:{port}")
    assert (outcome.code, outcome.out) == (1, "")
    assert str(port) in outcome.err
    assert "Traceback" not in outcome.err


def test_a_store_that_is_no_database_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "edge.db").write_bytes(b"not a database, for certain" * 100)
    outcome = cli.process("serve", "--bind", "127.0.0.1:0")
    assert outcome.code == 1
    assert "damaged or not a database" in outcome.err
    assert "Traceback" not in outcome.err


def test_every_setting_is_shown_with_its_origin(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text('domain = "fn.test"\n')
    cli.environ["JELOU_WORKERS"] = "3"
    words = ("serve", "--print-config", "--config", str(tmp_path / "edge.toml"))
    shown = cli(*words, "--bind", "127.0.0.1:1", "--bind", "[::1]:2", "--no-path-addressing").out
    assert re.search(r"^workers = 3 .*JELOU_WORKERS", shown, re.MULTILINE)
    assert re.search(r'^bind = \["127.0.0.1:1", "\[::1\]:2"\] .*--bind', shown, re.MULTILINE)
    assert re.search(r'^domain = "fn.test" .*edge.toml', shown, re.MULTILINE)
    assert re.search(r"^path_addressing = false .*flag", shown, re.MULTILINE)
    data = cli(*words, "--json").data
    assert data["workers"] == {"value": 3, "origin": "environment JELOU_WORKERS"}


@pytest.mark.parametrize("words", [["--workers", "0"], ["--bind", "nonsense"], ["--nope"]])
def test_a_bad_setting_is_a_usage_error_that_says_what_to_write(cli: Cli, words: list[str]) -> None:
    outcome = cli("serve", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert words[0] in outcome.err
