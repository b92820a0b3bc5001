"""Request heads, read strictly (RFC 9112 §2 to §6): what passes, what does not, and how it is said.

Every head is read at once and byte by byte: how a client cuts its bytes changes nothing.
"""

import pytest

from edge.gate.decisions import GateSettings
from edge.message import Head
from edge.server.heads import begun_method
from edge.server.requests import Begun
from tests.support.request_bytes import PEER, SETTINGS, cut, dripped, heads, read

LINE = b"GET / HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
END = b"\r\n"
MANNERS = ("at once", "byte by byte")

REFUSED_AT_ONCE = {
    "a bare LF behind the request line": b"GET / HTTP/1.1\nHost: x\n\n",
    "a bare LF behind a field": LINE + b"Host: x\nA: b",
    "a bare LF in a value": LINE + HOST + b"A: b\nContent-Length: 5",
    "an LF first": b"\nGET",
    "a bare CR in the request line": b"GET /\r HTTP/1.1",
    "a bare CR in a value": LINE + HOST + b"A: b\rC: d",
    "a bare CR first": b"\rGET",
    "CR CR LF": LINE + HOST + b"A: b\r\r\n",
    "NUL in the request line": b"GET /\x00",
    "NUL in a name": LINE + HOST + b"A\x00",
    "NUL in a value": LINE + HOST + b"A: \x00",
    "another control byte": LINE + HOST + b"A: \x01",
    "ESC": LINE + HOST + b"A: \x1b[2J",
    "DEL in the request line": b"GET /\x7f",
    "DEL in a value": LINE + HOST + b"A: \x7f",
    "VT in a value": LINE + HOST + b"A: b\x0b",
    "FF in a value": LINE + HOST + b"A: b\x0c",
    "a VT for a space in the request line": b"GET\x0b/ HTTP/1.1",
    "TLS where plain HTTP is spoken": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n",
    "HTTP/3": b"GET / HTTP/3\r\n",
    "HTTP/1.10": b"GET / HTTP/1.10\r\n",
    "HTTP/01.1": b"GET / HTTP/01.1\r\n",
    "HTTP/1": b"GET / HTTP/1\r\n",
    "http/1.1": b"GET / http/1.1\r\n",
    "HTTP": b"GET / HTTP\r\n",
    "a tab behind the method": b"GET\t/ HTTP/1.1\r\n",
    "a tab behind the target": b"GET /\tHTTP/1.1\r\n",
    "two spaces behind the method": b"GET  / HTTP/1.1\r\n",
    "two spaces behind the target": b"GET /  HTTP/1.1\r\n",
    "a space behind the version": b"GET / HTTP/1.1 \r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n",
    "a space first": b" GET / HTTP/1.1\r\n",
    "a tab first": b"\tGET / HTTP/1.1\r\n",
    "no method": b"/ HTTP/1.1\r\n",
    "no target": b"GET HTTP/1.1\r\n",
    "an empty target": b"GET  HTTP/1.1\r\n",
    "a method that is no token": b"GE(T / HTTP/1.1\r\n",
    "a colon in the method": b"GET: / HTTP/1.1\r\n",
    "obs-text in the method": b"G\xcbT / HTTP/1.1\r\n",
    "a field for a request line": b"Host: x\r\n",
    "an answer for a request": b"HTTP/1.1 200 OK\r\n",
    "two empty lines first": b"\r\n\r\nGET / HTTP/1.1\r\n",
}
"""What can no longer become a request, whatever follows: it is refused as soon as it is there."""

REFUSED_WHEN_WHOLE = {
    "a field folded with a space": LINE + HOST + b"A: b\r\n c\r\n" + END,
    "a field folded with a tab": LINE + HOST + b"A: b\r\n\tc\r\n" + END,
    "a folded field, the next line white": LINE + HOST + b"A: b\r\n \r\n" + END,
    "a space before the first field": LINE + b" Host: x\r\n" + END,
    "a space before the colon": LINE + HOST + b"A : b\r\n" + END,
    "a tab before the colon": LINE + HOST + b"A\t: b\r\n" + END,
    "an empty name": LINE + HOST + b": b\r\n" + END,
    "no colon": LINE + HOST + b"A b\r\n" + END,
    "a space in a name": LINE + HOST + b"A B: c\r\n" + END,
    "a bracket in a name": LINE + HOST + b"A[0]: b\r\n" + END,
    "a slash in a name": LINE + HOST + b"A/B: c\r\n" + END,
    "obs-text in a name": LINE + HOST + b"\xc4: b\r\n" + END,
    "a request line for a field": LINE + HOST + b"GET /admin HTTP/1.1\r\n" + END,
    "no host": LINE + END,
    "an empty host": LINE + b"Host:\r\n" + END,
    "two hosts": LINE + HOST + HOST + END,
    "a host that is none": LINE + b"Host: a/b\r\n" + END,
    "a user in the host": LINE + b"Host: a@b\r\n" + END,
    "both framings": LINE + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + END,
    "two lengths": LINE + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n" + END,
    "the same length twice": LINE + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n" + END,
    "a list of lengths": LINE + HOST + b"Content-Length: 5, 5\r\n" + END,
    "a negative length": LINE + HOST + b"Content-Length: -5\r\n" + END,
    "a signed length": LINE + HOST + b"Content-Length: +5\r\n" + END,
    "a hexadecimal length": LINE + HOST + b"Content-Length: 0x5\r\n" + END,
    "a length with an underscore": LINE + HOST + b"Content-Length: 1_0\r\n" + END,
    "an empty length": LINE + HOST + b"Content-Length:\r\n" + END,
    "a length beyond 64 bits": LINE + HOST + b"Content-Length: 99999999999999999999\r\n" + END,
    "gzip, chunked": LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n" + END,
    "chunked twice": LINE + HOST + b"Transfer-Encoding: chunked\r\n" * 2 + END,
    "chunked, chunked": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n" + END,
    "identity": LINE + HOST + b"Transfer-Encoding: identity\r\n" + END,
    "xchunked": LINE + HOST + b"Transfer-Encoding: xchunked\r\n" + END,
    "a quoted coding": LINE + HOST + b'Transfer-Encoding: "chunked"\r\n' + END,
    "an empty coding": LINE + HOST + b"Transfer-Encoding:\r\n" + END,
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + END,
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\n" + HOST + END,
    "authority form": b"GET x:80 HTTP/1.1\r\n" + HOST + END,
    "a relative target": b"GET a HTTP/1.1\r\n" + HOST + END,
    "* without OPTIONS": b"GET * HTTP/1.1\r\n" + HOST + END,
    "a fragment": b"GET /#a HTTP/1.1\r\n" + HOST + END,
    "obs-text in the target": b"GET /\xc4 HTTP/1.1\r\n" + HOST + END,
    "Connection names Host": LINE + HOST + b"Connection: host\r\n" + END,
    "Connection names X-Jelou-Token": LINE + HOST + b"Connection: a, X-Jelou-Token\r\n" + END,
}
"""What is refused once its empty line has come."""

ACCEPTED = {
    "the least": LINE + HOST + END,
    "HTTP/1.0 without a host": b"GET / HTTP/1.0\r\n" + END,
    "an empty line first": b"\r\n" + LINE + HOST + END,
    "obs-text in a value": LINE + HOST + b"A: \x80\xff\xc3\xa4\r\n" + END,
    "a tab in a value": LINE + HOST + b"A: b\tc\r\n" + END,
    "an empty value": LINE + HOST + b"A:\r\n" + END,
    "a value of white space": LINE + HOST + b"A: \t \r\n" + END,
    "no space behind the colon": LINE + HOST + b"A:b\r\n" + END,
    "colons in a value": LINE + HOST + b"A: b: c:\r\n" + END,
    "every byte that a token may hold": b"!#$%&'*+-.^_`|~09AZaz / HTTP/1.1\r\n"
    + HOST
    + b"!#$%&'*+-.^_`|~09AZaz: b\r\n"
    + END,
    "a method in lower case": b"get / HTTP/1.1\r\n" + HOST + END,
    "absolute form": b"GET http://y/a?b HTTP/1.1\r\n" + HOST + END,
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\n" + HOST + END,
    "a target that others would normalise": b"GET //a/../%2e%00?? HTTP/1.1\r\n" + HOST + END,
    "Chunked in another case": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: CHUNKED\r\n"
    + END,
}


def pieces(data: bytes, manner: str) -> list[bytes]:
    return [data] if manner == "at once" else list(dripped(data))


def head_of(data: bytes) -> Head:
    events, refused = read([data])
    assert refused is None
    assert isinstance(events[0], Begun)
    return events[0].head


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("data", REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE.keys())
def test_what_can_no_longer_become_a_request_is_refused_at_once(data: bytes, manner: str) -> None:
    events, refused = read(pieces(data, manner))
    assert events == []
    assert refused is not None
    assert refused.kind.code == "bad_request"
    assert read([data + b"\r\n\r\n"])[1] == refused
    assert read(dripped(data + HOST + END))[1] == refused


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("data", REFUSED_WHEN_WHOLE.values(), ids=REFUSED_WHEN_WHOLE.keys())
def test_a_head_that_is_malformed_or_ambiguous_is_refused(data: bytes, manner: str) -> None:
    events, refused = read(pieces(data, manner))
    assert events == []
    assert refused is not None
    assert refused.kind.code == "bad_request"
    assert refused == read([data])[1]


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_sound_head_passes(data: bytes, manner: str) -> None:
    events, refused = read(pieces(data, manner))
    assert refused is None
    assert len(heads(events)) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (LINE + b"A: b\r\n c\r\n\r\n", "folded"),
        (LINE + b"A : b\r\n\r\n", "a name, a colon and a value"),
        (b"GET / HTTP/1.1 \r\n\r\n", "a method, a target and HTTP/1.1 or HTTP/1.0"),
        (LINE + b"A: \x00\r\n\r\n", "control byte"),
        (LINE + b"A: b\n\r\n\r\n", "bare CR or LF"),
        (LINE + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "not both"),
        (LINE + HOST + HOST + b"\r\n", "Host"),
    ],
)
def test_the_message_names_what_to_change(data: bytes, said: str) -> None:
    refused = read([data])[1]
    assert refused is not None
    assert said in refused.message


def test_a_head_is_read_as_it_was_sent() -> None:
    head = head_of(
        b"pAtCh /%2F//../x?a=%20& HTTP/1.1\r\nHOST: X:1\r\nA:  b \t\r\nb:c\r\nA: \xff\r\n\r\n"
    )
    assert head.method == "pAtCh"
    assert head.target == b"/%2F//../x?a=%20&"
    assert head.headers == ((b"host", b"X:1"), (b"a", b"b"), (b"b", b"c"), (b"a", b"\xff"))
    assert (head.version, head.websocket, head.peer) == ("1.1", False, PEER)


@pytest.mark.parametrize(
    ("line", "fields", "is_one"),
    [
        (LINE, b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n", True),
        (LINE, b"Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n", True),
        (LINE, b"Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", True),
        (LINE, b"Upgrade: websocket\r\n", False),
        (LINE, b"Connection: upgrade\r\n", False),
        (LINE, b"Connection: upgrade\r\nUpgrade: h2c\r\n", False),
        (b"POST / HTTP/1.1\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n", False),
        (b"GET / HTTP/1.0\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n", False),
    ],
)
def test_a_websocket_handshake_is_known(line: bytes, fields: bytes, is_one: bool) -> None:
    assert head_of(line + HOST + fields + END).websocket is is_one


@pytest.mark.parametrize(
    ("held", "method"),
    [
        (b"", ""),
        (b"HEAD", ""),
        (b"HEAD ", "HEAD"),
        (b"HEAD  \n", "HEAD"),
        (b"M-SEARCH * HTTP/9", "M-SEARCH"),
        (b" HEAD /", ""),
        (b"HE\0D /", ""),
        (b"HEAD\t/ ", ""),
    ],
)
def test_the_method_of_a_head_that_is_not_whole_is_read_up_to_its_space(
    held: bytes, method: str
) -> None:
    assert begun_method(held) == method


# Limits: at them, above them; whole, unfinished, at once, byte by byte.

SMALL = GateSettings(request_line=64, header_block=128, header_fields=8)


def with_line(size: int) -> bytes:
    return b"GET /".ljust(size - 9, b"a") + b" HTTP/1.1\r\n"


def with_block(size: int) -> bytes:
    """A head whose fields, each with the CRLF before it, are so many bytes."""
    return LINE + b"Host: x\r\nA: ".ljust(size, b"a") + b"\r\n\r\n"


def with_fields(count: int) -> bytes:
    return LINE + HOST + b"".join(b"A%d: b\r\n" % n for n in range(count - 1)) + END


def limits(settings: GateSettings) -> list[tuple[bytes, str | None, bytes]]:
    line, block, fields = settings.request_line, settings.header_block, settings.header_fields
    return [
        (with_line(line - 1) + HOST + END, None, b""),
        (with_line(line) + HOST + END, None, b""),
        (with_line(line + 1) + HOST + END, "uri_too_long", with_line(line + 1)[:-1]),
        (with_line(4 * line) + HOST + END, "uri_too_long", b"GET /".ljust(line + 2, b"a")),
        (with_block(block - 3), None, b""),
        (with_block(block - 2), None, b""),
        (with_block(block - 1), "headers_too_large", with_block(block - 1)[:-1]),
        (with_block(2 * block), "headers_too_large", LINE + b"A: ".ljust(block + 2, b"a")),
        (with_fields(fields - 1), None, b""),
        (with_fields(fields), None, b""),
        (with_fields(fields + 1), "headers_too_large", b""),
    ]


@pytest.mark.parametrize("settings", [SETTINGS, SMALL], ids=["default", "small"])
@pytest.mark.parametrize("case", range(len(limits(SETTINGS))))
def test_limits_hold_to_the_byte_and_to_the_field(settings: GateSettings, case: int) -> None:
    data, code, _ = limits(settings)[case]
    for some in (
        [data],
        cut(data, range(0, len(data), 1000)),
        cut(data, range(len(data) - 9, len(data))),
    ):
        events, refused = read(some, settings)
        assert (refused.kind.code if refused else None) == code
        assert len(heads(events)) == (code is None)


@pytest.mark.parametrize("case", range(len(limits(SMALL))))
def test_limits_hold_byte_by_byte(case: int) -> None:
    data, code, _ = limits(SMALL)[case]
    assert read(dripped(data), SMALL)[1] == read([data], SMALL)[1]
    assert (read(dripped(data), SMALL)[1] is None) is (code is None)


@pytest.mark.parametrize("settings", [SETTINGS, SMALL], ids=["default", "small"])
def test_what_is_over_a_limit_is_refused_before_it_is_whole(settings: GateSettings) -> None:
    for _, code, unfinished in limits(settings):
        if unfinished:
            refused = read([unfinished], settings)[1]
            assert refused is not None
            assert refused.kind.code == code


def test_the_limits_are_those_of_the_contract() -> None:
    assert (SETTINGS.request_line, SETTINGS.header_block) == (8 * 1024, 32 * 1024)
    assert SETTINGS.header_fields == 128


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET /".ljust(70, b"a") + b"\n", "uri_too_long"),
        (b"GET /\n".ljust(70, b"a"), "bad_request"),
        (b"GARBAGE\r\n".ljust(300, b"a"), "bad_request"),
        (LINE + b"A: ".ljust(140, b"a") + b"\n", "headers_too_large"),
        (LINE + b"A: \n".ljust(140, b"a"), "bad_request"),
    ],
)
def test_of_several_faults_the_first_is_told(data: bytes, code: str) -> None:
    for some in ([data], list(dripped(data)), [data + b"\r\n\r\n"]):
        refused = read(some, SMALL)[1]
        assert refused is not None
        assert refused.kind.code == code
