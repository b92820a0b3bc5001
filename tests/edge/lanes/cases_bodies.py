"""Bodies that are requests, or no bodies: no second request may come of any. Data only."""

from tests.edge.lanes.cases_requests import CHUNKED, EVERY, ask, chunked
from tests.edge.lanes.cases_smuggling import SMUGGLED
from tests.support.lanes_case import Act, After, Answered, Case, Lane, Received, token
from tests.support.lanes_expected import bad_request, received, refused, relayed, unauthorized

_CHUNKED_POST = ask("/x", "POST", (CHUNKED,))
_CHUNKS = [
    Case(
        name=f"malformed chunk: {name}",
        sent=_CHUNKED_POST + body + SMUGGLED,
        answers=(bad_request(),),
        partial=True,
        after="gone",
        lane="either",
    )
    for name, body in (
        ("no number", b"zz\r\nhello\r\n0\r\n\r\n"),
        ("negative", b"-5\r\nhello\r\n0\r\n\r\n"),
        ("plus", b"+5\r\nhello\r\n0\r\n\r\n"),
        ("0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
        ("empty", b"\r\nhello\r\n0\r\n\r\n"),
        ("space before", b" 5\r\nhello\r\n0\r\n\r\n"),
        ("tab before", b"\t5\r\nhello\r\n0\r\n\r\n"),
        ("underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
        ("overflow", b"FFFFFFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
        ("16 digits", b"0000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("space behind", b"5 \r\nhello\r\n0\r\n\r\n"),
        ("64 bits and 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("bare LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
        ("bare CR behind the size", b"5\rhello\r\n0\r\n\r\n"),
        ("too long", b"5\r\nhelloXX\r\n0\r\n\r\n"),
        ("too short", b"6\r\nhello\r\n0\r\n\r\n"),
        ("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
        ("NUL in the size", b"5\0\r\nhello\r\n0\r\n\r\n"),
        ("comma", b"5,5\r\nhello\r\n0\r\n\r\n"),
        ("extension with a line feed", b"5;a=b\nc\r\nhello\r\n0\r\n\r\n"),
        ("extension with a carriage return", b"5;a=b\rc\r\nhello\r\n0\r\n\r\n"),
        ("extension with a NUL", b"5;a=\0\r\nhello\r\n0\r\n\r\n"),
        ("extension over 256 bytes", b"5;" + b"a" * 1000 + b"\r\nhello\r\n0\r\n\r\n"),
        ("size without end", b"0" * 1000),
        ("trailer without a colon", b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n"),
        ("trailer, folded", b"5\r\nhello\r\n0\r\nx: a\r\n b\r\n\r\n"),
        ("trailer with a bare LF", b"5\r\nhello\r\n0\r\nx: a\ny: b\r\n\r\n"),
        ("trailer with a NUL", b"5\r\nhello\r\n0\r\nx: a\0\r\n\r\n"),
        ("trailer, space before the colon", b"5\r\nhello\r\n0\r\nx : a\r\n\r\n"),
        ("a length among the trailers", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
        ("a coding among the trailers", b"5\r\nhello\r\n0\r\nTransfer-Encoding: x\r\n\r\n"),
        ("trailers over 8 KiB", b"5\r\nhello\r\n0\r\nx: " + b"a" * 9000 + b"\r\n\r\n"),
        ("end with a bare LF", b"5\r\nhello\r\n0\n\r\n"),
        ("end of trailers with a bare LF", b"5\r\nhello\r\n0\r\n\n"),
    )
]


def _behind(
    name: str,
    sent: bytes,
    *answers: Answered,
    seen: tuple[Received, ...] = (),
    after: After = "open",
    lane: Lane = "fast",
) -> Case:
    return Case(
        name=f"behind: {name}", sent=sent, answers=answers, received=seen, after=after, lane=lane
    )


def _hidden(target: str = "/", method: str = "POST", **more: object) -> tuple[bytes, ...]:
    """A request whose body is a request, by length and in chunks."""
    return (
        ask(target, method, (), SMUGGLED, **more),  # type: ignore[arg-type]
        ask(target, method, (CHUNKED,), **more) + chunked(SMUGGLED),  # type: ignore[arg-type]
    )


_NOT_FOUND = refused(404, "not_found")
_REFUSED = (
    ("401", _hidden(tokens=()), unauthorized()),
    ("403", _hidden(tokens=(("X-Jelou-Token", token("orders")),)), refused(403, "forbidden")),
    ("404", _hidden(host="localhost"), _NOT_FOUND),
    (
        "405",
        _hidden(method="TRACE"),
        refused(405, "method_not_allowed", (("allow", EVERY),)),
    ),
    (
        "413",
        _hidden(host="small.fn.localhost", tokens=(("X-Jelou-Token", token(slug="small")),))[:1],
        refused(413, "body_too_large"),
    ),
    (
        "508 and 502",
        _hidden(host="gone.fn.localhost", tokens=(("X-Jelou-Token", token(slug="gone")),))[:1],
        refused(502, "upstream_unreachable"),
    ),
)

_BEHIND = [
    _behind(
        f"{status}, {'chunked' if number else 'length'}",
        sent + ask("/real"),
        answer,
        relayed(),
        seen=(received(target="/real"),),
    )
    for status, requests, answer in _REFUSED
    for number, sent in enumerate(requests)
] + [
    _behind(
        "an extension whose quotes hold a line end",
        _CHUNKED_POST + b'5;a="\r\nhello\r\n0\r\n\r\n"\r\n' + SMUGGLED,
        relayed(),
        bad_request(),
        seen=(received("POST", "/x", body=b"hello", how="chunked"),),
        after="gone",
        lane="either",
    ),
    _behind(
        "Connection: close",
        ask("/1", fields=(("Connection", "close"),)) + SMUGGLED,
        relayed(closes=True),
        seen=(received(target="/1"),),
        after="gone",
    ),
    _behind(
        "Connection: close of a refusal",
        ask("/1", tokens=(), fields=(("Connection", "close"),)) + SMUGGLED,
        unauthorized(closes=True),
        after="gone",
    ),
    _behind(
        "a 401 before a body of 100 KB that is requests",
        ask("/", "POST", (), SMUGGLED * 900, tokens=()),
        unauthorized(closes=True),
        after="gone",
    ),
    Case(
        name="behind: an early answer",
        sent=(
            ask("/x", "POST", (("Content-Length", str(len(SMUGGLED))),)),
            SMUGGLED + ask("/smuggled"),
        ),
        acts=(Act(early=True),),
        answers=(relayed(closes=True),),
        partial=True,
        after="gone",
    ),
    Case(
        name="behind: an early answer in chunks",
        sent=(_CHUNKED_POST + chunked(b"a", last=b""), chunked(SMUGGLED) + SMUGGLED),
        acts=(Act(early=True),),
        answers=(relayed(closes=True),),
        partial=True,
        after="gone",
    ),
]

_OTHER_HOST = [
    Case(
        name="absolute form decides, not Host: whose token",
        sent=ask("http://open.fn.localhost/x", host="shop.fn.localhost"),
        answers=(relayed(checked=False),),
        received=(received(target="/x", slug="open", token=None, authority="open.fn.localhost"),),
    ),
    Case(
        name="absolute form decides, not Host: the protected one",
        sent=ask("http://quick.fn.localhost/x", host="open.fn.localhost"),
        answers=(unauthorized("quick"),),
    ),
    Case(
        name="absolute form of nowhere",
        sent=ask("http://nowhere.fn.localhost/x"),
        answers=(_NOT_FOUND,),
    ),
]

CASES: list[Case] = [*_CHUNKS, *_BEHIND, *_OTHER_HOST]
