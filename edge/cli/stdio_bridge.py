"""MCP on stdio, bridged to Streamable HTTP: lines in, POSTs out, answers and events back as lines.

Both eras: handshake revisions with their session, which is begun anew if the server has lost it,
and the stateless revision. Messages pass unchanged; one thread for each request under way.
"""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from edge.cli.mcp_http import LARGEST, Channel, Endpoint, Message, events, messages
from edge.mcp_headers import annotated, mirrored, stateless_version

FAREWELL = 5.0
"""Seconds that requests under way may take after the client has closed stdin."""
LISTEN_AGAIN = 1.0
"""Seconds between two streams for changes."""
_REVIVAL = "jelou-revival"


@dataclass(slots=True)
class _Pending:
    """A request under way."""

    channel: Channel
    stateless: bool
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class _Session:
    """What an `initialize` has agreed on; the id is None where the server keeps no sessions."""

    version: str | None = None
    id: str | None = None


class Bridge:
    """One client on stdio and the function that it talks to."""

    def __init__(self, endpoint: Endpoint, output: BinaryIO, warn: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._output = output
        self._warn = warn
        self._writing = threading.Lock()
        self._reviving = threading.Lock()
        self._session = _Session()
        self._initialize: Message | None = None
        self._parameters: dict[str, dict[tuple[str, ...], str]] = {}
        self._pending: dict[str, _Pending] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def run(self, lines: BinaryIO) -> None:
        """Serve until stdin ends; then let requests finish, within reason, and end the session."""
        while line := lines.readline(LARGEST + 1):
            if len(line) > LARGEST:
                self._warn("A message over 16 MiB cannot be sent; stopping")
                break
            if line.strip():
                self._take(line)
        self._closing.set()
        for thread in self._threads:
            thread.join(FAREWELL)
        self._end_session()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._write(_error(None, -32700, "This line is not JSON"))
            return
        if not isinstance(message, dict):
            self._write(_error(None, -32600, "A message is one JSON object; there are no batches"))
        elif message.get("method") == "notifications/cancelled" and self._cut(message):
            return
        elif not _is_request(message) or message["method"] == "initialize":
            self._deliver(message)  # what follows depends on it, so it is waited for
        else:
            self._in_thread(self._deliver, message)

    def _cut(self, message: Message) -> bool:
        """Cancel as the stateless revision does, by closing the answer; whether that was it."""
        params = message.get("params")
        pending = self._pending.get(_key((params or {}).get("requestId")))
        if pending is None or not pending.stateless:
            return self._initialize is None  # it is over; without a session nobody is to be told
        pending.cancelled = True
        pending.channel.abort()
        return True

    def _in_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _deliver(self, message: Message) -> None:
        """Send one message and write what comes back, an error at least for a request."""
        if message.get("method") == "initialize":
            self._initialize, self._session = message, _Session()
        pending = _Pending(self._endpoint.channel(), stateless_version(message) is not None)
        if _is_request(message):
            self._pending[_key(message["id"])] = pending
        try:
            self._exchange(message, pending)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._failed(message, pending, error)
        finally:
            pending.channel.close()
            if _is_request(message):
                self._pending.pop(_key(message["id"]), None)
        if message.get("method") == "notifications/initialized":
            self._listen_in_background()

    def _exchange(self, message: Message, pending: _Pending) -> None:
        session = self._session
        response = self._post(pending.channel, message, session)
        if response.status == 404 and session.id and not pending.stateless:
            pending.channel.close()
            if self._revive(session):
                pending.channel = self._endpoint.channel()
                response = self._post(pending.channel, message, self._session)
        if message.get("method") == "initialize":
            self._session = _Session(None, response.getheader("Mcp-Session-Id"))
        answered = self._relay(message, response)
        if _is_request(message) and not answered and not pending.cancelled:
            self._write(_error(message["id"], -32000, "The answer ended before its end"))

    def _post(
        self, channel: Channel, message: Message, session: _Session
    ) -> http.client.HTTPResponse:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            **mirrored(message, self._parameters),
        }
        if stateless_version(message) is None:
            headers |= _session_headers(session)
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        return channel.send("POST", headers, body)

    def _relay(self, message: Message, response: http.client.HTTPResponse) -> bool:
        """Write the messages of an answer; returns whether the one asked for was among them."""
        if response.status == 202:
            return not _is_request(message)
        if response.status >= 300:
            return self._refused(message, response)
        answered = False
        for received in messages(response):
            if _is_request(message) and received.get("id") == message["id"]:
                answered = "method" not in received
                self._learn(message, received)
            self._write(received)
        return answered

    def _refused(self, message: Message, response: http.client.HTTPResponse) -> bool:
        """Write an HTTP error as the answer to a request: its own JSON-RPC error if it has one."""
        body = response.read(LARGEST)
        if response.status == 401:
            self._warn("401: the token in JELOU_FUNCTION_TOKEN is missing or not accepted")
        if not _is_request(message):
            return True
        try:
            error = json.loads(body)
        except ValueError:
            error = None
        if isinstance(error, dict) and isinstance(error.get("error"), dict):
            self._write({**error, "jsonrpc": "2.0", "id": message["id"]})
            return True
        told = error.get("message") if isinstance(error, dict) else None
        text = f"HTTP {response.status}: {told or response.reason}"
        self._write(_error(message["id"], -32000, text))
        return True

    def _learn(self, message: Message, answer: Message) -> None:
        """What later requests need to know of this answer."""
        result = answer.get("result")
        if message["method"] == "initialize" and isinstance(result, dict):
            version = result.get("protocolVersion")
            self._session = _Session(version, self._session.id)
        if message["method"] == "tools/list":
            self._parameters.update(annotated(answer))

    def _failed(self, message: Message, pending: _Pending, error: Exception) -> None:
        if _is_request(message) and not pending.cancelled:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            text = f"No answer from {self._endpoint.url}: {reason}"
            self._write(_error(message["id"], -32000, text))

    def _revive(self, lost: _Session) -> bool:
        """Begin the session anew that the server no longer knows; one thread does it for all."""
        with self._reviving:
            if self._session != lost or self._initialize is None:
                return self._session != lost
            channel = self._endpoint.channel()
            try:
                opening = {**self._initialize, "id": _REVIVAL}
                response = self._post(channel, opening, _Session())
                fresh = response.getheader("Mcp-Session-Id")
                if response.status != 200 or fresh is None:
                    return False
                for _ in messages(response):
                    pass
            finally:
                channel.close()
            self._session = _Session(lost.version, fresh)
            self._deliver({"jsonrpc": "2.0", "method": "notifications/initialized"})
            return True

    def _listen_in_background(self) -> None:
        """Changes of the list come on a stream of their own, where there is a session."""
        if self._session.id is not None:
            threading.Thread(target=self._listen, args=(self._session,), daemon=True).start()

    def _listen(self, session: _Session) -> None:
        last_id: str | None = None
        while self._session == session and not self._closing.wait(LISTEN_AGAIN if last_id else 0):
            channel = self._endpoint.channel()
            try:
                headers = {"Accept": "text/event-stream", **_session_headers(session)}
                if last_id:
                    headers["Last-Event-ID"] = last_id
                response = channel.send("GET", headers)
                if response.status != 200:
                    return
                for event in events(response):
                    last_id = event.id or last_id or "-"
                    if event.data:
                        self._write(json.loads(event.data))
            except (OSError, http.client.HTTPException, ValueError):
                last_id = last_id or "-"
            finally:
                channel.close()

    def _end_session(self) -> None:
        if self._session.id is None:
            return
        channel = self._endpoint.channel()
        try:
            channel.send("DELETE", _session_headers(self._session)).read()
        except (OSError, http.client.HTTPException):
            return  # it ends by its age
        finally:
            channel.close()

    def _write(self, message: Message) -> None:
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            try:
                self._output.write(line)
                self._output.flush()
            except (BrokenPipeError, ValueError):
                self._closing.set()  # the client has gone; stdin ends next


def _session_headers(session: _Session) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": session.version} if session.version else {}
    return {**headers, "Mcp-Session-Id": session.id} if session.id else headers


def _is_request(message: Message) -> bool:
    return "method" in message and "id" in message


def _key(request_id: Any) -> str:
    """A JSON-RPC id as a key: 1 and "1" differ."""
    return json.dumps(request_id)


def _error(request_id: Any, code: int, text: str) -> Message:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text}}
