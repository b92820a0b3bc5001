"""`"secret:NAME"` in a running edge: every worker sends the value of now, to its function alone."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge.admin.errors import AdminError
from edge.admin.operations import DeployRequest
from edge.secrets.store import KEYS
from tests.support.whole_edge import Caller, Edge, serving


class Told(BaseHTTPRequestHandler):
    """Answers what it was told in `X-Key`; its document too is for those who know the key."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = self.headers.get_all("x-key") or []
        body = json.dumps({"key": said, "openapi": "3.1.0", "paths": {}}).encode()
        body = body.replace(b'"paths"', b'"info": {"title": "t", "version": "1"}, "paths"')
        self.send_response(200 if said else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def function() -> Iterator[str]:
    """The address of a function that answers what it was told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def deploy(edge: Edge, url: str, slug: str = "shop") -> None:
    project = {
        "function": slug,
        "upstream": {"url": url, "headers": {"X-Key": "secret:KEY"}},
        "config": {"public": True, "mcp": False},
    }
    edge.operations.deploy(DeployRequest(project=json.dumps(project)))


def told(caller: Caller, target: str = "/shop/x", **headers: str) -> list[str]:
    return list(caller.ask(target, headers=headers).json["key"])


def test_every_worker_sends_the_value_of_now(shared_edge: Edge, function: str) -> None:
    edge = shared_edge
    with pytest.raises(AdminError, match="jelou secrets set shop KEY=…"):
        deploy(edge, function)
    edge.operations.set_secrets("shop", {"KEY": "one"})
    deploy(edge, function)
    assert edge.operations.function("shop").warnings == ()
    with edge.caller_of_each_worker() as callers:
        for number in range(5):
            edge.operations.set_secrets("shop", {"KEY": f"value-{number}"})
            for caller in callers.values():
                assert told(caller) == [f"value-{number}"]
                assert told(caller, **{"X-Key": "forged"}) == [f"value-{number}"]
    edge.operations.deploy(
        DeployRequest(project=json.dumps({"function": "shop", "upstream": function}))
    )
    edge.operations.delete_secret("shop", "KEY")


@pytest.mark.slow
def test_without_the_key_the_name_is_not_sent_and_others_are_served(
    tmp_path: Path, function: str
) -> None:
    data = tmp_path / "data"
    with serving(data) as edge:
        for slug in ("shop", "other"):
            edge.operations.set_secrets(slug, {"KEY": "hunter2"})
            deploy(edge, function, slug)
        (data / KEYS).unlink()
        edge.operations.set_secrets("other", {"KEY": "anew"})
        assert told(edge.caller(), "/other/x") == ["anew"]
    with serving(data) as edge:
        assert told(edge.caller(), "/other/x") == ["anew"]
        assert told(edge.caller()) == []
        said = edge.program.process.stderr
        assert said is None or "hunter2" not in str(said)
        edge.operations.set_secrets("shop", {"KEY": "back"})
        assert told(edge.caller()) == ["back"]
