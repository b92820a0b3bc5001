"""Answers of the function, in every framing, plain and odd, and what its caller gets. Data only."""

from collections.abc import Sequence

from tests.edge.lanes.cases_requests import ask, chunked
from tests.support.lanes_case import OK, Act, Answered, Case, Pairs, Then
from tests.support.lanes_expected import received, relayed


def plain(head: bytes, body: bytes = b"") -> bytes:
    """An answer with this status and these fields."""
    return b"HTTP/1.1 " + head + b"\r\n\r\n" + body


def _case(name: str, acts: Sequence[Act], *answers: Answered, method: str = "GET") -> Case:
    """So many requests to the function, one for each answer."""
    count = len(answers)
    return Case(
        name=f"answer: {name}",
        sent=tuple(ask(f"/{n}", method) for n in range(count)),
        acts=tuple(acts),
        answers=answers,
        received=tuple(received(method, f"/{n}") for n in range(count)),
    )


def _twice(
    name: str,
    raw: bytes | tuple[bytes, ...],
    answer: Answered,
    *,
    method: str = "GET",
    then: Then = "keep",
) -> Case:
    """The same twice, so that a connection out of step would show."""
    act = Act((raw,) if isinstance(raw, bytes) else raw, then)
    return _case(name, (act, act), answer, answer, method=method)


_FRAMINGS = [
    _twice("length", OK, relayed()),
    _twice("length of 0", plain(b"200 OK\r\ncontent-length: 0"), relayed(b"")),
    _twice(
        "chunked",
        plain(b"200 OK\r\ntransfer-encoding: chunked", chunked(b"o", b"k")),
        relayed(how="chunked"),
    ),
    _twice(
        "chunked in capitals",
        plain(b"200 OK\r\nTransfer-Encoding: Chunked", chunked(b"ok")),
        relayed(how="chunked"),
    ),
    _twice(
        "chunked, empty",
        plain(b"200 OK\r\ntransfer-encoding: chunked", b"0\r\n\r\n"),
        relayed(b"", how="chunked"),
    ),
    _twice(
        "chunk extensions",
        plain(b"200 OK\r\ntransfer-encoding: chunked", b'2;a="b"\r\nok\r\n0;x\r\n\r\n'),
        relayed(how="chunked"),
    ),
    _twice(
        "trailers",
        plain(
            b"200 OK\r\ntransfer-encoding: chunked", chunked(b"ok", last=b"0\r\nx-sum: 1\r\n\r\n")
        ),
        relayed(how="chunked"),
    ),
    _twice(
        "announced trailers",
        plain(
            b"200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked",
            chunked(b"ok", last=b"0\r\nx-sum: 1\r\n\r\n"),
        ),
        relayed(how="chunked"),
    ),
    _twice("until it closes", plain(b"200 OK", b"ok"), relayed(how="chunked"), then="close"),
    _twice("until it closes, empty", plain(b"200 OK"), relayed(b"", how="chunked"), then="close"),
    _twice(
        "HTTP/1.0 until it closes",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        relayed(how="chunked"),
        then="close",
    ),
    _twice(
        "HTTP/1.0 with a length",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        relayed(),
        then="close",
    ),
    _twice("length, then it closes", OK, relayed(), then="close"),
    _twice(
        "length and Connection: close",
        plain(b"200 OK\r\nconnection: close\r\ncontent-length: 2", b"ok"),
        relayed(),
        then="close",
    ),
    _twice(
        "keep-alive",
        plain(
            b"200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\ncontent-length: 2", b"ok"
        ),
        relayed(),
    ),
    _twice(
        "HEAD with a length",
        plain(b"200 OK\r\ncontent-length: 7"),
        relayed(b"", how="none", length=7),
        method="HEAD",
    ),
    _twice(
        "HEAD with a length of 0",
        plain(b"200 OK\r\ncontent-length: 0"),
        relayed(b"", how="none", length=0),
        method="HEAD",
    ),
    _twice(
        "HEAD without a length",
        plain(b"200 OK"),
        relayed(b"", how="none", fields=(("transfer-encoding", "chunked"),)),
        method="HEAD",
    ),
    _twice(
        "HEAD of an error",
        plain(b"404 Not Found\r\ncontent-length: 7"),
        relayed(b"", 404, how="none", length=7),
        method="HEAD",
    ),
    _twice("204", plain(b"204 No Content"), relayed(b"", 204, how="none")),
    _twice(
        "304",
        plain(b'304 Not Modified\r\netag: "x"'),
        relayed(b"", 304, (("etag", '"x"'),), how="none"),
    ),
    _twice("205", plain(b"205 Reset Content\r\ncontent-length: 0"), relayed(b"", 205)),
    _twice("in pieces", tuple(OK[at : at + 3] for at in range(0, len(OK), 3)), relayed()),
    _twice(
        "chunked in pieces",
        tuple(
            bytes([b])
            for b in plain(b"200 OK\r\ntransfer-encoding: chunked", chunked(b"hello", b"world"))
        ),
        relayed(b"helloworld", how="chunked"),
    ),
    _twice("head, then body", (OK[:-2], b"o", b"k"), relayed()),
    _twice(
        "large, by length",
        plain(b"200 OK\r\ncontent-length: 300000", b"x" * 300_000),
        relayed(b"x" * 300_000),
    ),
    _twice(
        "large, chunked",
        plain(b"200 OK\r\ntransfer-encoding: chunked", chunked(b"x" * 100_000, b"y" * 200_000)),
        relayed(b"x" * 100_000 + b"y" * 200_000, how="chunked"),
    ),
    _twice(
        "large, until it closes",
        plain(b"200 OK", b"x" * 300_000),
        relayed(b"x" * 300_000, how="chunked"),
        then="close",
    ),
    _twice(
        "event stream",
        (
            plain(b"200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked"),
            chunked(b"data: 1\n\n", last=b""),
            chunked(b"data: 2\n\n"),
        ),
        relayed(
            b"data: 1\n\ndata: 2\n\n",
            fields=(("content-type", "text/event-stream"),),
            how="chunked",
        ),
    ),
]

_INTERIM = [
    _twice(f"after {name}", interim + OK, relayed())
    for name, interim in (
        ("103", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
        ("100", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("102 twice", b"HTTP/1.1 102 Processing\r\n\r\n" * 2),
        ("16 interim answers", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 16),
    )
]

_STATUS = [
    _twice(
        f"status {line}",
        plain(line.encode("latin-1") + b"\r\ncontent-length: 2", b"ok"),
        relayed(status=int(line[:3])),
    )
    for line in (
        "200",
        "200 ",
        "200 Fine by me",
        "200 \xe4",
        "201 Created",
        "202 Accepted",
        "203 X",
        "206 Partial",
        "299 Whatever",
        "300 X",
        "301 X",
        "302 Found",
        "307 X",
        "400 Bad Request",
        "401 Unauthorized",
        "402 X",
        "403 X",
        "404 Not Found",
        "405 X",
        "408 X",
        "409 X",
        "410 X",
        "413 X",
        "418 I'm a teapot",
        "422 X",
        "429 X",
        "431 X",
        "451 X",
        "499 X",
        "500 X",
        "501 X",
        "502 Bad Gateway",
        "503 X",
        "504 X",
        "508 X",
        "511 X",
        "599 ",
        "600 X",
        "999 X",
    )
]


def _field(name: str, fields: Pairs, *seen: tuple[str, str], **more: object) -> Case:
    raw = b"".join(f"\r\n{key}: {value}".encode("latin-1") for key, value in fields)
    answer = relayed(fields=seen, **more)  # type: ignore[arg-type]
    return _twice(f"fields: {name}", plain(b"200 OK\r\ncontent-length: 2" + raw, b"ok"), answer)


_FIELDS = [
    *(
        _field(f"{name}: {value[:20]}", ((name, value),), (name.lower(), value.strip(" \t")))
        for name, value in (
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Server", "nginx"),
            ("ETag", '"x"'),
            ("Set-Cookie", "a=1; Secure"),
            ("WWW-Authenticate", "Basic"),
            ("Retry-After", "1"),
            ("X-Empty", ""),
            ("X-Spaces", " \ta  b \t"),
            ("X-Latin", "\xe4\xff"),
            ("X-Tab", "a\tb"),
            ("X-Jelou-Function", "the function's own"),
            ("X-Jelou-Signature", "x"),
            ("X-Large", "a" * 60_000),
            ("Allow", "GET"),
            ("Content-Encoding", "gzip"),
            ("Link", "</a>; rel=x"),
            ("Alt-Svc", 'h3=":443"'),
            ("Strict-Transport-Security", "max-age=1"),
        )
    ),
    *(
        _field(f"dropped: {name}", ((name, value), ("x-kept", "1")), ("x-kept", "1"))
        for name, value in (
            ("X-Jelou-Error-Source", "edge"),
            ("X-Request-Id", "forged"),
            ("Keep-Alive", "timeout=5, max=100"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authenticate", "Basic"),
            ("Upgrade", "h2c"),
            ("TE", "trailers"),
            ("Connection", "keep-alive"),
        )
    ),
    _field(
        "dropped: what Connection names",
        (("Connection", "x-a"), ("x-a", "1"), ("x-b", "2")),
        ("x-b", "2"),
    ),
    _field(
        "own Date",
        (("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        dated=False,
    ),
    _field("own Cache-Control", (("Cache-Control", "public"),), ("cache-control", "public")),
    _field("own Cache-Control, empty", (("Cache-Control", ""),), ("cache-control", "")),
    _field("own Vary", (("Vary", "Accept"),), ("vary", "Accept")),
    _field("own Vary *", (("Vary", "*"),), ("vary", "*")),
    _field(
        "own CORS",
        (("Access-Control-Allow-Origin", "null"),),
        ("access-control-allow-origin", "null"),
        cors=(),
    ),
    _field(
        "own CORS of another kind",
        (("Access-Control-Max-Age", "1"),),
        ("access-control-max-age", "1"),
        cors=(),
    ),
    _field(
        "many cookies",
        (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/x"), ("set-cookie", "a=1")),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2; Path=/x"),
        ("set-cookie", "a=1"),
    ),
    _field("a field twice", (("X-A", "1"), ("x-a", "2")), ("x-a", "1"), ("x-a", "2")),
    _field("150 cookies", (("Set-Cookie", "a"),) * 150, *(("set-cookie", "a"),) * 150),
    _field(
        "199 fields",
        tuple((f"x-{n}", "a") for n in range(199)),
        *((f"x-{n}", "a") for n in range(199)),
    ),
]


def _public(name: str, fields: bytes, *seen: tuple[str, str]) -> Case:
    return Case(
        name=f"answer: of a public route: {name}",
        sent=ask("/x", tokens=(), host="open.fn.localhost"),
        acts=(Act((plain(b"200 OK\r\ncontent-length: 2" + fields, b"ok"),)),),
        answers=(relayed(fields=seen, checked=False),),
        received=(received(target="/x", slug="open", token=None, authority="open.fn.localhost"),),
    )


_CACHING = [
    _public("nothing added", b""),
    _public("own Vary", b"\r\nvary: a", ("vary", "a")),
    _public("own Cache-Control", b"\r\ncache-control: no-cache", ("cache-control", "no-cache")),
]

CASES: list[Case] = [*_FRAMINGS, *_INTERIM, *_STATUS, *_FIELDS, *_CACHING]
