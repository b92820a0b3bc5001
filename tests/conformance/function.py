"""A plain HTTP function whose operations are the tools that the conformance suite asks for.

It knows nothing of MCP's transport: pictures and sounds are answered as such, failures by status,
progress as an event stream; what plain HTTP has no word for is a literal result.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conformance import wanted
from tests.conformance.rounds import CAPITAL, ROUNDS, Said, asks

LITERAL = "application/vnd.mcp.result+json"
EMBEDDED_TYPE = "application/pdf"

PLAIN: dict[str, tuple[int, str, bytes]] = {
    "test_simple_text": (200, "text/plain", wanted.SIMPLE.encode()),
    "test_image_content": (200, "image/png", wanted.png()),
    "test_audio_content": (200, "audio/wav", wanted.wav()),
    "test_embedded_resource": (200, EMBEDDED_TYPE, b"%PDF-1.7\n"),
    "test_error_handling": (500, "text/plain", wanted.MISTAKE.encode()),
    "test_logging_tool": (200, "text/plain", b"Nothing is logged that was not asked for."),
    "json_schema_2020_12_tool": (200, "application/json", b'{"ok":true}'),
    "test_x_mcp_header": (200, "application/json", b'{"ok":true}'),
}
"""Status, content type and body of the tools that always answer the same."""

NAMES = (
    *PLAIN,
    *ROUNDS,
    "test_multiple_content_types",
    "test_missing_capability",
    "test_tool_with_progress",
    "test_trigger_tool_change",
)


def document(*more: str) -> bytes:
    """The OpenAPI document; `more` names operations beyond those that the suite asks for."""
    paths = {f"/{name}": {"post": operation(name)} for name in (*NAMES, *more)}
    info = {"title": "Conformance", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "paths": paths}).encode()


def operation(name: str) -> dict[str, Any]:
    """One operation, named as the suite names the tool."""
    made: dict[str, Any] = {
        "operationId": name,
        "description": f"Conformance: {name}",
        "responses": {"200": {"description": "What the suite asks for"}},
    }
    if name in wanted.SCHEMAS:
        content = {"application/json": {"schema": wanted.SCHEMAS[name]}}
        made["requestBody"] = {"required": True, "content": content}
    return made


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    openapi = document()
    changed: Callable[[], None]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves is not an error of the function."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        found = self.path == "/openapi.json"
        self._answer(200 if found else 404, "application/json", self.server.openapi)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.path.lstrip("/")
        with suppress(ConnectionError):
            if name in PLAIN:
                self._answer(*PLAIN[name])
            elif name in ROUNDS:
                self._literal(ROUNDS[name](said(self.headers.get("X-Jelou-Mcp"))))
            elif name == "test_multiple_content_types":
                self._literal(wanted.RESULTS[name])
            elif name == "test_missing_capability":
                self._literal(asks({"capital": CAPITAL}))
            elif name == "test_tool_with_progress":
                self._progress()
            elif name == "test_trigger_tool_change":
                self._change()
            else:
                self._answer(404, "text/plain", b"There is no such operation.")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""

    def _progress(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for step in wanted.PROGRESS:
            made = {"progress": step, "total": 100, "message": f"Completed step {step} of 100"}
            self.wfile.write(b"data: " + json.dumps(made).encode() + b"\n\n")
            time.sleep(wanted.PROGRESS_PAUSE)
        self.wfile.write(b"event: result\ndata: Progress was reported.\n\n")
        self.close_connection = True

    def _change(self) -> None:
        """Have another tool from now on, or no longer; and be deployed with it."""
        grown = self.server.openapi == document()
        self.server.openapi = document("test_dynamic_tool") if grown else document()
        self.server.changed()
        self._answer(200, "text/plain", b"The tools have changed.")

    def _literal(self, result: wanted.Result) -> None:
        self._answer(200, LITERAL, json.dumps(result).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def said(field: str | None) -> Said:
    """What the edge tells of the call in `X-Jelou-Mcp`."""
    told: Mapping[str, Any] = json.loads(field) if field else {}
    return Said(
        told.get("inputResponses") or {},
        told.get("requestState"),
        told.get("clientCapabilities") or {},
    )


@contextmanager
def function(changed: Callable[[], None]) -> Iterator[str]:
    """Start the function on a free port; yield its address.

    Args:
        changed: called when the function's document is another than before.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    server.changed = changed
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
