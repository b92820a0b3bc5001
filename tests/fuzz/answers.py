"""Answers of upstreams: a whole one is what h11 takes it for, however the bytes come."""

from collections.abc import Iterable

from edge.forwarding.parse import Frame, InvalidAnswer, ResponseHead
from edge.forwarding.reader import INTERIM_LIMIT, AnswerReader, Known
from tests.edge.forwarding.test_against_h11 import TAMPERING, check_against_h11
from tests.fuzz.pieces import ways_to_cut

WORDS = (
    *TAMPERING, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.1 204 \r\n", b"HTTP/1.1 304 X\r\n",
    b"HTTP/1.1 103 X\r\n\r\n", b"\r\n\r\n", b"\r\n ", b"0\r\n\r\n", b"5\r\nhello\r\n", b";a=b",
    b"keep-alive: timeout=5\r\n", b"Connection: keep-alive\r\n", b"Trailer: X\r\n",
    b"Set-Cookie: a=b\r\n", b"Content-Length: 0\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Upgrade: x\r\n",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes as what an upstream sends."""
    for method, upgrade in ((b"GET", False), (b"HEAD", False), (b"GET", True)):
        whole = outcome([data], method, upgrade)
        for pieces in ways_to_cut(data):
            assert outcome(pieces, method, upgrade) == whole, "it depends on how it is cut"
    check_against_h11(data)
    _check_what_is_known(data)


def outcome(
    pieces: Iterable[bytes], method: bytes, upgrade: bool, known: Known | None = None
) -> object:
    """All that a reader knows once it was given these pieces."""
    reader, body = AnswerReader(method, upgrade, known), b""
    try:
        for piece in pieces:
            read = reader.feed(piece)
            assert reader.head is not None or not read, "there is a body without a head"
            body += read
    except InvalidAnswer:
        return "invalid"
    ended_by_itself = reader.complete
    assert len(reader.interim) <= INTERIM_LIMIT
    assert not reader.reusable or (ended_by_itself and not reader.rest)
    if method == b"HEAD":
        assert not body
    known_so_far = (reader.head, reader.frame, reader.interim, reader.trailers, reader.rest)
    return *known_so_far, body, ended_by_itself, reader.reusable, reader.end()


def _check_what_is_known(data: bytes) -> None:
    """A head that is known again changes nothing."""
    first = AnswerReader(b"GET")
    try:
        first.feed(data)
    except InvalidAnswer:
        return
    head, frame, raw = first.head, first.frame, first.raw
    if head is None or frame is None:
        return

    def known(block: bytes) -> tuple[ResponseHead, Frame] | None:
        return (head, frame) if block == raw else None

    assert outcome([data], b"GET", False, known) == outcome([data], b"GET", False)
