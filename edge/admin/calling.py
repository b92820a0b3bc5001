"""One operation asked of an edge elsewhere: a request, its answer, and what may become of it.

Standard library only, so that a command starts fast.
"""

import http.client
import json
import os
import shutil
import socket
import ssl
from collections.abc import Mapping
from typing import IO, Any, Protocol
from urllib.parse import quote, urlencode

from edge.admin.codec import LARGEST, Mismatch, camel, decode, encode
from edge.admin.errors import STATUSES, AdminError
from edge.admin.routes import BY_OPERATION, ROOT, Endpoint

SLOW = 4000.0
"""Seconds, for what waits for a function's programs; the edge has its own bounds on those."""

Body = bytes | IO[bytes] | None
"""Of a request: JSON, or a file's content."""


class Transport(Protocol):
    """A way to an edge's management API."""

    name: str

    def connection(self) -> http.client.HTTPConnection:
        """A fresh connection; OSError if the edge cannot be reached."""
        ...

    def headers(self) -> dict[str, str]:
        """Fields that every request carries."""
        ...


class Calls:
    """Calls over one transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(self, operation: str, **arguments: Any) -> Any:
        """The result of an operation; AdminError as the edge has it, or if it cannot be had."""
        endpoint = BY_OPERATION[operation]
        out = arguments.pop(endpoint.gives) if endpoint.gives else None
        target, body = request_for(endpoint, arguments)
        status, said = self._exchange(endpoint, target, body, out)
        if out is not None and status == http.client.OK:
            return None
        return self._result(endpoint, status, said)

    def _result(self, endpoint: Endpoint, status: int, body: bytes) -> Any:
        answer = _parsed(body, status, self._transport.name)
        if answer.get("ok") is True:
            try:
                return decode(endpoint.result, answer.get("data"))
            except Mismatch as error:
                raise AdminError(
                    "API_ERROR", f"The edge's answer is not understood: {error}"
                ) from None
        raise _refused(answer.get("error"), status)

    def _exchange(
        self, endpoint: Endpoint, target: str, body: Body, out: IO[bytes] | None
    ) -> tuple[int, bytes]:
        """The status and the body of the answer; the body of a good one goes to `out`, if given."""
        headers = {"Accept": "application/json", **self._transport.headers()}
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        elif body is not None:
            headers |= {
                "Content-Type": "application/x-tar",
                "Content-Length": str(os.fstat(body.fileno()).st_size),
            }
        connection = None
        try:
            connection = self._transport.connection()
            if endpoint.is_slow:
                _be_patient(connection)
            connection.request(endpoint.method, target, body=body, headers=headers)
            response = connection.getresponse()
            said = b""
            if out is not None and response.status == http.client.OK:
                shutil.copyfileobj(response, out)
            else:
                said = response.read(LARGEST)
            if response.length and len(said) < LARGEST:  # read(amount) does not say so itself
                raise http.client.IncompleteRead(said, response.length)
            return response.status, said
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self._transport.name, error) from None
        finally:
            if connection is not None:
                connection.close()


def _be_patient(connection: http.client.HTTPConnection) -> None:
    """Wait long for the answer, yet not for an edge that is gone."""
    if connection.sock is None:
        connection.connect()
    connection.sock.settimeout(SLOW)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def request_for(endpoint: Endpoint, arguments: Mapping[str, Any]) -> tuple[str, Body]:
    """The request target and body of a call."""
    arguments = dict(arguments)
    file = arguments.pop(endpoint.takes) if endpoint.takes else None
    left = {camel(name): encode(value) for name, value in arguments.items()}
    segments = [
        quote(str(left.pop(camel(s[1:-1]))), safe="") if s.startswith("{") else s
        for s in endpoint.segments
    ]
    target = f"{ROOT}/" + "/".join(segments)
    if file is not None:
        return target, file
    if endpoint.whole_body:
        (whole,) = left.values()
        return target, json.dumps(whole).encode()
    if endpoint.method == "GET":
        query = urlencode({key: value for key, value in left.items() if value is not None})
        return target + (f"?{query}" if query else ""), None
    return target, json.dumps(left).encode() if endpoint.method == "POST" else None


def _parsed(body: bytes, status: int, name: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "ok" in answer:
        return answer
    raise AdminError(
        "API_ERROR", f"{name} answers {status} and is not an edge's management API; check the URL"
    )


def _refused(error: Any, status: int) -> AdminError:
    fields = error if isinstance(error, dict) else {}
    code = fields.get("code")
    message = str(fields.get("message") or f"The edge answers {status}")
    return AdminError(code if code in STATUSES else "API_ERROR", message, status=status)


def _unreachable(name: str, error: Exception) -> AdminError:
    if isinstance(error, ssl.SSLError):
        return AdminError("NETWORK_ERROR", f"No trusted connection to {name}: {error.reason}")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return AdminError("NETWORK_ERROR", f"The edge at {name} cannot be reached: {reason}")
