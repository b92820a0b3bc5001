"""Heads: what is taken, what is refused, and what a request looks like on the wire."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.parse import (
    InvalidAnswer,
    InvalidRequest,
    end_to_end,
    frame,
    parse_head,
    serialise_request,
)
from edge.forwarding.wire import UpstreamRequest
from edge.message import Body

OK = b"HTTP/1.1 200 OK"


def test_a_head_is_read_into_status_reason_fields_and_version() -> None:
    head = parse_head(
        b"HTTP/1.0 404 Not  Here\r\nX-A:\t b c \r\nSet-Cookie: a=1\r\nset-cookie:\r\nE: \xe9"
    )
    assert (head.status, head.reason, head.version) == (404, b"Not  Here", "1.0")
    assert head.headers == (
        (b"x-a", b"b c"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b""),
        (b"e", b"\xe9"),
    )


@pytest.mark.parametrize("line", [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 999 \xe9t\xe9"])
def test_unusual_but_legal_status_lines_are_taken(line: bytes) -> None:
    assert parse_head(line).headers == ()


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"HTTP/2 200 OK",
        b"HTTP/1.2 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 200 O\x00K",
        OK + b"\r\nno colon",
        OK + b"\r\n: no name",
        OK + b"\r\na : space before colon",
        OK + b"\r\n a: leading space",
        OK + b"\r\na: b\r\n folded",
        OK + b"\r\na: b\nc: bare LF",
        OK + b"\r\na: b\rc: bare CR",
        OK + b"\r\na: nul\x00",
        OK + b"\r\na: control\x0b",
        OK + b"\r\na: delete\x7f",
        OK + b"\r\na(: delimiter in name",
        OK + b"\r\n\xe9: not a token",
        OK + b"\r\na: b\r\n",
        OK + b"\r\n" + b"\r\n".join([b"a: b"] * 201),
    ],
)
def test_a_head_that_breaks_the_grammar_is_refused(block: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        parse_head(block)


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda tail: OK + b"\r\n" + tail))
def test_nothing_but_its_own_error_comes_out_of_the_parser(block: bytes) -> None:
    with suppress(InvalidAnswer):
        frame(parse_head(block), b"GET")


@pytest.mark.parametrize(
    ("method", "head", "framing", "length", "keep_alive"),
    [
        (b"GET", b"1.1 200\r\ncontent-length: 5", "length", 5, True),
        (b"GET", b"1.1 200\r\ncontent-length: 0", "length", 0, True),
        (b"GET", b"1.1 200\r\ntransfer-encoding: Chunked", "chunked", 0, True),
        (b"GET", b"1.1 200", "close", 0, False),
        (b"GET", b"1.1 200\r\ncontent-length: 5\r\nconnection: x, Close", "length", 5, False),
        (b"GET", b"1.0 200\r\ncontent-length: 5", "length", 5, False),
        (b"GET", b"1.0 200\r\ncontent-length: 5\r\nconnection: keep-alive", "length", 5, False),
        (b"HEAD", b"1.1 200\r\ncontent-length: 5", "none", 0, True),
        (b"HEAD", b"1.1 200\r\ntransfer-encoding: chunked", "none", 0, True),
        (b"HEAD", b"1.1 200", "none", 0, True),
        (b"GET", b"1.1 204", "none", 0, True),
        (b"GET", b"1.1 204\r\ncontent-length: 5", "none", 0, False),
        (b"GET", b"1.1 304\r\ncontent-length: 5", "none", 0, True),
        (b"GET", b"1.1 304\r\ntransfer-encoding: chunked", "none", 0, False),
        (b"GET", b"1.1 205", "close", 0, False),
    ],
)
def test_where_an_answer_ends_and_whether_its_connection_lives_on(
    method: bytes, head: bytes, framing: str, length: int, keep_alive: bool
) -> None:
    found = frame(parse_head(b"HTTP/" + head), method)
    assert (found.framing, found.length, found.keep_alive) == (framing, length, keep_alive)


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"content-length: 5\r\ncontent-length: 6",
        b"content-length: 5\r\ncontent-length: 5",
        b"content-length: 5, 5",
        b"content-length: -1",
        b"content-length: +1",
        b"content-length: 0x5",
        b"content-length: 1_0",
        b"content-length:",
        b"content-length: 9999999999999999999",
        b"transfer-encoding: gzip, chunked",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        b"transfer-encoding: identity",
        b"transfer-encoding: chunked;q=1",
        b"transfer-encoding:",
    ],
)
def test_ambiguous_framing_is_refused(fields: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        frame(parse_head(OK + b"\r\n" + fields), b"GET")


def test_a_transfer_coding_in_http_1_0_is_refused() -> None:
    with pytest.raises(InvalidAnswer):
        frame(parse_head(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked"), b"GET")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5),
        (b"timeout=5, max=100", 5),
        (b"max=100, Timeout=7", 7),
        (b"max=1", None),
        (b"timeout=x", None),
        (b"xtimeout=3", None),
    ],
)
def test_how_long_an_upstream_keeps_a_connection_is_read(value: bytes, seconds: int | None) -> None:
    head = parse_head(OK + b"\r\ncontent-length: 0\r\nkeep-alive: " + value)
    assert frame(head, b"GET").keep_for == seconds


def test_fields_for_this_hop_are_dropped_and_those_that_connection_names() -> None:
    head = parse_head(
        OK + b"\r\nConnection: close, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Yours: 2"
        b"\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\nTE: x\r\nProxy-Connection: close"
        b"\r\nTrailer: t"
    )
    assert end_to_end(head.headers) == ((b"x-yours", b"2"), (b"trailer", b"t"))


async def _pieces() -> Body:
    yield b"x"


@pytest.mark.parametrize(
    ("method", "body", "length", "line"),
    [
        (b"GET", None, None, b""),
        (b"DELETE", None, None, b""),
        (b"POST", None, None, b"content-length: 0\r\n"),
        (b"GET", b"", None, b"content-length: 0\r\n"),
        (b"POST", b"abc", None, b"content-length: 3\r\n"),
        (b"POST", _pieces, 7, b"content-length: 7\r\n"),
        (b"POST", _pieces, None, b"transfer-encoding: chunked\r\n"),
    ],
)
def test_a_request_says_how_its_body_ends(
    method: bytes, body: object, length: int | None, line: bytes
) -> None:
    content = _pieces() if body is _pieces else body
    request = UpstreamRequest(method, b"/a?b", ((b"host", b"h"),), content, length)  # type: ignore[arg-type]
    assert serialise_request(request) == method + b" /a?b HTTP/1.1\r\nhost: h\r\n" + line + b"\r\n"


@pytest.mark.parametrize(
    ("method", "target", "header"),
    [
        (b"GET X", b"/", (b"a", b"b")),
        (b"", b"/", (b"a", b"b")),
        (b"GET", b"/ HTTP/1.1\r\nx: y", (b"a", b"b")),
        (b"GET", b"/a b", (b"a", b"b")),
        (b"GET", b"", (b"a", b"b")),
        (b"GET", b"/", (b"a", b"b\r\nx: y")),
        (b"GET", b"/", (b"a", b"b\r\n\r\nGET / HTTP/1.1")),
        (b"GET", b"/", (b"a", b"b\nc")),
        (b"GET", b"/", (b"a", b"b\rc")),
        (b"GET", b"/", (b"a", b"b\x00c")),
        (b"GET", b"/", (b"a b", b"c")),
        (b"GET", b"/", (b"a\r\nb", b"c")),
        (b"GET", b"/", (b"a:b\r\nc", b"d")),
        (b"GET", b"/", (b"", b"c")),
        (b"POST", b"/", (b"content-length", b"5")),
        (b"POST", b"/", (b"transfer-encoding", b"chunked")),
    ],
)
def test_nothing_breaks_out_of_its_place_in_a_request(
    method: bytes, target: bytes, header: tuple[bytes, bytes]
) -> None:
    with pytest.raises(InvalidRequest):
        serialise_request(UpstreamRequest(method, target, (header,)))


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=12)), max_size=4))
def test_a_request_that_is_written_has_exactly_the_fields_it_was_given(
    headers: list[tuple[bytes, bytes]],
) -> None:
    try:
        written = serialise_request(UpstreamRequest(b"GET", b"/", tuple(headers)))
    except InvalidRequest:
        return
    lines = written.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]
    assert lines == [name + b": " + value for name, value in headers]


def test_a_request_does_not_show_its_headers_or_body_in_a_repr() -> None:
    request = UpstreamRequest(b"GET", b"/", ((b"authorization", b"s3cret"),), b"s3cret")
    assert "s3cret" not in repr(request)
