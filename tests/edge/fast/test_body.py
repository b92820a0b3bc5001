"""Where a request's body ends, however it comes, and whether it comes fast enough."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import EdgeError
from edge.fast.body_clock import BodyClock
from edge.server.body import RequestBody

NEXT = b"GET /next HTTP/1.1\r\n\r\n"


def chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


def feed(body: RequestBody, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """The body, and what came behind it; who reads a connection feeds none of that to the body."""
    got = rest = b""
    for piece in pieces:
        if body.complete:
            rest += piece
        else:
            got += body.feed(piece)
            rest += body.rest
    return got, rest


CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@settings(max_examples=150, deadline=None)
@given(sent=st.binary(max_size=300), rest=st.sampled_from([b"", b"G", NEXT]), at=CUTS)
def test_a_body_of_a_length_ends_there_wherever_it_is_cut(
    sent: bytes, rest: bytes, at: list[int]
) -> None:
    body = RequestBody(len(sent), None)
    assert feed(body, cut(sent + rest, at)) == (sent, rest)
    assert body.complete
    assert body.left == 0


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=100), max_size=4),
    end=st.sampled_from([b"0\r\n\r\n", b"000;a=b\r\n\r\n", b"0\r\nx: 1\r\ny:\r\n\r\n"]),
    rest=st.sampled_from([b"", b"G", NEXT]),
    at=CUTS,
)
def test_a_chunked_body_ends_with_its_last_chunk_wherever_it_is_cut(
    pieces: list[bytes], end: bytes, rest: bytes, at: list[int]
) -> None:
    body = RequestBody(None, sum(map(len, pieces)))
    assert feed(body, cut(chunks(*pieces, end=end) + rest, at)) == (b"".join(pieces), rest)
    assert body.complete
    assert body.left is None


@settings(max_examples=150, deadline=None)
@given(sent=st.sampled_from([chunks(b"abc"), chunks(b"a", b"b"), chunks()]), at=CUTS)
def test_a_chunked_body_is_not_over_before_its_last_byte(sent: bytes, at: list[int]) -> None:
    body = RequestBody(None, None)
    for piece in cut(sent[:-1], at):
        body.feed(piece)
        assert not body.complete
    body.feed(sent[-1:])
    assert body.complete


@pytest.mark.parametrize(
    ("length", "left", "complete"), [(0, 0, True), (3, 3, False), (None, None, False)]
)
def test_a_body_that_has_not_come_yet(length: int | None, left: int | None, complete: bool) -> None:
    body = RequestBody(length, None)
    assert (body.length, body.left, body.complete, body.rest) == (length, left, complete, b"")


@pytest.mark.parametrize(
    "sent",
    [
        b"x\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1\na\r\n",
        b"\r\n",
        b"1\r\nab",
        b"1\r\na\n\n",
        b"1" * 16 + b"\r\n",
        b"1;" + b"a" * 300,
        b"0\r\nbad\r\n\r\n",
        b"0\r\nx : 1\r\n\r\n",
        b"0\r\nContent-Length: 1\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\n" + b"x: 1\r\n" * 3000,
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
def test_a_malformed_chunk_is_a_bad_request_that_ends_the_connection(
    sent: bytes, whole: bool
) -> None:
    body = RequestBody(None, None)
    with pytest.raises(EdgeError) as raised:
        feed(body, [sent] if whole else [sent[n : n + 1] for n in range(len(sent))])
    assert raised.value.refusal.kind.code == "bad_request"
    assert raised.value.refusal.kind.closes
    assert not body.complete


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=60), max_size=5),
    limit=st.integers(0, 120),
    at=CUTS,
)
def test_a_chunked_body_over_the_limit_is_told_and_its_end_still_found(
    pieces: list[bytes], limit: int, at: list[int]
) -> None:
    body = RequestBody(None, limit)
    told: list[str] = []
    rest = b""
    for piece in cut(chunks(*pieces) + NEXT, at):
        if body.complete:
            rest += piece
            continue
        try:
            body.feed(piece)
        except EdgeError as error:
            told.append(error.refusal.kind.code)
            body.let_go()
        rest += body.rest
    assert told == ["body_too_large"] * (sum(map(len, pieces)) > limit)
    assert body.complete
    assert rest == NEXT


def test_what_is_let_go_has_no_limit_any_more() -> None:
    body = RequestBody(None, 1)
    body.let_go()
    assert body.feed(chunks(b"abc")) == b"abc"
    assert body.complete


Step = tuple[str, float, Any]


def slow(steps: list[Step], *, idle: float = 30.0, rate: int = 1024) -> list[bool]:
    """What a clock that began at 0 says when it is asked."""
    clock = BodyClock(idle, rate, 0.0)
    said = []
    for kind, now, size in steps:
        match kind:
            case "came":
                clock.came(size, now)
            case "excuse":
                clock.excuse(now)
            case _:
                said.append(clock.too_slow(now))
    return said


PACES: dict[str, tuple[list[Step], list[bool]]] = {
    "nothing for 30 s": ([("?", 30.0, 0)], [True]),
    "nothing yet": ([("?", 29.9, 0)], [False]),
    "nothing since": ([("came", 1.0, 40_000), ("?", 31.0, 0), ("?", 31.1, 0)], [False, True]),
    "a byte now and then": (
        [*[("came", float(n), 1) for n in range(1, 31)], ("?", 29.9, 0), ("?", 30.0, 0)],
        [False, True],
    ),
    "just fast enough": (
        [("came", 15.0, 15_360), ("came", 30.0, 15_360), ("?", 30.0, 0)],
        [False],
    ),
    "just too slow": ([("came", 15.0, 15_360), ("came", 30.0, 15_359), ("?", 30.0, 0)], [True]),
    "fast, then slow": (
        [
            ("came", 1.0, 1_000_000),
            ("came", 29.0, 1),
            ("?", 30.0, 0),
            ("came", 45.0, 1),
            ("came", 59.0, 1),
            ("?", 60.0, 0),
        ],
        [False, True],
    ),
    "excused": ([("excuse", 29.0, 0), ("?", 58.9, 0), ("?", 59.1, 0)], [False, True]),
    "excused, then a trickle": (
        [("excuse", 100.0, 0), ("came", 101.0, 1), ("came", 129.0, 1), ("?", 130.0, 0)],
        [True],
    ),
}


@pytest.mark.parametrize(("steps", "said"), PACES.values(), ids=PACES.keys())
def test_a_body_comes_at_least_at_its_pace(steps: list[Step], said: list[bool]) -> None:
    assert slow(steps) == said


@settings(max_examples=100, deadline=None)
@given(
    gaps=st.lists(st.floats(0.01, 29.0), min_size=1, max_size=40),
    often=st.booleans(),
)
def test_who_keeps_the_pace_is_never_too_slow_and_who_does_not_is_found(
    gaps: list[float], often: bool
) -> None:
    good, bad = BodyClock(30.0, 1000, 0.0), BodyClock(30.0, 1000, 0.0)
    now = last = 0.0
    found = False
    for gap in gaps:
        now += gap
        good.came(int(gap * 1000) + 1, now)
        bad.came(int(gap * 400), now)
        if often or now - last > 30:
            found = bad.too_slow(now) or found
            assert not good.too_slow(now)
            last = now
    found = bad.too_slow(now + 0.1) or found
    assert found or now < 31
