"""The sans-IO reader: the same answer however its bytes are cut, and nothing taken on trust."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.chunks import LINE_LIMIT, TRAILER_LIMIT, ChunkWalker
from edge.forwarding.parse import HEAD_LIMIT, InvalidAnswer
from edge.forwarding.reader import AnswerReader

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def outcome(pieces: list[bytes], method: bytes = b"GET", *, end: bool = False) -> object:
    """All that a reader knows after these pieces, or that they are invalid."""
    reader = AnswerReader(method)
    body = b""
    try:
        for piece in pieces:
            body += reader.feed(piece)
    except InvalidAnswer:
        return "invalid"
    if end:
        reader.end()
    return (reader.head, reader.frame, body, reader.complete, reader.trailers, reader.rest)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The same bytes in pieces, none empty."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def chunked(pieces: list[bytes], trailers: bytes = b"") -> bytes:
    """A chunked body as a server would write it."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return coded + b"0\r\n" + trailers + b"\r\n"


ANSWERS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloX",
        b"HTTP/1.1 200 OK\r\n\r\nto the end",
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n"
        b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx",
        CHUNKED + chunked([b"a", b"bc" * 40], b"x: y\r\nhost: z\r\n") + b"rest",
        CHUNKED + b"5; a=b\r\nhello\r\n000\r\n\r\n",
        CHUNKED + b"5\r\nhellooo\r\n0\r\n\r\n",
        CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\na: b\n\n",
        b"HTTP/1.1 101 Switch\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    ]
)


@given(ANSWERS | st.binary(max_size=64), st.lists(st.integers(0, 400), max_size=12))
def test_an_answer_is_the_same_however_its_bytes_are_cut(data: bytes, places: list[int]) -> None:
    whole = outcome([data] if data else [])
    assert outcome(cut(data, places)) == whole
    assert outcome([data[at : at + 1] for at in range(len(data))]) == whole


@given(st.lists(st.binary(max_size=50), max_size=6), st.lists(st.integers(0, 400), max_size=9))
def test_any_split_of_a_chunked_stream_gives_the_same_body(
    pieces: list[bytes], places: list[int]
) -> None:
    walker = ChunkWalker()
    body = b"".join(walker.feed(part) for part in cut(chunked(pieces, b"a: b\r\n"), places))
    assert body == b"".join(pieces)
    assert walker.complete
    assert walker.trailers == ((b"a", b"b"),)
    assert walker.rest == b""


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=4), st.integers(min_value=1))
def test_a_chunked_stream_that_was_cut_is_never_complete(pieces: list[bytes], drop: int) -> None:
    coded = chunked(pieces)
    walker = ChunkWalker()
    walker.feed(coded[: -1 - drop % len(coded)])
    assert not walker.complete


@given(st.binary(max_size=100))
def test_a_chunked_stream_of_anything_raises_its_own_error_or_none(data: bytes) -> None:
    try:
        body = ChunkWalker().feed(data)
    except InvalidAnswer:
        return
    assert len(body) <= len(data)


@pytest.mark.parametrize(
    "coded",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 \r\nx\r\n",
        b"1 ;a=b\r\nx\r\n",
        b"1_0\r\n",
        b"1\nx\r\n",
        b"1;a\nb\r\nx\r\n",
        b"1;\x00\r\nx\r\n",
        b"1\r\nxy\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"1\r\nx\rx",
        b"f" * 16 + b"\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\na: b\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\na: b\r\n folded\r\n\r\n",
        b"0\r\na: \x00\r\n\r\n",
        b"1;" + b"a" * LINE_LIMIT + b"\r\n",
        b"0\r\na: " + b"b" * TRAILER_LIMIT + b"\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 201 + b"\r\n",
    ],
)
def test_a_broken_chunked_coding_is_refused(coded: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        ChunkWalker().feed(coded)


def test_the_longest_chunk_line_and_trailers_are_taken() -> None:
    walker = ChunkWalker()
    line = b"1;" + b"a" * (LINE_LIMIT - 2)
    trailer = b"a: " + b"b" * (TRAILER_LIMIT - 7)
    assert walker.feed(line + b"\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n") == b"x"
    assert walker.complete


def test_fields_that_route_or_authorise_are_not_taken_from_trailers() -> None:
    walker = ChunkWalker()
    walker.feed(b"0\r\nHost: x\r\nSet-Cookie: a\r\nDigest: d\r\n\r\n")
    assert walker.trailers == ((b"digest", b"d"),)


def padded(size: int) -> bytes:
    start, end = b"HTTP/1.1 200 OK\r\nx: ", b"\r\ncontent-length: 0\r\n\r\n"
    return start + b"a" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("piece", [1 << 20, 1000, 1])
def test_a_head_of_64_kib_is_taken_and_one_byte_more_is_refused(piece: int) -> None:
    for size, taken in ((HEAD_LIMIT, True), (HEAD_LIMIT + 1, False)):
        data = padded(size)
        result = outcome([data[at : at + piece] for at in range(0, size, piece)])
        assert (result != "invalid") is taken


@pytest.mark.parametrize(("count", "taken"), [(1, True), (16, True), (17, False)])
def test_sixteen_interim_answers_are_taken(count: int, taken: bool) -> None:
    final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    result = outcome([b"HTTP/1.1 103 Hints\r\n\r\n" * count + final])
    assert (result != "invalid") is taken


@pytest.mark.parametrize(
    ("fields", "reusable"),
    [
        (b"link: </a>", True),
        (b"content-length: 5", False),
        (b"transfer-encoding: chunked", False),
        (b"content-length: 5\r\ntransfer-encoding: chunked", None),
    ],
)
def test_an_interim_answer_that_announces_a_body_is_not_trusted(
    fields: bytes, reusable: bool | None
) -> None:
    data = b"HTTP/1.1 103 Hints\r\n" + fields + b"\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    reader = AnswerReader(b"GET")
    if reusable is None:
        with pytest.raises(InvalidAnswer):
            reader.feed(data)
        return
    reader.feed(data)
    assert reader.complete
    assert reader.reusable is reusable


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nbody", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbody", False),
        (CHUNKED + b"4\r\nbody\r\n", False),
        (CHUNKED + b"4\r\nbody\r\n0\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"", False),
    ],
)
def test_the_end_of_the_connection_completes_only_what_says_so(data: bytes, whole: bool) -> None:
    reader = AnswerReader(b"GET")
    reader.feed(data)
    assert reader.end() is whole


def test_bytes_after_the_end_make_the_connection_unfit() -> None:
    reader = AnswerReader(b"GET")
    reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")
    assert reader.complete
    assert not reader.reusable
