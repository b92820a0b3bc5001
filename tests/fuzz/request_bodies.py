"""Chunked bodies: they hold what a plain reading of RFC 9112 §7.1 finds in them, and end there."""

import re

from edge.errors import EdgeError
from edge.forwarding.chunks import LINE_LIMIT, TRAILER_LIMIT
from edge.forwarding.parse import FIELD_LIMIT
from edge.server.body import RequestBody
from edge.server.requests import Begun, Content, Ended, RequestStream
from tests.fuzz.pieces import ways_to_cut
from tests.support.request_bytes import PEER, SETTINGS

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMIT = 64
"""Bytes of body where one is tried that is bounded."""

WORDS = (
    b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"0\r\n\r\n", b"0\r\n", b"1\r\na\r\n", b"5\r\nhello\r\n",
    b"00000", b"a\r\n", b"F\r\n", b"fffffffffffffff", b";a=b", b";", b" ;", b'"', b"\t", b"-1",
    b"+1", b"0x", b"1_0", b"\x00", b"\x7f", b"\xff", b"A: b\r\n", b"A : b\r\n", b" A: b\r\n",
    b":\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"a" * 255, b"b" * 4096,
)  # fmt: skip

_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_NO_TEXT = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")


def check(data: bytes) -> None:
    """Any bytes as a chunked body and what follows it."""
    content, ending, rest = by_the_book(data)
    for pieces in ([data], *ways_to_cut(data)):
        _check_body(pieces, content, ending, rest)
        _check_stream(pieces, content, ending, rest)
    size = len(content) // 2
    _check_length([data], size)
    for pieces in ways_to_cut(data):
        _check_length(pieces, size)


def by_the_book(data: bytes) -> tuple[bytes, str, bytes]:
    """The content, whether it is `whole`, `broken` or wants `more`, and what comes behind it."""
    content = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        if len(line) > (LINE_LIMIT if found else LINE_LIMIT + 1):
            return content, "broken", b""
        if not found:
            return content, "more", b""
        size, _, extension = line.partition(b";")
        if not _SIZE.fullmatch(size) or _NO_TEXT.search(extension):
            return content, "broken", b""
        length = int(size, 16)
        if length == 0:
            return content, *_trailers(b"\r\n" + data)
        content += data[:length]
        if len(data) < length:
            return content, "more", b""
        behind = data[length : length + 2]
        if not b"\r\n".startswith(behind):
            return content, "broken", b""
        if len(behind) < 2:
            return content, "more", b""
        data = data[length + 2 :]


def _trailers(data: bytes) -> tuple[str, bytes]:
    section, found, rest = data.partition(b"\r\n\r\n")
    if len(section) + 4 > TRAILER_LIMIT + 2 or (not found and len(data) >= TRAILER_LIMIT + 2):
        return "broken", b""
    if not found:
        return "more", b""
    fields = section.split(b"\r\n")[1:]
    for field in fields:
        name, colon, value = field.partition(b":")
        if not _TOKEN.fullmatch(name) or not colon or _NO_TEXT.search(value):
            return "broken", b""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            return "broken", b""
    return ("whole", rest) if len(fields) <= FIELD_LIMIT else ("broken", b"")


def _check_body(pieces: list[bytes], content: bytes, ending: str, rest: bytes) -> None:
    body, bounded = RequestBody(None), RequestBody(None, LIMIT)
    read, broken, refused = b"", False, False
    after = iter(pieces)
    for piece in after:
        try:
            read += body.feed(piece)
        except EdgeError:
            broken = True
            break
        refused = refused or _is_refused(bounded, piece)
        assert refused is (len(read) > LIMIT), "the limit is not where it is said to be"
        if body.complete:
            assert body.rest + b"".join(after) == rest, "the end is not where it should be"
    assert broken is (ending == "broken")
    assert body.complete is (ending == "whole")
    assert content.startswith(read) if broken else content == read


def _is_refused(body: RequestBody, piece: bytes) -> bool:
    try:
        body.feed(piece)
    except EdgeError:
        return True
    return False


def _check_stream(pieces: list[bytes], content: bytes, ending: str, rest: bytes) -> None:
    """The same behind a head, up to the end of that request."""
    stream = RequestStream(PEER, SETTINGS)
    stream.feed(HEAD)
    assert isinstance(stream.next(), Begun)
    read = b""
    try:
        for at, piece in enumerate(pieces):
            stream.feed(piece)
            while (event := stream.next()) is not None:
                if isinstance(event, Ended):
                    assert (content, ending) == (read, "whole")
                    to_come = sum(map(len, pieces[at + 1 :]))
                    assert stream.amid_head is (len(rest) > to_come)
                    return
                assert isinstance(event, Content)
                read += event.data
    except EdgeError:
        assert ending == "broken"
        assert content.startswith(read)
        return
    assert (content, ending) == (read, "more")


def _check_length(pieces: list[bytes], size: int) -> None:
    """The same bytes as a body of a length that is known."""
    body, read, data = RequestBody(size), b"", b"".join(pieces)
    for at, piece in enumerate(pieces):
        if body.complete:
            assert body.rest + b"".join(pieces[at:]) == data[size:]
            break
        read += body.feed(piece)
    assert read == data[:size]
    assert body.complete is (len(data) >= size)
