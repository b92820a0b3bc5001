"""A function that whole-edge tests hold in their hands: it answers when the test says so.

It runs in the test's own process, one thread for each connection, and reports what it sees.
"""

import json
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 20.0
PIECE = bytes(range(256)) * 256  # 64 KiB, no two neighbours alike
READY_TO_QUEUE = 1024


def document(*operations: str) -> bytes:
    """An OpenAPI document with one operation of each name, at a path of that name."""
    paths = {
        f"/{name}": {"get": {"operationId": name, "responses": {"200": {"description": "ok"}}}}
        for name in operations
    }
    info = {"title": "Whole", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "paths": paths}).encode()


@dataclass
class Function:
    """A running function.

    Attributes:
        openapi: what `/openapi.json` answers; None is 404.
        requests: request targets as they arrived.
        held: released once for each request that arrives at `/hold`.
        let_go: set to have all held requests answered.
        next_event: released once for each event that `/events` shall send.
        left: released once for each caller of `/events` or `/hold` that went away unanswered.
        moved: bytes of bodies that `/download` has got rid of.
    """

    url: str = ""
    openapi: bytes | None = field(default_factory=lambda: document("hello", "hold"))
    requests: list[str] = field(default_factory=list)
    held: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Event = field(default_factory=threading.Event)
    next_event: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    moved: int = 0

    def wait_for_held(self, count: int) -> None:
        """Wait until so many more requests are held."""
        for number in range(count):
            assert self.held.acquire(timeout=SECONDS), f"only {number} requests have arrived"

    def wait_until_left(self) -> None:
        """Wait until a caller has gone away."""
        assert self.left.acquire(timeout=SECONDS), "the caller's request was not aborted"


class _Server(ThreadingHTTPServer):
    request_queue_size = READY_TO_QUEUE
    daemon_threads = True
    function: Function

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves is not an error of the function."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        function = self.server.function
        function.requests.append(self.path)
        name, _, argument = self.path.partition("?")
        answer = getattr(
            self, "get_" + name.strip("/").replace(".", "_").replace("-", "_"), self.get_hello
        )
        with suppress(ConnectionError):
            answer(argument)

    def do_POST(self) -> None:
        self.server.function.requests.append(self.path)
        if self.path == "/hold":  # leaves the body where it is
            self.get_hold("")
            return
        size = crc = 0
        for piece in self._body():
            size, crc = size + len(piece), zlib.crc32(piece, crc)
        self._json({"bytes": size, "crc32": crc})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Tests read `requests`."""

    def get_hello(self, argument: str) -> None:
        """What everything else answers."""
        self._json({"hello": "world", "seen": {k.lower(): v for k, v in self.headers.items()}})

    def get_fail(self, argument: str) -> None:
        """An error of the function's own."""
        self._answer(500, b'{"error": "it fails"}')

    def get_openapi_json(self, argument: str) -> None:
        """The document."""
        text = self.server.function.openapi
        self._answer(404 if text is None else 200, text or b"{}")

    def get_hold(self, argument: str) -> None:
        """Answer once let go."""
        function = self.server.function
        function.held.release()
        while not function.let_go.wait(0.05):
            if self._has_left():
                function.left.release()
                self.close_connection = True
                return
        self.close_connection = self.command == "POST"
        self._json({"held": argument})

    def get_download(self, argument: str) -> None:
        """As many bytes as the query says."""
        left = int(argument)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", argument)
        self.end_headers()
        while left:
            piece = PIECE[:left]
            self.wfile.write(piece)
            left -= len(piece)
            self.server.function.moved += len(piece)

    def get_late_events(self, argument: str) -> None:
        """An event stream that begins once let go."""
        self.server.function.held.release()
        self.server.function.let_go.wait(SECONDS)
        self.get_events(argument)

    def get_events(self, argument: str) -> None:
        """An event stream: each event when the test says so, until the caller leaves."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        number = 0
        while not self._has_left():
            if self.server.function.next_event.acquire(timeout=0.02):
                event = b"data: %d\n\n" % number
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                number += 1
        self.server.function.left.release()
        self.close_connection = True

    def _has_left(self) -> bool:
        with suppress(BlockingIOError):
            flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
            try:
                return self.connection.recv(1, flags) == b""
            except ConnectionError:
                return True
        return False

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, len(PIECE)))
            if not piece:
                raise ConnectionResetError
            left -= len(piece)
            yield piece

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def function(port: int = 0) -> Iterator[Function]:
    """Start a function on a free port, or on this one; end it with all it holds."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.function = running = Function(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.let_go.set()
        server.shutdown()
        server.socket.close()
        thread.join(SECONDS)
