"""HTTP/1.1 heads, bytes to values and back: strict, with limits. Pure.

What follows a head is walked by `chunks` and `reader`; this module knows no stream.
"""

import re
from typing import NamedTuple

from edge import headers as rules
from edge.forwarding.wire import FRAMING_FIELDS, Framing, UpstreamRequest
from edge.http1 import FIELDS, TEXT, TOKEN, field_lines, split_fields
from edge.message import Headers

HEAD_LIMIT = 64 * 1024
"""Bytes of an answer's head, its last empty line included."""

FIELD_LIMIT = 200
"""Fields in an answer's head or trailer section."""

_FIELDS = rb"(" + FIELDS + rb")"
_ANSWER = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (" + TEXT + rb"*+))?+" + _FIELDS)
_BREAKS_OUT = "method, target or a header holds what HTTP/1.1 does not allow there"
_REQUEST = re.compile(TOKEN + rb"++ [!-~\x80-\xff]++ HTTP/1\.1" + _FIELDS)
_SECTION = re.compile(_FIELDS)
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?:^|[,; \t])timeout=([0-9]{1,6})(?![0-9])", re.IGNORECASE)
_FRAMES = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})
_LENGTH_BY_HABIT = frozenset({b"POST", b"PUT", b"PATCH"})

NOT_IN_TRAILERS = rules.HOP_BY_HOP | {
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"host",
    b"set-cookie",
}
"""Fields that mean something only before a body (RFC 9110 §6.5.1); in trailers they are dropped."""


class InvalidAnswer(Exception):
    """What an upstream sent is not an answer; the text names the rule, never what was sent."""


class InvalidRequest(ValueError):
    """A request that cannot be written as HTTP/1.1 without changing its meaning."""


class ResponseHead(NamedTuple):
    """The head of an answer (RFC 9112 §4, §5), interim or final.

    Attributes:
        version: `1.0` or `1.1`.
        headers: every field, hop-by-hop ones too; names in lower case.
    """

    status: int
    reason: bytes
    headers: Headers
    version: str


class Frame(NamedTuple):
    """Where an answer ends, and whether its connection lives on (RFC 9112 §6.3, §9.3).

    Attributes:
        length: bytes of body; meaningful for `length` only.
        keep_alive: whether the connection may carry another exchange.
        keep_for: seconds that the upstream says it keeps an idle connection, or None.
    """

    framing: Framing
    length: int
    keep_alive: bool
    keep_for: float | None = None


def parse_head(block: bytes) -> ResponseHead:
    """An answer's head from its bytes, without the empty line that ends it.

    Raises:
        InvalidAnswer: it breaks the grammar of RFC 9112, or a limit.
    """
    match = _ANSWER.fullmatch(block)
    if match is None:
        raise InvalidAnswer("the head breaks the grammar of HTTP/1.1")
    minor, status, reason, fields = match.groups()
    version = "1.1" if minor == b"1" else "1.0"
    return ResponseHead(int(status), reason or b"", _split_fields(fields), version)


def parse_trailers(section: bytes) -> Headers:
    """Trailer fields, each preceded by CRLF; those that mean nothing there are left out.

    Raises:
        InvalidAnswer: it breaks the grammar of RFC 9112, or a limit, or speaks of framing.
    """
    if _SECTION.fullmatch(section) is None:
        raise InvalidAnswer("the trailers break the grammar of HTTP/1.1")
    fields = _split_fields(section)
    if any(name in FRAMING_FIELDS for name, _ in fields):
        raise InvalidAnswer("there is a framing field among the trailers")
    return tuple(field for field in fields if field[0] not in NOT_IN_TRAILERS)


def _split_fields(fields: bytes) -> Headers:
    if fields.count(b"\r\n") > FIELD_LIMIT:
        raise InvalidAnswer(f"there are more than {FIELD_LIMIT} fields")
    return tuple(split_fields(fields))


def check_partial_head(held: bytes | bytearray, scanned: int) -> None:
    """Refuse early what can no longer become a head; bytes before `scanned` were checked before.

    Raises:
        InvalidAnswer: it is not HTTP, or already over the limit.
    """
    if not held.startswith(b"HTTP/1."[: len(held)]):
        raise InvalidAnswer("the answer does not begin with HTTP/1.")
    if _BARE_LF.search(held, scanned):
        raise InvalidAnswer("a line of the head ends with a bare LF")
    if len(held) >= HEAD_LIMIT:
        raise InvalidAnswer(f"the head is over {HEAD_LIMIT} bytes")


def frame(head: ResponseHead, method: bytes) -> Frame:
    """How the answer to a request with this method ends.

    Raises:
        InvalidAnswer: its framing is ambiguous: both framings, a length that is not one number,
            a transfer coding other than `chunked`, or one in HTTP/1.0.
    """
    lengths, codings, options, keep_for = _framing_fields(head.headers)
    length = _one_length(lengths)
    if codings:
        _check_coding(codings, lengths, head.version)
    keep_alive = head.version == "1.1" and b"close" not in options
    if method == b"HEAD":
        return Frame("none", 0, keep_alive, keep_for)
    if head.status in (204, 304) or head.status < 200:
        # An upstream that announces a body here may send one: its connection is out of step.
        silent = not codings and (head.status == 304 or not length)
        return Frame("none", 0, keep_alive and silent, keep_for)
    if codings:
        return Frame("chunked", 0, keep_alive, keep_for)
    if length is not None:
        return Frame("length", length, keep_alive, keep_for)
    return Frame("close", 0, False)


def _framing_fields(
    headers: Headers,
) -> tuple[list[bytes], list[bytes], list[bytes], float | None]:
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    keep_for = None
    for name, value in headers:
        if name not in _FRAMES:
            continue
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
        elif name == b"connection":
            options += [option.strip(b" \t") for option in value.lower().split(b",")]
        elif found := _KEEP_ALIVE_TIMEOUT.search(value):
            keep_for = float(found[1])
    return lengths, codings, options, keep_for


def _one_length(lengths: list[bytes]) -> int | None:
    if not lengths:
        return None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise InvalidAnswer("Content-Length is not one number")
    return int(lengths[0])


def _check_coding(codings: list[bytes], lengths: list[bytes], version: str) -> None:
    if lengths:
        raise InvalidAnswer("both Transfer-Encoding and Content-Length are there")
    if version == "1.0":
        raise InvalidAnswer("Transfer-Encoding in HTTP/1.0")
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise InvalidAnswer("Transfer-Encoding is not chunked alone")


def end_to_end(headers: Headers) -> Headers:
    """The fields that are not for this hop alone, and `Trailer`, which says what may still come."""
    dropped = (rules.HOP_BY_HOP - {b"trailer"}) | rules.connection_options(headers)
    return tuple(field for field in headers if field[0] not in dropped)


def serialise_request(request: UpstreamRequest) -> bytes:
    """The head of a request (RFC 9112 §3), with its framing and the empty line that ends it.

    Raises:
        InvalidRequest: a part of it would break out of its place (RFC 9112 §11.1), or a framing
            field came along.
    """
    body = request.body
    length = len(body) if isinstance(body, bytes) else request.length
    return serialise(request.method, request.target, request.headers, length, bodiless=body is None)


def check_request(line: bytes, headers: Headers) -> None:
    """See that a request line and fields stay in their places; raises InvalidRequest."""
    block = line + field_lines(headers)
    if block.count(b"\r\n") != len(headers) or _REQUEST.fullmatch(block) is None:
        raise InvalidRequest(_BREAKS_OUT)


def serialise(
    method: bytes, target: bytes, headers: Headers, length: int | None, *, bodiless: bool
) -> bytes:
    """As `serialise_request`, from the parts; `length` is bytes of body, None sends it chunked."""
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    for name, value in headers:
        if name in FRAMING_FIELDS:
            raise InvalidRequest("framing fields follow from the body")
        lines.append(b"%b: %b" % (name, value))
    framing = framing_line(method, length, bodiless=bodiless)
    if framing:
        lines.append(framing[2:])
    block = b"\r\n".join(lines)
    if block.count(b"\r\n") != len(lines) - 1 or _REQUEST.fullmatch(block) is None:
        raise InvalidRequest(_BREAKS_OUT)
    return block + b"\r\n\r\n"


def framing_line(method: bytes, length: int | None, *, bodiless: bool) -> bytes:
    """The field line that says where a request's body ends, begun by CRLF; empty without a body."""
    if bodiless:
        # RFC 9110 §8.6: with these methods an upstream may expect to be told that nothing follows.
        return b"\r\ncontent-length: 0" if method in _LENGTH_BY_HABIT else b""
    if length is None:
        return b"\r\ntransfer-encoding: chunked"
    return b"\r\ncontent-length: %d" % length
