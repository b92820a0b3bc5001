"""What is not plain, and what stops midway: other versions, expectations, time. Data only."""

from tests.edge.lanes.cases_requests import CHUNKED, ask, chunked
from tests.support.lanes_case import Act, Answered, Case
from tests.support.lanes_expected import received, refused, relayed, unauthorized

_EXPECTS = [
    Case(
        name="Expect: 100-continue without a body",
        sent=ask("/1", fields=(("Expect", "100-continue"),)),
        answers=(relayed(),),
        received=(received(target="/1"),),
        lane="asgi",
    ),
    Case(
        name="Expect: 100-continue from who does not wait",
        sent=ask("/1", "POST", (("Expect", "100-continue"),), b"hello") + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received("POST", "/1", body=b"hello"), received(target="/2")),
        lane="asgi",
    ),
    Case(
        name="another expectation",
        sent=ask("/1", "POST", (("Expect", "200-maybe"),), b"hello") + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received("POST", "/1", body=b"hello"), received(target="/2")),
        lane="asgi",
    ),
    Case(
        name="Expect before a 413",
        sent=ask(
            "/1", "POST", (("Expect", "100-continue"), ("Content-Length", str(11 * 1024 * 1024)))
        ),
        answers=(refused(413, "body_too_large", closes=True),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="an upgrade of a POST",
        sent=ask("/1", "POST", (("Connection", "Upgrade"), ("Upgrade", "websocket"))) + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received("POST", "/1"), received(target="/2")),
        lane="asgi",
    ),
    Case(
        name="fast requests, then one for the other lane, then plain ones there",
        sent=ask("/1") + ask("/2", fields=(("TE", "gzip"),)) + ask("/3") + ask("/4", tokens=()),
        answers=(relayed(), relayed(), relayed(), unauthorized()),
        received=tuple(received(target=f"/{n}") for n in (1, 2, 3)),
        lane="either",
    ),
]

_OLD = [
    Case(
        name="HTTP/1.0 that would be kept",
        sent=ask("/1", fields=(("Connection", "keep-alive"),), version="1.0"),
        answers=(relayed(closes=True),),
        received=(received(target="/1"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0, refused",
        sent=ask("/1", tokens=(), version="1.0"),
        answers=(unauthorized(closes=True),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0, a body without a length is none",
        sent=ask("/1", "POST", version="1.0"),
        answers=(relayed(closes=True),),
        received=(received("POST", "/1"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0 in chunks",
        sent=ask("/1", "POST", (CHUNKED,), version="1.0") + chunked(b"hello"),
        answers=(refused(400, "bad_request", closes=True),),
        after="gone",
        lane="either",
    ),
    Case(
        name="HTTP/1.0 and an answer until it closes",
        sent=ask("/1", version="1.0"),
        acts=(Act((b"HTTP/1.1 200 OK\r\n\r\nok",), "close"),),
        answers=(relayed(how="close", closes=True),),
        received=(received(target="/1"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0 of HEAD",
        sent=ask("/1", "HEAD", version="1.0"),
        acts=(Act((b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",)),),
        answers=(relayed(b"", how="none", length=7, closes=True),),
        received=(received("HEAD", "/1"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0 and a cut answer",
        sent=ask("/1", version="1.0"),
        acts=(
            Act(
                (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", b""),
                "close",
                patient=True,
            ),
        ),
        answers=(relayed(b"half", how="close", closes=True, whole=False),),
        received=(received(target="/1"),),
        after="gone",
        lane="asgi",
    ),
]


def _late(name: str, sent: bytes, *answers: Answered, partial: bool = False) -> Case:
    return Case(
        name=f"stops: {name}",
        sent=sent,
        answers=answers,
        partial=partial,
        after="closed",
        lane="either",
        world="impatient",
    )


_TIMEOUT = refused(408, "request_timeout", closes=True)
_LENGTH = ask("/", "POST", (("Content-Length", "10"),))
_CHUNKS = ask("/", "POST", (CHUNKED,))
_TIMES = [
    _late("nothing", b""),
    _late("an empty line", b"\r\n"),
    _late("in the line", b"GET / HT", _TIMEOUT),
    _late("in the fields", ask()[:-20], _TIMEOUT),
    _late("before the last line end", ask()[:-1], _TIMEOUT),
    _late(
        "in the body",
        ask("/", "POST", (("Content-Length", "10"),)) + b"half",
        _TIMEOUT,
        partial=True,
    ),
    _late("before the body", ask("/", "POST", (("Content-Length", "10"),)), _TIMEOUT, partial=True),
    _late("in a chunk", ask("/", "POST", (CHUNKED,)) + b"8\r\nhalf", _TIMEOUT, partial=True),
    _late("in a chunk's size", ask("/", "POST", (CHUNKED,)) + b"8", _TIMEOUT, partial=True),
    _late(
        "before the last chunk",
        ask("/", "POST", (CHUNKED,)) + b"4\r\nhalf\r\n",
        _TIMEOUT,
        partial=True,
    ),
    Case(
        name="stops: in the second head",
        sent=ask("/1") + ask("/2")[:-1],
        answers=(relayed(), _TIMEOUT),
        received=(received(target="/1"),),
        after="closed",
        lane="either",
        world="impatient",
    ),
    Case(
        name="stops: behind a request",
        sent=ask("/1"),
        answers=(relayed(),),
        received=(received(target="/1"),),
        after="closed",
        world="impatient",
    ),
]

_KEEP, _CLOSE = ("Connection", "keep-alive"), ("Connection", "close")
_OPTIONS = [
    Case(
        name=f"Connection: {name}",
        sent=ask("/1", fields=fields),
        answers=(relayed(closes=True),),
        received=(received(target="/1"),),
        after="closed",
        lane="either",
    )
    for name, fields in (
        ("close, keep-alive", (("Connection", "close, keep-alive"),)),
        ("keep-alive and close", (_KEEP, _CLOSE)),
        ("close and keep-alive", (_CLOSE, _KEEP)),
        ("close in capitals", (("CONNECTION", "CLOSE"),)),
    )
] + [
    Case(
        name="Connection: empty",
        sent=ask("/1", fields=(("Connection", ""),)) + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received(target="/1"), received(target="/2")),
        lane="either",
    ),
    Case(
        name="the longest length",
        sent=ask("/1", "POST", (("Content-Length", "5".zfill(18)),)) + b"hello",
        answers=(relayed(),),
        received=(received("POST", "/1", body=b"hello"),),
    ),
    Case(
        name="the longest chunk size",
        sent=ask("/1", "POST", (CHUNKED,)) + b"5".zfill(15) + b"\r\nhello\r\n0\r\n\r\n",
        answers=(relayed(),),
        received=(received("POST", "/1", body=b"hello", how="chunked"),),
    ),
]

CASES: list[Case] = [*_OPTIONS, *_EXPECTS, *_OLD, *_TIMES]
