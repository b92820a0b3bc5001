"""Answer heads as the client gets them on the wire (RFC 9112 §4)."""

from dataclasses import dataclass, field

from edge.doors.asgi import dated
from edge.doors.rendering import Rendered
from edge.http1 import field_lines
from edge.message import Headers
from mcp_bridge.failures import phrase

CLOSE = (b"connection", b"close")
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer of the edge's own whose head is there already, `Connection` and its end apart."""

    head: bytes
    body: bytes = field(repr=False)
    status: int = 200


def answer_head(status: int, reason: bytes, fields: Headers) -> bytes:
    """A head with the empty line that ends it; `Date` is added if it is not there."""
    return begun_head(status, reason, tuple(dated(fields))) + b"\r\n\r\n"


def begun_head(status: int, reason: bytes, fields: Headers) -> bytes:
    """A head with these fields, without its end."""
    return b"HTTP/1.1 %d %b%b" % (status, reason or phrase(status).encode(), field_lines(fields))


def own_answer(
    answer: Rendered | Prepared, method: str, alternatives: Headers, *, keep: bool
) -> bytes:
    """An answer of the edge's own, head and body; `HEAD` gets the head alone."""
    more = alternatives if keep else (*alternatives, CLOSE)
    if isinstance(answer, Prepared):
        head = answer.head + field_lines(more) + b"\r\n\r\n"
    else:
        head = answer_head(answer.status, b"", answer.headers + more)
    return head if method == "HEAD" else head + answer.body


def switching(fields: Headers) -> Headers:
    """The fields of a 101 (RFC 9110 §15.2.2), which has no body and says so by itself."""
    kept = tuple(pair for pair in fields if pair[0] != b"content-length")
    return (*kept, (b"connection", b"Upgrade"), (b"upgrade", b"websocket"))


def chunk(piece: bytes) -> bytes:
    """A piece of a body as one chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
