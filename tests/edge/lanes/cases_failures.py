"""Functions that fail: cut, invalid, late, absent or early answers, and the retry. Data only."""

from tests.edge.lanes.cases_answers import plain
from tests.edge.lanes.cases_requests import ask, chunked
from tests.support.lanes_case import OK, Act, Answered, Case, How, Then, token
from tests.support.lanes_expected import received, refused, relayed

UNREACHABLE = refused(502, "upstream_unreachable")
INVALID = refused(502, "upstream_invalid")

_CHUNKED_HEAD = plain(b"200 OK\r\ntransfer-encoding: chunked")


def _cut(
    name: str, begun: bytes, rest: bytes, then: Then, how: How, length: int | None = None
) -> Case:
    """An answer that breaks off never looks whole."""
    body = b"half" if b"half" in begun else b""
    return Case(
        name=f"cut: {name}",
        sent=ask("/x"),
        acts=(Act((begun, rest), then, patient=True),),
        answers=(relayed(body, how=how, whole=False, length=length),),
        received=(received(target="/x"),),
        after="gone",
    )


_HALF = _CHUNKED_HEAD + chunked(b"half", last=b"")
_BY_LENGTH = plain(b"200 OK\r\ncontent-length: 100")

_CUTS = [
    _cut("length, closed", _BY_LENGTH + b"half", b"", "close", "length", 100),
    _cut("length, closed before a byte", _BY_LENGTH, b"", "close", "length", 100),
    _cut("length, reset", _BY_LENGTH + b"half", b"", "reset", "length", 100),
    _cut("chunked, closed", _HALF, b"", "close", "chunked"),
    _cut("chunked, reset", _HALF, b"", "reset", "chunked"),
    _cut("until it closes, reset", plain(b"200 OK", b"half"), b"", "reset", "chunked"),
    _cut("chunked, closed in a chunk", _CHUNKED_HEAD + b"8\r\nhalf", b"", "close", "chunked"),
    _cut("chunked, closed before the end", _HALF, b"0\r\n", "close", "chunked"),
    _cut("chunked, closed in the trailers", _HALF, b"0\r\nx: 1\r\n", "close", "chunked"),
    _cut("chunked, garbled", _HALF, b"zz\r\nx\r\n", "keep", "chunked"),
    _cut("chunked, bare LF", _HALF, b"1\na\r\n0\r\n\r\n", "keep", "chunked"),
    _cut(
        "chunked, a chunk too long",
        _CHUNKED_HEAD + b"4\r\nhalf",
        b"XX\r\n0\r\n\r\n",
        "keep",
        "chunked",
    ),
    _cut(
        "chunked, a size line over 256 bytes",
        _HALF,
        b"1;" + b"a" * 300 + b"\r\nx\r\n",
        "keep",
        "chunked",
    ),
    _cut("chunked, a negative size", _HALF, b"-1\r\nx\r\n", "keep", "chunked"),
    _cut("chunked, a size over every bound", _HALF, b"f" * 17 + b"\r\nx\r\n", "keep", "chunked"),
    _cut(
        "chunked, trailers over 8 KiB",
        _HALF,
        b"0\r\nx: " + b"a" * 9000 + b"\r\n\r\n",
        "keep",
        "chunked",
    ),
    _cut("chunked, trailers that are none", _HALF, b"0\r\nx y\r\n\r\n", "keep", "chunked"),
    _cut(
        "chunked, a length among the trailers",
        _HALF,
        b"0\r\ncontent-length: 1\r\n\r\n",
        "keep",
        "chunked",
    ),
]


def _failing(name: str, raw: bytes | tuple[bytes, ...], then: Then, answer: Answered) -> Case:
    send = (raw,) if isinstance(raw, bytes) else raw
    return Case(
        name=f"failing: {name}",
        sent=ask("/x", "POST", (), b"x"),
        acts=(Act(send, then),),
        answers=(answer,),
        received=(received("POST", "/x", body=b"x"),),
    )


_FAILING = [
    _failing("closes before the head", (), "close", UNREACHABLE),
    _failing("resets before the head", (), "reset", UNREACHABLE),
    _failing("closes within the head", b"HTTP/1.1 200 O", "close", UNREACHABLE),
    _failing(
        "closes behind an interim answer", b"HTTP/1.1 103 Hints\r\n\r\n", "close", UNREACHABLE
    ),
    *(
        _failing(name, raw, "keep", INVALID)
        for name, raw in (
            ("not HTTP", b"hello world\r\n\r\n"),
            ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
            ("HTTP/2", b"HTTP/2 200\r\ncontent-length: 2\r\n\r\nok"),
            ("HTTP/1.2", b"HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok"),
            ("status of two digits", plain(b"99 X\r\ncontent-length: 2", b"ok")),
            ("status of four digits", plain(b"2000 X\r\ncontent-length: 2", b"ok")),
            ("status that is none", plain(b"abc X\r\ncontent-length: 2", b"ok")),
            (
                "both framings",
                plain(b"200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked", chunked(b"ok")),
            ),
            ("two lengths", plain(b"200 OK\r\ncontent-length: 2\r\ncontent-length: 3", b"ok")),
            (
                "two equal lengths",
                plain(b"200 OK\r\ncontent-length: 2\r\ncontent-length: 2", b"ok"),
            ),
            ("a list of lengths", plain(b"200 OK\r\ncontent-length: 2, 2", b"ok")),
            ("length +2", plain(b"200 OK\r\ncontent-length: +2", b"ok")),
            ("length -2", plain(b"200 OK\r\ncontent-length: -2", b"ok")),
            ("length 0x2", plain(b"200 OK\r\ncontent-length: 0x2", b"ok")),
            ("empty length", plain(b"200 OK\r\ncontent-length:", b"ok")),
            ("length over every bound", plain(b"200 OK\r\ncontent-length: " + b"9" * 30, b"ok")),
            ("gzip, chunked", plain(b"200 OK\r\ntransfer-encoding: gzip, chunked", chunked(b"ok"))),
            (
                "chunked twice",
                plain(
                    b"200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked",
                    chunked(b"ok"),
                ),
            ),
            ("identity", plain(b"200 OK\r\ntransfer-encoding: identity", b"ok")),
            (
                "chunked in HTTP/1.0",
                b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"ok"),
            ),
            ("bare LF", b"HTTP/1.1 200 OK\r\nx: a\ny: b\r\ncontent-length: 2\r\n\r\nok"),
            ("bare CR", plain(b"200 OK\r\nx: a\rb\r\ncontent-length: 2", b"ok")),
            ("NUL", plain(b"200 OK\r\nx: a\0b\r\ncontent-length: 2", b"ok")),
            ("folded", plain(b"200 OK\r\nx: a\r\n b\r\ncontent-length: 2", b"ok")),
            ("no colon", plain(b"200 OK\r\nx\r\ncontent-length: 2", b"ok")),
            ("space before the colon", plain(b"200 OK\r\nx : a\r\ncontent-length: 2", b"ok")),
            ("empty name", plain(b"200 OK\r\n: a\r\ncontent-length: 2", b"ok")),
            ("name in UTF-8", plain("200 OK\r\nä: a\r\ncontent-length: 2".encode(), b"ok")),
            ("reason with a control character", plain(b"200 O\x07K\r\ncontent-length: 2", b"ok")),
            ("101 unasked", plain(b"101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade")),
            ("17 interim answers", b"HTTP/1.1 103 Hints\r\n\r\n" * 17 + OK),
            ("201 fields", plain(b"200 OK" + b"\r\nx: a" * 200 + b"\r\ncontent-length: 2", b"ok")),
            (
                "head over 64 KiB",
                plain(b"200 OK\r\nx: " + b"a" * 70_000 + b"\r\ncontent-length: 2", b"ok"),
            ),
        )
    ),
]

_QUICK = (("X-Jelou-Token", token(slug="quick")),)
_SILENT = Act((), "silence")


def _patience(name: str, raw: bytes, answered: Answered) -> Case:
    return Case(
        name=f"stands still: {name}",
        sent=ask("/x"),
        acts=(Act((raw,), "silence"),),
        answers=(answered,),
        received=(received(target="/x"),),
        after="gone",
        world="impatient",
    )


_TIMES = [
    Case(
        name="504",
        sent=ask("/x", tokens=_QUICK, host="quick.fn.localhost"),
        acts=(_SILENT,),
        answers=(refused(504, "upstream_timeout"),),
        received=(received(target="/x", slug="quick", authority="quick.fn.localhost"),),
    ),
    Case(
        name="504 behind half a head",
        sent=ask("/x", tokens=_QUICK, host="quick.fn.localhost"),
        acts=(Act((b"HTTP/1.1 200 OK\r\nx: ",), "silence"),),
        answers=(refused(504, "upstream_timeout"),),
        received=(received(target="/x", slug="quick", authority="quick.fn.localhost"),),
    ),
    Case(
        name="504 of a POST, and the next is answered",
        sent=ask("/1", "POST", (), b"x", tokens=_QUICK, host="quick.fn.localhost")
        + ask("/2", tokens=_QUICK, host="quick.fn.localhost"),
        acts=(_SILENT,),
        answers=(refused(504, "upstream_timeout"), relayed()),
        received=(
            received("POST", "/1", body=b"x", slug="quick", authority="quick.fn.localhost"),
            received(target="/2", slug="quick", authority="quick.fn.localhost"),
        ),
    ),
    Case(
        name="502: nothing listens",
        sent=ask("/x", tokens=(("X-Jelou-Token", token(slug="gone")),), host="gone.fn.localhost"),
        answers=(UNREACHABLE,),
    ),
    Case(
        name="502: nothing listens, with a body, and the connection goes on",
        sent=ask(
            "/x",
            "POST",
            (),
            b"x" * 1000,
            tokens=(("X-Jelou-Token", token(slug="gone")),),
            host="gone.fn.localhost",
        )
        + ask("/y"),
        answers=(UNREACHABLE, relayed()),
        received=(received(target="/y"),),
    ),
    _patience(
        "length",
        plain(b"200 OK\r\ncontent-length: 100", b"half"),
        relayed(b"half", length=100, whole=False),
    ),
    _patience(
        "chunked",
        _CHUNKED_HEAD + chunked(b"half", last=b""),
        relayed(b"half", how="chunked", whole=False),
    ),
    _patience(
        "until it closes", plain(b"200 OK", b"half"), relayed(b"half", how="chunked", whole=False)
    ),
]


def _retry(name: str, request: bytes, *seen: object, again: bool, act: Act) -> Case:
    """The first request leaves a kept connection, which ends under the second."""
    answer = relayed() if again else UNREACHABLE
    return Case(
        name=f"retry: {name}",
        sent=(ask("/first"), request),
        acts=(Act(), act),
        answers=(relayed(), answer),
        received=(received(target="/first"), *seen, *(seen if again else ())),  # type: ignore[arg-type]
    )


_GONE = Act((), "close")
_RESET = Act((), "reset")
_BODY = ask("/x", "PUT", (), b"body")
_RETRIES = [
    _retry("GET, closed", ask("/x"), received(target="/x"), again=True, act=_GONE),
    _retry("GET, reset", ask("/x"), received(target="/x"), again=True, act=_RESET),
    _retry("OPTIONS", ask("/x", "OPTIONS"), received("OPTIONS", "/x"), again=True, act=_GONE),
    _retry("POST", ask("/x", "POST"), received("POST", "/x"), again=False, act=_GONE),
    _retry("DELETE", ask("/x", "DELETE"), received("DELETE", "/x"), again=False, act=_GONE),
    _retry("BREW", ask("/x", "BREW"), received("BREW", "/x"), again=False, act=_GONE),
    _retry("PUT with a body", _BODY, received("PUT", "/x", body=b"body"), again=False, act=_GONE),
    _retry(
        "GET with a body",
        ask("/x", "GET", (), b"body"),
        received(target="/x", body=b"body"),
        again=False,
        act=_GONE,
    ),
    _retry(
        "GET, half an answer",
        ask("/x"),
        received(target="/x"),
        again=False,
        act=Act((b"HTTP/1.1 2",), "close"),
    ),
    Case(
        name="retry: HEAD",
        sent=(ask("/first"), ask("/x", "HEAD")),
        acts=(Act(), _GONE, Act((plain(b"200 OK\r\ncontent-length: 2"),))),
        answers=(relayed(), relayed(b"", how="none", length=2)),
        received=(received(target="/first"), received("HEAD", "/x"), received("HEAD", "/x")),
    ),
]

_EARLY_413 = Act(
    (plain(b"413 Content Too Large\r\ncontent-length: 3", b"big"),), "keep", early=True
)
_EARLY = [
    Case(
        name="an early answer amid a small body, which is dropped",
        sent=(ask("/x", "POST", (("content-length", "10"),)), b"0123456789"),
        acts=(_EARLY_413,),
        answers=(relayed(b"big", 413, closes=True),),
        partial=True,
        after="gone",
    ),
    Case(
        name="an early answer amid a large body",
        sent=(ask("/x", "POST", (("content-length", "9000000"),)) + b"x" * 1000, b"y" * 100_000),
        acts=(_EARLY_413,),
        answers=(relayed(b"big", 413, closes=True),),
        partial=True,
        after="gone",
    ),
    Case(
        name="an early answer amid chunks",
        sent=(
            ask("/x", "POST", (("transfer-encoding", "chunked"),)) + chunked(b"a", last=b""),
            chunked(b"b"),
        ),
        acts=(_EARLY_413,),
        answers=(relayed(b"big", 413, closes=True),),
        partial=True,
        after="gone",
    ),
]

CASES: list[Case] = [*_CUTS, *_FAILING, *_TIMES, *_RETRIES, *_EARLY]
