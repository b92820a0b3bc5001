"""Streamable HTTP as a client speaks it: one connection for each request, answers as messages.

Standard library. What the messages mean is `stdio_bridge.py`'s business.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LARGEST = 16 * 1024 * 1024
"""Bytes of one message in either direction."""
CONNECT_TIMEOUT = 10.0
IDLE_TIMEOUT = 900.0
"""Seconds within an answer without a byte; the edge sends a comment every 15 s."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go; the token goes nowhere else, since redirects are not followed."""

    url: str
    token: str = field(repr=False)

    def channel(self) -> "Channel":
        """A fresh connection for one request."""
        return Channel(self)


class Channel:
    """One connection: a request, its answer, and a way for another thread to cut it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection = _connection(endpoint.url)
        self._sock: socket.socket | None = None

    def send(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Send the request and read the head of its answer."""
        parts = urlsplit(self._endpoint.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        own = {"X-Jelou-Token": self._endpoint.token} if self._endpoint.token else {}
        self._connection.connect()
        # Held here too: http.client lets go of a socket that the answer says it will close.
        self._sock = self._connection.sock
        self._sock.settimeout(IDLE_TIMEOUT)
        self._connection.request(method, target, body=body, headers={**own, **headers})
        return self._connection.getresponse()

    def abort(self) -> None:
        """Cut it while another thread is reading."""
        if self._sock is not None:
            with suppress(OSError):
                # The plain method: TLS's own would pull its state from under the reading thread.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it, read to the end or not."""
        self._connection.close()
        if self._sock is not None:
            self._sock.close()


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event (HTML Standard, section 9.2): its data, and its id if it has one."""

    data: bytes
    id: str | None


def events(response: http.client.HTTPResponse) -> Iterator[Event]:
    """The events of an answer as they arrive."""
    data: list[bytes] = []
    last_id: str | None = None
    while line := response.readline(LARGEST):
        line = line.rstrip(b"\r\n")
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data or last_id is not None:
                yield Event(b"\n".join(data), last_id)
            data, last_id = [], None
        elif name == b"data":
            data.append(value)
        elif name == b"id":
            last_id = value.decode("utf-8", "replace")


def messages(response: http.client.HTTPResponse) -> Iterator[Message]:
    """The JSON-RPC messages of an answer, be it JSON or an event stream.

    Raises:
        ValueError: something in it is no JSON-RPC message.
    """
    if _media_type(response) == "text/event-stream":
        for event in events(response):
            if event.data:
                yield _object(event.data)
        return
    body = response.read(LARGEST)
    if body:
        yield _object(body)


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT, context=context)


def _media_type(response: http.client.HTTPResponse) -> str:
    return (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()


def _object(data: bytes) -> Message:
    value = json.loads(data)
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise ValueError("the answer is not MCP; the address of a function's tools ends in /mcp")
    return value
