"""`jelou dev`: a project on this machine, without a token, and anew whenever a file changes."""

import json
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.edge import isolated
from tests.support.processes import JELOU, started
from tests.support.whole_edge import Caller, project
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually


def test_a_project_is_served_without_a_token_and_again_when_it_changes(
    tmp_path: Path, origin: Function
) -> None:
    file = tmp_path / "jelou.json"
    file.write_text(project("shop", origin.url))
    command = [*JELOU, "dev", str(tmp_path), "--port", "0"]
    with (
        started(command, "▸ MCP: ", env=isolated(tmp_path / "home")) as dev,
        ExitStack() as callers,
    ):
        port = urlsplit(dev.address).port or 0
        assert dev.address == f"http://localhost:{port}/mcp"
        at_root = callers.enter_context(closing(Caller(port, host="localhost")))
        by_path = callers.enter_context(closing(Caller(port)))
        assert at_root.ask("/hello").status == 200
        assert by_path.ask("/shop/hello").status == 200
        eventually(lambda: "▸ Watching" in dev.output(), "it watches")
        file.write_text(json.dumps(json.loads(file.read_text()) | {"config": {"path": "/other"}}))
        eventually(lambda: "✓ Reloaded" in dev.output(), "the change is served")
        assert at_root.ask("/hello").status == 404
        file.write_text("{")
        eventually(lambda: "✗" in dev.output(), "the mistake is told")
        assert at_root.ask("/other").status == 200
        dev.process.terminate()
        assert dev.process.wait(20) == 0
