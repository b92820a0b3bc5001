"""Errors that are answered below the app, where HTTP/1.1 has not got that far. Pure.

Errors of requests that reach the app are the app's.
"""

import json
from email.utils import formatdate
from http import HTTPStatus

from edge.errors import ErrorKind, Errors
from mcp_bridge.failures import phrase

BY_STATUS = {
    400: Errors.BAD_REQUEST.value,
    408: Errors.REQUEST_TIMEOUT.value,
    414: Errors.URI_TOO_LONG.value,
    431: Errors.HEADERS_TOO_LARGE.value,
    503: Errors.OVERLOADED.value,
}
TEXTS = {503: "Too many connections are open; try again, or keep fewer."}
"""Where the table's own text is about something else."""


def refuse(
    status: int, request_id: str, now: float
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of an error that ends the connection.

    Args:
        status: as the parser suggests it; what the table does not know is answered 400.
        now: Unix seconds, for `Date` (RFC 9110 §6.6.1).
    """
    kind: ErrorKind = BY_STATUS.get(status, Errors.BAD_REQUEST.value)
    text = TEXTS.get(kind.status, kind.text)
    said = {"error": kind.phrase, "message": text, "code": kind.code, "requestId": request_id}
    body = json.dumps(said, separators=(",", ":")).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-jelou-error-source", b"edge"),
        (b"x-request-id", request_id.encode()),
        (b"date", formatdate(now, usegmt=True).encode()),
        (b"connection", b"close"),
    ]
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    return kind.status, headers, body


def refuse_raw(status: int, request_id: str, now: float) -> bytes:
    """The same as bytes on the wire."""
    code, headers, body = refuse(status, request_id, now)
    lines = [b"HTTP/1.1 %d %s" % (code, phrase(code).encode())]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
