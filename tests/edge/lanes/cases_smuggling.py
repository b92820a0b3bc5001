"""Heads made to be read in two ways: no request may come of any. Data only.

Every malformed head is followed by a whole request with a good token, which must reach nobody.
"""

from tests.edge.lanes.cases_requests import ask
from tests.support.lanes_case import Case, token
from tests.support.lanes_expected import (
    bad_request,
)

SMUGGLED = ask("/smuggled")
HOST = b"Host: shop.fn.localhost\r\n"
_TOKEN = f"X-Jelou-Token: {token()}\r\n".encode()
_START = HOST + _TOKEN


def _head(line: bytes, fields: bytes = b"", start: bytes = _START) -> bytes:
    return line + b"\r\n" + start + fields + b"\r\n"


def _bad(name: str, sent: bytes, behind: bytes = SMUGGLED) -> Case:
    """It is refused, and what stands behind it is never looked at."""
    return Case(
        name=f"malformed: {name}",
        sent=sent + behind,
        answers=(bad_request(),),
        after="gone",
        lane="either",
    )


def _bad_post(name: str, fields: bytes, body: bytes = b"0\r\n\r\n") -> Case:
    return _bad(name, _head(b"POST / HTTP/1.1", fields) + body)


_CL = b"Content-Length: %d\r\n" % len(SMUGGLED)
_TE = b"Transfer-Encoding: chunked\r\n"

_FRAMINGS = (
    [
        _bad_post(name, fields, body)
        for name, fields, body in (
            ("CL.TE", b"Content-Length: 5\r\n" + _TE, b"0\r\n\r\n"),
            ("TE.CL", _TE + b"Content-Length: 3\r\n", b"5c\r\n"),
            ("CL.0", b"Content-Length: 0\r\n" + _TE, b"0\r\n\r\n"),
            ("TE with an empty length", _TE + b"Content-Length:\r\n", b"0\r\n\r\n"),
            (
                "CL.TE, TE obscured",
                b"Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
                b"0\r\n\r\n",
            ),
            ("TE.TE: identity second", _TE + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"),
            ("TE.TE: identity first", b"Transfer-Encoding: identity\r\n" + _TE, b"0\r\n\r\n"),
            ("TE.TE: twice chunked", _TE + _TE, b"0\r\n\r\n"),
            ("TE.TE: cow", _TE + b"Transfer-encoding: cow\r\n", b"0\r\n\r\n"),
        )
    ]
    + [
        _bad_post(f"Transfer-Encoding: {value!r}", b"Transfer-Encoding:" + value + b"\r\n")
        for value in (
            b" chunked, identity",
            b" identity, chunked",
            b" chunked, chunked",
            b" gzip, chunked",
            b" chunked,",
            b" ,chunked",
            b" xchunked",
            b" chunkedx",
            b" chunked;q=1",
            b' "chunked"',
            b" 'chunked'",
            b" identity",
            b" gzip",
            b"",
            b" ",
            b" chunk ed",
            b" chunked\x0b",
            b"\x0cchunked",
            b" chunked\xa0",
            b" chunked\0",
            b" \xc5\xbfhunked",
            b" chunked\r",
            b"\r\n chunked",
            b"\n chunked",
        )
    ]
    + [
        _bad_post(f"field {line!r}", line + b"\r\n")
        for line in (
            b"Transfer-Encoding : chunked",
            b"Transfer-Encoding\t: chunked",
            b" Transfer-Encoding: chunked",
            b"\tTransfer-Encoding: chunked",
            b"Transfer Encoding: chunked",
            b"Transfer-Encoding",
            b"Transfer-Encoding chunked",
            b": chunked",
            b"X: y\nTransfer-Encoding: chunked",
            b"X: y\rTransfer-Encoding: chunked",
            b"X: y\r\rTransfer-Encoding: chunked",
            b"\0Transfer-Encoding: chunked",
            b"Transfer-Encoding\0: chunked",
            b"Transfer-Encoding: chunked\0",
            b"\xffTransfer-Encoding: chunked",
            b"Content-Length : 5",
            b"Content-Length\0: 5",
            b"(Content-Length): 5",
            b"Content-Length; 5",
            b"Content\x7fLength: 5",
            b"X[]: a",
            b'"X": a',
            b"X@Y: a",
            b"X: a\x7f",
            b"X: a\x01",
            b"X: a\x1b[0m",
            b"X: a\x08b",
            b"X: a\r\n b",
            b"X: a\r\n\tb",
            b"X: a\r\n \r\nY: b",
            b"X: a\n b",
            b"X: a\nY: b",
            b"X: a\n",
            b"X: a\0b",
            b"X\r: a",
            b"X: a\r",
            b"\rX: a",
            b"\nX: a",
        )
    ]
)

_LENGTHS = [
    _bad_post(f"length {fields!r}", fields, b"x" * 5)
    for fields in (
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: -0\r\n",
        b"Content-Length: 5,\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length: 5.0\r\n",
        b"Content-Length: 5e0\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5;\r\n",
        b'Content-Length: "5"\r\n',
        b"Content-Length: \r\n",
        b"Content-Length:\r\n",
        b"Content-Length: five\r\n",
        b"Content-Length: 5_0\r\n",
        b"Content-Length: \xb2\r\n",
        b"Content-Length: \xd9\xa5\r\n",
        b"Content-Length: 5\x0b\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length: 18446744073709551621\r\n",
        b"Content-Length: 0000000000000000005\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\ncontent-length: 0\r\n",
        b"Content-Length: 0\r\nX: y\r\nContent-Length: 5\r\n",
    )
]

_LINES = [
    _bad(f"line {line!r}", _head(line))
    for line in (
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"\tGET / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/1.1\nX: y",
        b"GET /\x0bHTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /a\x00b HTTP/1.1",
        b"GET /a\x7f HTTP/1.1",
        b"GET /a\x0d HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"GET /#a HTTP/1.1",
        b"GET  HTTP/1.1",
        b"GET HTTP/1.1",
        b"GET /",
        b"GET",
        b" / HTTP/1.1",
        b"/ HTTP/1.1",
        b"GET / HTTP/1.2",
        b"GET / HTTP/1.9",
        b"GET / HTTP/1.10",
        b"GET / HTTP/1.",
        b"GET / HTTP/1",
        b"GET / HTTP/01.1",
        b"GET / HTTP/0.9",
        b"GET / HTTP/2.0",
        b"GET / HTTP/2",
        b"GET / HTTP/3.0",
        b"GET / HTTP/1,1",
        b"GET / http/1.1",
        b"GET / Http/1.1",
        b"GET / HTTPS/1.1",
        b"GET / ICY/1.1",
        b"GET / HTTP/1.1 HTTP/1.1",
        b"GET / HTTP/-1.1",
        b"G\x00T / HTTP/1.1",
        b"G\xc3\x8bT / HTTP/1.1",
        b"GET: / HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET shop.fn.localhost HTTP/1.1",
        b"GET shop.fn.localhost:80 HTTP/1.1",
        b"CONNECT shop.fn.localhost:443 HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"GET * HTTP/1.1",
        b"POST * HTTP/1.1",
        b"GET @shop.fn.localhost/ HTTP/1.1",
        b"GET ?a HTTP/1.1",
        b"GET ftp://shop.fn.localhost/ HTTP/1.1",
        b"GET http:/x HTTP/1.1",
        b"GET http:// HTTP/1.1",
        b"GET http:///x HTTP/1.1",
        b"GET http://user@shop.fn.localhost/ HTTP/1.1",
        b"GET http://shop.fn.localhost:x/ HTTP/1.1",
        b"GET http://shop.fn.localhost:123456/ HTTP/1.1",
        b"GET http://a,b/ HTTP/1.1",
        b"GET http://shop.fn.localhost#x HTTP/1.1",
    )
]

_HOSTS = [
    _bad(f"Host {name}", _head(b"GET / HTTP/1.1", fields, _TOKEN))
    for name, fields in (
        ("missing", b""),
        ("empty", b"Host:\r\n"),
        ("twice", HOST + HOST),
        ("twice, another", HOST + b"Host: open.fn.localhost\r\n"),
        ("in two spellings", HOST + b"hOST: open.fn.localhost\r\n"),
        ("a list", b"Host: shop.fn.localhost, open.fn.localhost\r\n"),
        ("with a path", b"Host: shop.fn.localhost/x\r\n"),
        ("with a user", b"Host: a@shop.fn.localhost\r\n"),
        ("with a space", b"Host: shop.fn.localhost x\r\n"),
        ("with a port that is none", b"Host: shop.fn.localhost:x\r\n"),
        ("with two ports", b"Host: shop.fn.localhost:1:2\r\n"),
        ("a port alone", b"Host: :80\r\n"),
        ("not ASCII", b"Host: sh\xc3\xb6p.fn.localhost\r\n"),
        ("a token", f"Host: {token()}\r\n".encode()),
        ("percent-encoded", b"Host: shop%2efn.localhost\r\n"),
        ("an address in brackets that is cut", b"Host: [::1\r\n"),
        ("with a scheme", b"Host: http://shop.fn.localhost\r\n"),
        ("with a comment", b"Host: shop.fn.localhost#x\r\n"),
    )
]

_CONNECTION = [
    _bad(
        f"Connection: {value}",
        ask("/", fields=(("Authorization", "x"), ("Connection", value))),
    )
    for value in (
        "X-Jelou-Token",
        "x-jelou-token, close",
        "close, Host",
        "authorization",
        "CONTENT-LENGTH",
        "keep-alive,X-JELOU-TOKEN",
    )
]

_STARTS = [
    _bad("a line feed before the request", b"\n" + ask()),
    _bad("a carriage return before the request", b"\r" + ask()),
    _bad("a space before the request", b" " + ask()),
    _bad("a NUL before the request", b"\0" + ask()),
    _bad("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n"),
    _bad("line feeds alone", ask().replace(b"\r\n", b"\n"), behind=b""),
    _bad("carriage returns alone", ask().replace(b"\r\n", b"\r") + b"\r\n\r\n"),
    _bad("LF CR", ask().replace(b"\r\n", b"\n\r") + b"\r\n\r\n"),
    _bad("a head that ends with a bare LF", ask()[:-2] + b"\n"),
    _bad("one line that ends with a bare LF", ask().replace(b"\r\nhost", b"\nhost", 1)),
]

CASES: list[Case] = [
    *_FRAMINGS,
    *_LENGTHS,
    *_LINES,
    *_HOSTS,
    *_CONNECTION,
    *_STARTS,
]
