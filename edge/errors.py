"""Every error that the edge answers with: code, status, whose fault, public text. Declared once.

A function's own errors are not among them; they pass untouched. `docs/errors.md` is tested against
this table.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from edge.message import Headers
from mcp_bridge.failures import phrase

Fault = Literal["client", "edge", "upstream"]


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the error table.

    Attributes:
        code: stable, machine-readable; part of the contract.
        status: HTTP status code (RFC 9110 §15, RFC 5842 §7.2 for 508).
        fault: whose doing it is: the client's, the edge's or the upstream's.
        text: the public message; a refusal may say it more precisely.
        closes: whether the connection can no longer be trusted to be in step.
    """

    code: str
    status: int
    fault: Fault
    text: str
    closes: bool = False

    @property
    def phrase(self) -> str:
        """The reason phrase, which is the `error` member of the body."""
        return phrase(self.status)


class Errors(Enum):
    """The closed set of errors; the names are the codes in upper case."""

    BAD_REQUEST = ErrorKind(
        "bad_request", 400, "client", "The request is malformed or ambiguous.", closes=True
    )
    UNAUTHORIZED = ErrorKind(
        "unauthorized", 401, "client", "Missing or invalid X-Jelou-Token header"
    )
    FORBIDDEN = ErrorKind(
        "forbidden", 403, "client", "The token's scopes do not cover this request."
    )
    NOT_FOUND = ErrorKind("not_found", 404, "client", "There is nothing at this address.")
    METHOD_NOT_ALLOWED = ErrorKind(
        "method_not_allowed", 405, "client", "This method is not allowed here; see Allow."
    )
    REQUEST_TIMEOUT = ErrorKind(
        "request_timeout", 408, "client", "The request did not arrive in time.", closes=True
    )
    BODY_TOO_LARGE = ErrorKind(
        "body_too_large", 413, "client", "The body is over the limit of this function."
    )
    URI_TOO_LONG = ErrorKind(
        "uri_too_long", 414, "client", "The request line is too long.", closes=True
    )
    RATE_LIMITED = ErrorKind(
        "rate_limited", 429, "client", "Too many requests; wait for Retry-After seconds."
    )
    HEADERS_TOO_LARGE = ErrorKind(
        "headers_too_large",
        431,
        "client",
        "The header block is too large or has too many fields.",
        closes=True,
    )
    UPSTREAM_UNREACHABLE = ErrorKind(
        "upstream_unreachable", 502, "upstream", "The function cannot be reached."
    )
    UPSTREAM_INVALID = ErrorKind(
        "upstream_invalid", 502, "upstream", "The function's answer is not valid HTTP."
    )
    OVERLOADED = ErrorKind(
        "overloaded", 503, "edge", "Too many requests are in flight for this function."
    )
    CIRCUIT_OPEN = ErrorKind(
        "circuit_open", 503, "upstream", "The function has been failing; it is being left alone."
    )
    DRAINING = ErrorKind("draining", 503, "edge", "The edge is shutting down; try again.")
    STORE_UNAVAILABLE = ErrorKind(
        "store_unavailable", 503, "edge", "The edge cannot read its store; try again."
    )
    UPSTREAM_TIMEOUT = ErrorKind(
        "upstream_timeout", 504, "upstream", "The function did not answer within its timeout."
    )
    INTERNAL = ErrorKind(
        "internal", 500, "edge", "The edge failed; the request id stands in its log."
    )
    LOOP_DETECTED = ErrorKind(
        "loop_detected", 508, "client", "The request has come through this edge before."
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as it is answered: which one, said how, with which extra fields.

    Attributes:
        reason: why, for the log alone; never sent to a client.
    """

    kind: ErrorKind
    message: str
    headers: Headers = ()
    reason: str = field(default="", compare=False)


def refusal(error: Errors, message: str = "", headers: Headers = (), reason: str = "") -> Refusal:
    """A refusal with the table's public text unless `message` says it more precisely."""
    return Refusal(error.value, message or error.value.text, headers, reason)


class EdgeError(Exception):
    """A refusal that is found out while a request is under way, on its way to the one renderer."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(refused.kind.code)
        self.refusal = refused


UNAUTHORIZED_BODY = b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'


def body_too_large(limit: int) -> Refusal:
    """The 413 for a body over a function's limit in bytes, found at its head or on the way."""
    message = (
        f"The body is over the limit of {limit} bytes; see config.limits.body (MCP: mcp_body)."
    )
    return refusal(Errors.BODY_TOO_LARGE, message)


def store_unavailable() -> Refusal:
    """The 503 while the store cannot be read."""
    return refusal(Errors.STORE_UNAVAILABLE, headers=((b"retry-after", b"1"),))


def unauthorized(realm: str, reason: str) -> Refusal:
    """The one 401, the same for every cause; `reason` is for the log alone."""
    fields = (
        (b"www-authenticate", b'JelouToken realm="%s"' % realm.encode()),
        (b"cache-control", b"no-store"),
    )
    return refusal(Errors.UNAUTHORIZED, headers=fields, reason=reason)
