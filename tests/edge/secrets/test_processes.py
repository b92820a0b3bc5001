"""Secrets as a running function has them: in its environment, of now, without losing a request."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.edge import isolated
from tests.support.processes import JELOU
from tests.support.whole_edge import Edge, serving

PROGRAM = """
import http.server, os, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = os.environ.get("KEY", "none").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    """A running edge with a function that answers its secret."""
    here = tmp_path / "function"
    here.mkdir()
    (here / "main.py").write_text(PROGRAM)
    project = {
        "function": "told",
        "command": [sys.executable, "-S", "main.py"],
        "openapi": False,
        "config": {"public": True, "mcp": False},
    }
    (here / "jelou.json").write_text(json.dumps(project))
    data = tmp_path / "data"
    with serving(data, workers=2) as edge:
        edge.operations.set_secrets("told", {"KEY": "zero"})
        done = subprocess.run(
            [*JELOU, "deploy", str(here), "--data-dir", str(data), "--no-confirm"],
            env=isolated(data) | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield edge


def told(edge: Edge) -> str:
    answer = edge.caller().ask("/told/x")
    assert answer.status == 200, answer
    return answer.body.decode()


def test_a_change_reaches_the_next_request_and_loses_none(edge: Edge) -> None:
    assert told(edge) == "zero"
    over, answers = threading.Event(), []

    def ask_on() -> None:
        caller = edge.caller()
        while not over.is_set():
            answers.append(caller.ask("/told/x"))

    asking = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in asking:
        thread.start()
    try:
        for value in ("one", "two"):
            changed = edge.operations.set_secrets("told", {"KEY": value})
            assert changed.warnings == ()
            assert told(edge) == value
    finally:
        over.set()
        for thread in asking:
            thread.join(20)
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} <= {b"zero", b"one", b"two"}
    edge.operations.delete_secret("told", "KEY")
    assert told(edge) == "none"
