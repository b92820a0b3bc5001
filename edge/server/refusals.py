"""Errors that are answered below the app, where HTTP/1.1 has not got that far. Pure.

Errors of requests that reach the app are the app's.
"""

from email.utils import formatdate

from edge import cors, headers
from edge.errors import Errors, Refusal, refusal
from edge.functions import Cors
from edge.http1 import field_lines
from edge.message import Headers
from edge.problems import error_body, error_fields
from mcp_bridge.failures import phrase

TOO_MANY_CONNECTIONS = refusal(
    Errors.OVERLOADED,
    "Too many connections are open; try again, or keep fewer.",
    headers=((b"retry-after", b"1"),),
)

_ANYBODY = Cors()
"""Which function is meant is not known yet: CORS as by default, so that a page can read it."""


def refuse(
    refused: Refusal, fresh_id: str, now: float, sent: Headers = ()
) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an error that ends the connection.

    Args:
        fresh_id: the request's id unless the caller brought one.
        now: Unix seconds, for `Date` (RFC 9110 §6.6.1).
        sent: the request's fields, as far as they are known.
    """
    request_id = headers.request_id(sent) or fresh_id.encode()
    content_type, body = error_body(refused, sent, request_id)
    fields = (
        *error_fields(refused, content_type, len(body), request_id),
        *cors.answer(_ANYBODY, sent),
        (b"date", formatdate(now, usegmt=True).encode()),
        (b"connection", b"close"),
    )
    return refused.kind.status, fields, body


def refuse_raw(
    refused: Refusal, fresh_id: str, now: float, sent: Headers = (), method: str = ""
) -> bytes:
    """The same as bytes on the wire; `HEAD` gets the head alone (RFC 9110 §9.3.2).

    Args:
        method: the request's, as far as it is known.
    """
    code, fields, body = refuse(refused, fresh_id, now, sent)
    head = b"HTTP/1.1 %d %b%b\r\n\r\n" % (code, phrase(code).encode(), field_lines(fields))
    return head if method == "HEAD" else head + body
