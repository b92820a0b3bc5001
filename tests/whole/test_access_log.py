"""The access log has one line for each request, and says what its caller got."""

import http.client
import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import page, rows
from tests.support.edge import EDGE_READY, isolated
from tests.support.whole_edge import Caller, serve_command, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log."""
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]


def waited(path: Path, count: int) -> list[dict[str, Any]]:
    """The lines, once there are so many."""
    eventually(lambda: len(read(path)) >= count, f"{count} lines")
    return read(path)


DOCUMENTED = {row[0].strip("`") for row in rows(page("logs.md")) if len(row) == 2}


@pytest.mark.parametrize("lane", ["fast", "asgi"])
def test_each_request_has_its_line(tmp_path: Path, origin: Function, lane: str) -> None:
    log = tmp_path / "access.log"
    flags = ("--access-log", str(log), *(["--no-fast-lane"] if lane == "asgi" else []))
    with serving(tmp_path / "data", *flags, workers=2) as edge:
        deployed = edge.deploy("shop", origin.url, methods=["GET", "POST"])
        token, caller = deployed.token, edge.caller()
        assert token is not None
        got = [
            caller.ask("/shop/hello?secret=1", token, headers={"X-Request-Id": "mine"}),
            caller.ask("/shop/hello", token, method="POST", body=b"12345"),
            caller.ask("/shop/hello"),
            caller.ask("/shop/hello", token[:-1] + "0"),
            caller.ask("/shop/hello", token, method="PUT"),
            caller.ask(f"/nobody/{token}"),
            caller.rpc("/shop/mcp", token, "tools/list"),
        ]
        (listed,) = edge.operations.tokens("shop")
        edge.operations.revoke_token("shop", listed.id)
        got.append(caller.ask("/shop/hello", token))
        caller.close()
        told = waited(log, len(got))
    assert len(told) == len(got)
    for line, answer in zip(told, got, strict=True):
        assert line["status"] == answer.status
        assert line["requestId"] == answer.headers["x-request-id"]
        assert line["sent"] == len(answer.body)
        assert line["whole"] is True
        assert line["lane"] == lane
        assert line["client"] == "127.0.0.1"
        assert set(line) <= DOCUMENTED
        assert line["ms"] >= line["firstByteMs"] >= line.get("upstreamMs", 0) >= 0
    first, posted, missing, unknown, put, nobody, listing, revoked = told
    assert first["requestId"] == "mine"
    assert first["path"] == "/shop/hello"
    assert first["deployment"] == deployed.id
    assert first["token"] == listed.id
    assert {"upstreamMs", "edgeMs"} <= set(first)
    assert posted["received"] == 5
    assert (missing["code"], missing["fault"]) == ("unauthorized", "client")
    assert [line["reason"] for line in (missing, unknown, revoked)] == [
        "missing",
        "malformed",
        "revoked",
    ]
    assert put["code"] == "method_not_allowed"
    assert put["token"] == revoked["token"] == listed.id
    assert nobody["path"] == "/nobody/jfn_[redacted]"
    assert listing["mcpMethod"] == "tools/list"
    assert token[7:39] not in log.read_text()


@pytest.mark.parametrize("lane", ["--fast-lane", "--no-fast-lane"])
def test_an_answer_that_was_cut_has_a_line_that_says_whose_fault_it_was(
    tmp_path: Path, lane: str
) -> None:
    log = tmp_path / "access.log"
    with (
        truncating() as url,
        serving(tmp_path / "data", lane, "--access-log", str(log)) as edge,
    ):
        token = edge.deploy("shop", url).token
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            edge.caller().ask("/shop/half", token)
        (line,) = waited(log, 1)
    assert (line["status"], line["whole"], line["sent"]) == (200, False, 4)
    assert (line["code"], line["fault"]) == ("upstream_invalid", "upstream")


@contextmanager
def truncating() -> Iterator[str]:
    """A function whose answers end before their length."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_log_is_rotated_by_moving_it_and_a_signal(tmp_path: Path, origin: Function) -> None:
    log = tmp_path / "access.log"
    with serving(tmp_path / "data", "--access-log", str(log), workers=2) as edge:
        edge.deploy("shop", origin.url)
        assert edge.caller().ask("/shop/hello").status == 401
        waited(log, 1)
        log.rename(tmp_path / "access.log.1")
        os.kill(edge.pid, signal.SIGUSR1)
        for _ in range(4):
            assert edge.caller().ask("/shop/hello").status == 401
        assert len(waited(log, 4)) == 4
    assert len(read(tmp_path / "access.log.1")) == 1


def test_a_terminal_shows_words(tmp_path: Path) -> None:
    ours, terminal = pty.openpty()
    seen = bytearray()

    def look() -> None:
        with suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 4096):
                seen.extend(piece)

    looker = threading.Thread(target=look)
    looker.start()
    environment = {**os.environ, **isolated(tmp_path / "data")}
    command = serve_command(tmp_path / "data")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=terminal, env=environment, text=True
    ) as program:
        os.close(terminal)
        assert program.stdout is not None
        ready = program.stdout.readline()
        while EDGE_READY not in ready:
            ready = program.stdout.readline()
        caller = Caller(int(ready.rpartition(":")[2]))
        assert caller.ask("/shop/hello").status == 404
        caller.close()
        eventually(lambda: b"not_found" in seen, "a line")
        program.terminate()
    looker.join(10)
    os.close(ours)
    plain = re.sub(r"\x1b\[\d+m", "", seen.decode())
    assert re.search(r"\d\d:\d\d:\d\d 404  GET /shop/hello \S+ ms - not_found", plain)
