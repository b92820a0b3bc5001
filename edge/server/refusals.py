"""Errors that are answered below the app, where HTTP/1.1 has not got that far. Pure.

Errors of requests that reach the app are the app's.
"""

from email.utils import formatdate

import orjson

from edge import cors
from edge.errors import Errors, Refusal, refusal
from edge.functions import Cors
from edge.message import Headers
from mcp_bridge.failures import phrase

TOO_MANY_CONNECTIONS = refusal(
    Errors.OVERLOADED,
    "Too many connections are open; try again, or keep fewer.",
    headers=((b"retry-after", b"1"),),
)

_ANYBODY = cors.answer(Cors(), ())
"""Which function is meant is not known yet: CORS as by default, so that a page can read it."""


def refuse(refused: Refusal, request_id: str, now: float) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an error that ends the connection.

    Args:
        now: Unix seconds, for `Date` (RFC 9110 §6.6.1).
    """
    kind = refused.kind
    said = {
        "error": kind.phrase,
        "message": refused.message,
        "code": kind.code,
        "requestId": request_id,
    }
    body = orjson.dumps(said)
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-jelou-error-source", b"edge"),
        (b"x-request-id", request_id.encode()),
        *_ANYBODY,
        *refused.headers,
        (b"date", formatdate(now, usegmt=True).encode()),
        (b"connection", b"close"),
    )
    return kind.status, headers, body


def refuse_raw(refused: Refusal, request_id: str, now: float) -> bytes:
    """The same as bytes on the wire."""
    code, headers, body = refuse(refused, request_id, now)
    lines = [b"HTTP/1.1 %d %s" % (code, phrase(code).encode())]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
