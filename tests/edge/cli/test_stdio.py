"""`jelou mcp stdio`: a real process between a client on stdio and a server on HTTP."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edge.mcp_headers import META_VERSION, mirrored
from tests.edge.cli.conftest import ROOT, Cli
from tests.support.documents_origin import free_port

Message = dict[str, Any]
STATELESS = {"_meta": {META_VERSION: "2026-07-28"}}


class Server:
    """Answers as each test tells it to, and remembers what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], Message]] = []
        self.arrived: queue.Queue[Message] = queue.Queue()
        self.gone = threading.Event()
        self.answer: Callable[[BaseHTTPRequestHandler, Message], None] = plain
        self.listen: Callable[[BaseHTTPRequestHandler], None] = lambda h: reply(h, 405, {})

    def headers(self, method: str) -> dict[str, str]:
        """The header fields of the last message with this method, names in lower case."""
        found = [headers for _, headers, body in self.seen if body.get("method") == method]
        return {name.lower(): value for name, value in found[-1].items()}


@contextmanager
def served() -> Iterator[tuple[Server, str]]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.seen.append(("POST", dict(self.headers), body))
            server.arrived.put(body)
            server.answer(self, body)

        def do_GET(self) -> None:
            server.seen.append(("GET", dict(self.headers), {}))
            server.listen(self)

        def do_DELETE(self) -> None:
            server.seen.append(("DELETE", dict(self.headers), {}))
            reply(self, 200, {})

        def log_message(self, *_: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{http.server_port}/mcp"
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


def reply(handler: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    data = json.dumps(body).encode() if body != "" else b""
    handler.send_response(status)
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
    for name, value in fields.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def stream(handler: BaseHTTPRequestHandler, *chunks: str, close: bool = True) -> None:
    """An event stream, sent piece by piece."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for chunk in chunks:
        handler.wfile.write(chunk.encode())
        handler.wfile.flush()
    handler.close_connection = close


def event(message: Message) -> str:
    return f": comment\nid: 1\nevent: message\ndata: {json.dumps(message)}\n\n"


def result(message: Message, **value: Any) -> Message:
    return {"jsonrpc": "2.0", "id": message["id"], "result": value}


def plain(handler: BaseHTTPRequestHandler, message: Message) -> None:
    """A server that keeps sessions and answers every request at once."""
    if "id" not in message:
        reply(handler, 202, "")
    elif message["method"] == "initialize":
        value = result(message, protocolVersion="2025-11-25", capabilities={})
        reply(handler, 200, value, Mcp_Session_Id="session-1")
    else:
        reply(handler, 200, result(message, method=message["method"]))


class Client:
    """The process, with lines in and out."""

    def __init__(self, url: str, token: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli.main", "mcp", "stdio", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "JELOU_FUNCTION_TOKEN": token},
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def send(self, method: str, id: Any = None, **params: Any) -> None:  # noqa: A002
        message: Message = {"jsonrpc": "2.0", "method": method}
        if id is not None:
            message["id"] = id
        self.raw(json.dumps({**message, "params": params}) + "\n")

    def raw(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def read(self) -> Message:
        """The next line; queue.Empty if none comes."""
        message: Message = json.loads(self._lines.get(timeout=10))
        return message

    def hello(self) -> None:
        self.send("initialize", 0, protocolVersion="2025-11-25", capabilities={})
        assert self.read()["id"] == 0
        self.send("notifications/initialized")

    def end(self) -> str:
        """Close stdin and wait; what was said on stderr."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        self.process.wait(15)
        self._reader.join(5)
        said = self.process.stderr.read().decode()
        self.process.stderr.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return said


@contextmanager
def bridged(url: str, token: str = "jfn_rt_secret") -> Iterator[Client]:
    client = Client(url, token)
    try:
        yield client
    finally:
        if client.process.poll() is None:
            client.process.kill()
            client.end()


def test_a_handshake_session_is_carried_and_ended() -> None:
    with served() as (server, url), bridged(url) as client:
        client.hello()
        client.send("tools/list", "a")
        assert client.read() == {"jsonrpc": "2.0", "id": "a", "result": {"method": "tools/list"}}
        assert client.end() == ""
        headers = server.headers("tools/list")
        assert headers["x-jelou-token"] == "jfn_rt_secret"
        assert headers["mcp-session-id"] == "session-1"
        assert headers["mcp-protocol-version"] == "2025-11-25"
        assert headers["accept"] == "application/json, text/event-stream"
        assert "mcp-method" not in headers
        # Its stream's GET may arrive later, for it has a connection of its own.
        assert "DELETE" in [method for method, _, _ in server.seen]
        assert client.process.returncode == 0


def test_the_stateless_era_mirrors_its_messages_in_headers() -> None:
    schema = {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    }

    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        tools = [{"name": "búsqueda", "inputSchema": schema}]
        reply(handler, 200, result(message, tools=tools))

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.send("tools/list", 1, **STATELESS)
        client.read()
        client.send("tools/call", 2, name="búsqueda", arguments={"region": " x"}, **STATELESS)
        client.read()
        client.end()
        headers = server.headers("tools/call")
        assert headers["mcp-protocol-version"] == "2026-07-28"
        assert headers["mcp-method"] == "tools/call"
        assert headers["mcp-name"] == "=?base64?YsO6c3F1ZWRh?="
        assert headers["mcp-param-region"] == "=?base64?IHg=?="
        assert "mcp-session-id" not in headers
        assert [method for method, _, _ in server.seen] == ["POST", "POST"]


def test_events_reach_the_client_before_the_answer_is_over() -> None:
    may_end = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        stream(handler, event({"jsonrpc": "2.0", "method": "notifications/progress"}))
        may_end.wait(10)
        handler.wfile.write(event(result(message, done=True)).encode())

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.send("tools/call", 1, name="slow", **STATELESS)
        assert client.read()["method"] == "notifications/progress"
        may_end.set()
        assert client.read()["result"] == {"done": True}


def test_requests_do_not_wait_for_one_another() -> None:
    may_end = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        if message["id"] == 1:
            may_end.wait(10)
        reply(handler, 200, result(message))

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.send("tools/call", 1, **STATELESS)
        client.send("tools/call", 2, **STATELESS)
        assert client.read()["id"] == 2
        may_end.set()
        assert client.read()["id"] == 1


def test_cancelling_in_the_stateless_era_closes_the_answer() -> None:
    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        if message["id"] == 2:
            reply(handler, 200, result(message))
            return
        try:
            stream(handler, ": begun\n\n")
            while not server.gone.wait(0.01):
                handler.wfile.write(b": still here\n\n")
        except OSError:
            server.gone.set()

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.send("tools/call", 1, **STATELESS)
        server.arrived.get(timeout=10)
        client.send("notifications/cancelled", requestId=1)
        assert server.gone.wait(10)
        client.send("notifications/cancelled", requestId=1)
        client.send("ping", 2, **STATELESS)
        assert client.read()["id"] == 2, "nothing is said of the cancelled one"
        assert [body["method"] for _, _, body in server.seen] == ["tools/call", "ping"]


def test_cancelling_in_a_session_is_told_to_the_server() -> None:
    may_end = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        if message.get("method") == "tools/call":
            may_end.wait(10)
        plain(handler, message)

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.hello()
        client.send("tools/call", 5)
        client.send("notifications/cancelled", requestId=5)
        seen = [server.arrived.get(timeout=10).get("method") for _ in range(4)]
        assert sorted(seen[2:]) == ["notifications/cancelled", "tools/call"]
        may_end.set()


def test_a_lost_session_is_begun_anew_and_the_call_made_again() -> None:
    sessions = iter(["session-1", "session-2"])

    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        if message.get("method") == "initialize":
            value = result(message, protocolVersion="2025-11-25", capabilities={})
            reply(handler, 200, value, Mcp_Session_Id=next(sessions))
        elif handler.headers["Mcp-Session-Id"] == "session-1" and "id" in message:
            reply(handler, 404, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001}})
        else:
            plain(handler, message)

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.hello()
        client.send("tools/list", 7)
        assert client.read() == {"jsonrpc": "2.0", "id": 7, "result": {"method": "tools/list"}}
        assert server.headers("tools/list")["mcp-session-id"] == "session-2"
        assert server.headers("notifications/initialized")["mcp-session-id"] == "session-2"


def test_changes_of_the_list_arrive_on_a_stream_of_their_own() -> None:
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    with served() as (server, url), bridged(url) as client:
        server.listen = lambda handler: stream(handler, event(changed))
        client.hello()
        assert client.read() == changed
        listening = next(headers for method, headers, _ in server.seen if method == "GET")
        assert listening["Mcp-Session-Id"] == "session-1"


def test_a_refused_token_is_an_error_that_says_so() -> None:
    body = {"error": "Unauthorized", "message": "Missing or invalid X-Jelou-Token header"}
    with served() as (server, url), bridged(url) as client:
        server.answer = lambda handler, _: reply(handler, 401, body)
        client.send("initialize", 1)
        error = client.read()
        assert error["id"] == 1
        assert error["error"]["message"] == f"HTTP 401: {body['message']}"
        assert "JELOU_FUNCTION_TOKEN" in client.end()


def test_json_rpc_errors_of_the_server_pass() -> None:
    error = {"code": -32602, "message": "Unknown tool"}

    def answer(handler: BaseHTTPRequestHandler, message: Message) -> None:
        reply(handler, 400, {"jsonrpc": "2.0", "id": message["id"], "error": error})

    with served() as (server, url), bridged(url) as client:
        server.answer = answer
        client.send("tools/call", 1, **STATELESS)
        assert client.read() == {"jsonrpc": "2.0", "id": 1, "error": error}


@pytest.mark.parametrize("body", ["", "<html>", [1], {"id": 1, "result": {}}, {"orders": []}])
def test_every_request_is_answered_whatever_comes_back(body: Any) -> None:
    with served() as (server, url), bridged(url) as client:
        server.answer = lambda handler, _: reply(handler, 200, body)
        client.send("tools/list", 1, **STATELESS)
        assert client.read()["error"]["code"] == -32000


def test_a_server_that_is_away_is_an_error_for_each_request() -> None:
    with bridged(f"http://127.0.0.1:{free_port()}/mcp") as client:
        client.send("initialize", 1)
        assert "Connection refused" in client.read()["error"]["message"]
        client.send("tools/list", 2)
        assert client.read()["id"] == 2
        client.end()
        assert client.process.returncode == 0


def test_a_line_that_is_no_message_is_answered_and_survived() -> None:
    with served() as (_, url), bridged(url) as client:
        client.raw("{\n")
        assert client.read()["error"]["code"] == -32700
        client.raw("[]\n")
        assert client.read()["error"]["code"] == -32600
        client.send("ping", 1, **STATELESS)
        assert client.read()["id"] == 1


def test_the_token_follows_no_redirect() -> None:
    with served() as (thief, elsewhere), served() as (server, url), bridged(url) as client:
        server.answer = lambda handler, _: reply(handler, 307, {}, Location=elsewhere)
        client.send("tools/list", 1, **STATELESS)
        assert "HTTP 307" in client.read()["error"]["message"]
        assert thief.seen == []


@pytest.mark.parametrize("url", ["ftp://x", "books", "http://"])
def test_what_is_no_address_is_told(cli: Cli, url: str) -> None:
    outcome = cli("mcp", "stdio", url)
    assert (outcome.code, outcome.out) == (1, "")


def test_only_stateless_messages_are_mirrored() -> None:
    assert mirrored({"method": "tools/call", "params": {"name": "x"}}, {}) == {}
