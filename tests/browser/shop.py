"""A function with a tool of many arguments, whose texts would be scripts if pages let them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOSTILE = '<script>document.title="taken"</script><img src=x onerror="document.title=1">'

PROPERTIES = {
    "title": {"type": "string", "description": HOSTILE},
    "count": {"type": "integer", "default": 1},
    "size": {"type": "string", "enum": ["small", "large"]},
    "gift": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}},
}
BODY = {"type": "object", "required": ["title"], "properties": PROPERTIES}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1", "description": HOSTILE},
    "paths": {
        "/order": {
            "post": {
                "operationId": "placeOrder",
                "description": HOSTILE,
                "requestBody": {"content": {"application/json": {"schema": BODY}}},
            }
        }
    },
}


class Shop(BaseHTTPRequestHandler):
    """Answers with what it is sent, and something hostile."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The document; elsewhere 500, with the cookies that came."""
        known = self.path == "/openapi.json"
        cookies = {"why": HOSTILE, "cookies": self.headers.get("Cookie", "")}
        self._answer(200 if known else 500, DOCUMENT if known else cookies)

    def do_POST(self) -> None:
        """What came."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"got": json.loads(body), "said": HOSTILE})

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """The shop's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
