"""A function for tests of the command line: it serves what it is told, on TCP or a Unix socket."""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BOOKS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Books", "version": "1"},
    "paths": {
        "/books": {
            "get": {"operationId": "listBooks", "summary": "List books", "responses": {}},
            "post": {
                "operationId": "addBook",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["title"],
                                "properties": {"title": {"type": "string"}},
                            }
                        }
                    },
                },
                "responses": {},
            },
        },
        "/books/{id}": {
            "get": {
                "operationId": "getBook",
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "integer", "minimum": 7},
                    }
                ],
                "responses": {},
            }
        },
    },
}


@dataclass
class Origin:
    """What is served at each path, and what was asked.

    Attributes:
        answers: path to (status, headers, body).
        requests: paths in order, with the headers of each.
    """

    url: str
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def serve(self, path: str, value: Any, status: int = 200, **headers: str) -> None:
        """Answer at a path: bytes as they are, anything else as JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        fields = {name.replace("_", "-"): text for name, text in headers.items()}
        self.answers[path] = (status, {"Content-Type": "application/json", **fields}, body)


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextmanager
def origin(unix: Path | None = None) -> Iterator[Origin]:
    """An origin that answers 404 until it is told otherwise."""
    served = Origin("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers)))
            status, headers, body = served.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: Any) -> None:
            return

    if unix is None:
        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        served.url = f"http://127.0.0.1:{server.server_port}"
    else:
        server = _UnixServer(str(unix), Handler)
        served.url = f"unix:{unix}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
