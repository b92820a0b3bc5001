"""Cases made up by Hypothesis: well-formed ones with what they must give, and heads with damage."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from tests.support.lanes_case import Act, Answered, Case, Feed, How, Pairs, Received, token
from tests.support.lanes_expected import received, relayed, unauthorized

_TCHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TEXT = "\t " + "".join(map(chr, range(0x21, 0x7F))) + "".join(map(chr, range(0x80, 0x100)))
_TARGET = "".join(map(chr, range(0x21, 0x7F))).replace("#", "")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "M-SEARCH")
_HOSTS = ("shop.fn.localhost", "SHOP.fn.Localhost.", "shop.fn.localhost:8080")
_STATUSES = (200, 201, 204, 206, 301, 304, 400, 401, 404, 418, 500, 503, 599)

_names = st.text(_TCHARS, max_size=8).map(lambda text: f"x-g{text}")
_values = st.text(_TEXT, max_size=30)
_padding = st.sampled_from(["", " ", "  ", "\t", " \t "])
_fields = st.lists(st.tuples(_names, _values), max_size=5).map(tuple)
_bodies = st.binary(max_size=600)
feeds: st.SearchStrategy[Feed] = st.one_of(
    st.just("whole"), st.lists(st.integers(1, 90), min_size=1, max_size=6).map(tuple)
)
"""How bytes are cut into packets."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request and one answer, as bytes and as what must come of them."""

    sent: bytes
    act: Act | None
    answered: Answered
    received: Received | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Some plain requests on one connection, and answers in every framing."""
    exchanges = draw(st.lists(_exchanges(), min_size=1, max_size=4))
    return Case(
        name="generated",
        sent=b"".join(exchange.sent for exchange in exchanges),
        answers=tuple(exchange.answered for exchange in exchanges),
        received=tuple(e.received for e in exchanges if e.received is not None),
        acts=tuple(e.act for e in exchanges if e.act is not None),
    )


@st.composite
def _exchanges(draw: st.DrawFn) -> _Exchange:
    method = draw(st.sampled_from(_METHODS))
    target = "/g" + draw(st.text(_TARGET, max_size=40))
    host = draw(st.sampled_from(_HOSTS))
    fields: Pairs = draw(_fields)
    framing, body, wire = draw(_framed())
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    head += [f"{name}:{draw(_padding)}{value}{draw(_padding)}" for name, value in fields]
    if framing == "length":
        head.append(f"Content-Length: {len(body)}")
    elif framing == "chunked":
        head.append("Transfer-Encoding: chunked")
    let_in = draw(st.integers(0, 9)) > 0
    if let_in:
        head.append(f"X-Jelou-Token:{draw(_padding)}{token()}")
    sent = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + wire
    if not let_in:
        return _Exchange(sent, None, unauthorized(head=method == "HEAD"), None)
    act, answered = draw(_answers(method))
    how = framing if framing != "none" and not (framing == "length" and not body) else None
    told = received(method, target, _seen(fields), body, how=how, authority=host)
    return _Exchange(sent, act, answered, told)


def _seen(fields: Pairs) -> Pairs:
    return tuple((name.lower(), value.strip(" \t")) for name, value in fields)


@st.composite
def _framed(draw: st.DrawFn) -> tuple[How, bytes, bytes]:
    """A request body: its framing, itself, and its bytes on the wire."""
    framing: How = draw(st.sampled_from(["none", "length", "chunked"]))
    if framing == "none":
        return framing, b"", b""
    body = draw(_bodies)
    return framing, body, draw(_coded(body)) if framing == "chunked" else body


@st.composite
def _coded(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks of some sizes, with extensions and trailers (RFC 9112 §7.1)."""
    extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c";d']))
    wire, at = b"", 0
    while at < len(body):
        piece = body[at : at + draw(st.integers(1, 300))]
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(piece)
        wire += size + extension + b"\r\n" + piece + b"\r\n"
        at += len(piece)
    return wire + b"0\r\n" + draw(st.sampled_from([b"", b"x-sum: 1\r\n"])) + b"\r\n"


@st.composite
def _answers(draw: st.DrawFn, method: str) -> tuple[Act, Answered]:
    """What the function answers, and what its caller must get."""
    status = draw(st.sampled_from(_STATUSES))
    fields: Pairs = draw(_fields)
    lines = [f"HTTP/1.1 {status} {draw(st.sampled_from(['', 'OK', 'Odd reason']))}"]
    lines += [f"{name}:{draw(_padding)}{value}" for name, value in fields]
    body = draw(_bodies)
    framing: How = draw(st.sampled_from(["length", "chunked", "close"]))
    if status in (204, 304) or method == "HEAD":
        length = len(body) if method == "HEAD" and status not in (204, 304) else None
        lines += [] if length is None else [f"content-length: {length}"]
        answered = relayed(b"", status, _seen(fields), how="none", length=length)
        return _act(draw, lines, b"", "keep"), answered
    if framing == "length":
        lines.append(f"content-length: {len(body)}")
    elif framing == "chunked":
        lines.append("transfer-encoding: chunked")
    how: How = "length" if framing == "length" else "chunked"
    wire = draw(_coded(body)) if framing == "chunked" else body
    then = "close" if framing == "close" else "keep"
    return _act(draw, lines, wire, then), relayed(body, status, _seen(fields), how=how)


def _act(draw: st.DrawFn, lines: list[str], wire: bytes, then: str) -> Act:
    raw = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + wire
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=4)))
    edges = [0, *cuts, len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges) if a < b]
    return Act(tuple(pieces), then)  # type: ignore[arg-type]


_HEAD = (
    f"POST /g/x?y HTTP/1.1\r\nHost: shop.fn.localhost\r\nX-Jelou-Token: {token()}\r\n"
    "Content-Length: 5\r\nX-A: b\r\n\r\nhello"
).encode()
_CHUNKED = (
    f"PUT /g HTTP/1.1\r\nhost: shop.fn.localhost\r\ntransfer-encoding: chunked\r\n"
    f"x-jelou-token: {token()}\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n"
).encode()
_PLAIN = f"GET /shop/g HTTP/1.1\r\nhost: localhost\r\nx-jelou-token: {token()}\r\n\r\n".encode()
_ODD = _PLAIN.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\nConnection: te\r\n\r\n")
"""What the fast lane hands over, with all that stands behind it."""

_LAST = b"GET /__edge/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
_DAMAGE = (
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"1", b"5", b"-", b"+",
    b"x", b"H", b"/", b"\x7f", b"\x80", b"\xff", b"#", b"*", b"\r\n ", b"\r\n\r\n", b"chunked",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
    b"Host: x\r\n", b"HTTP/1.0",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Requests on one connection in which a few bytes were replaced, inserted or lost."""
    base = b"".join(
        draw(st.lists(st.sampled_from([_HEAD, _CHUNKED, _PLAIN, _ODD]), min_size=1, max_size=3))
    )
    return _damage(draw, base) + _LAST


_ANSWERS = (
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 404 None\r\ncontent-length: 2\r\n\r\nno",
    b"HTTP/1.0 200 OK\r\nset-cookie: a=1; Path=/\r\n\r\nhello",
    b"HTTP/1.1 302 Found\r\nlocation: /x\r\nconnection: close, x-a\r\nx-a: b\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nvary: a\r\ncache-control: public\r\n\r\n",
)


def _damage(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes of which a few were replaced, inserted, flipped or lost."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["replace", "insert", "delete", "flip"]))
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        else:
            new = b"" if kind == "delete" else draw(st.sampled_from(_DAMAGE))
            data = data[:at] + new + data[at + (kind != "insert") :]
    return data


@st.composite
def damaged_answers(draw: st.DrawFn) -> Act:
    """An answer with damage, behind which the function closes."""
    return Act((_damage(draw, draw(st.sampled_from(_ANSWERS))),), "close")
