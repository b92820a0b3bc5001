"""A head is the same again only where nothing but its length and its ids differ."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.fast import plain
from edge.fast.rote import Rote, is_learnable
from edge.fast.stencil import LONGEST
from edge.forwarding import plan
from edge.gate.decide import decide_sound
from edge.gate.decisions import Decision, Forward, Refuse
from edge.message import Head
from edge.server.heads import BadHead, parse_head
from tests.support.asking import (
    EXPIRED,
    GOOD,
    MADE_UP,
    NARROW,
    NOW,
    OTHER,
    REVOKED,
    SETTINGS,
    SHORT_LIVED,
    UNKNOWN,
    Known,
    function,
)
from tokens.paths import PathTemplate

VARYING = {b"content-length", b"x-request-id", b"traceparent"}
LIMIT = 1000
FRESH = bytes(range(40))
TRACE = b"00-384d9319530682b55651605272ed354f-2d9869f9551f9627-00"
NEVER_A_TRACE = b"ff" + TRACE[2:]
VIEW = Known(
    (
        function(body_limit=LIMIT),
        function("open", public=True, body_limit=None),
        function("strict", public=True, methods=("GET",), path=PathTemplate("/a"), body_limit=10),
    )
)
LINES = (
    b"GET / HTTP/1.1",
    b"POST /orders?a=1 HTTP/1.1",
    b"PUT /a HTTP/1.1",
    b"GET /shop/ HTTP/1.1",
)
HOSTS = (b"shop.fn.localhost", b"open.fn.localhost", b"strict.fn.localhost", b"localhost", b"x.fn")
TOKENS = (GOOD, OTHER, REVOKED, EXPIRED, SHORT_LIVED, MADE_UP, NARROW, "x")
VALUES = {
    b"Content-Length": (b"0", b"5", b"10", b"11", b"999", b"1000", b"1001", b"0" * 17 + b"1"),
    b"X-Request-Id": (b"1", b"a.b-c_d", b"a" * 128, b"a" * 129, b"a b", b"", GOOD.encode()),
    b"traceparent": (TRACE, NEVER_A_TRACE, TRACE.upper(), b"00-" + b"0" * 32 + TRACE[35:], b"x"),
}
OTHERS = (
    b"Accept: */*",
    b"Cookie: a=1",
    b"Cookie: b=2",
    b"tracestate: a=1",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Origin: https://a.example",
    b"Transfer-Encoding: chunked",
    b"X-A:  two",
    b"X-B:",
)


@dataclass(frozen=True)
class Learnt:
    """A head that is remembered, and what was made of it."""

    head: Head
    decision: Decision
    rote: Rote


def read(block: bytes) -> Head | None:
    try:
        return parse_head(block, UNKNOWN, SETTINGS)
    except BadHead:
        return None


def decided(head: Head, now: float = NOW) -> Decision:
    return decide_sound(VIEW, head, now, SETTINGS)


def learn(block: bytes) -> Learnt | None:
    """As a connection does it; None if it would not."""
    head = read(block)
    framing = None if head is None else plain.framing(head)
    if head is None or framing is None:
        return None
    decision = decided(head)
    if not isinstance(decision, Forward | Refuse) or not is_learnable(block, head, decision):
        return None
    return Learnt(head, decision, Rote(block, head, decision, 1, framing, SETTINGS.header_block))


def varying_line(name: bytes) -> st.SearchStrategy[bytes]:
    """A varying field in any spelling; mostly the usual one."""
    names = st.sampled_from([name, name, name.lower(), name.upper()])
    seps = st.sampled_from([b": ", b": ", b": ", b":", b":  ", b":\t"])
    ends = st.sampled_from([b"", b"", b"", b" "])
    return st.builds(
        lambda *parts: b"".join(parts), names, seps, st.sampled_from(VALUES[name]), ends
    )


FIELDS = st.lists(
    st.one_of(st.sampled_from(OTHERS), *[varying_line(name) for name in VALUES]), max_size=6
)
SPOKEN = st.sampled_from(TOKENS).map(lambda token: [b"X-Jelou-Token: " + token.encode()])
AUTHORISED: st.SearchStrategy[list[bytes]] = st.one_of(st.just([]), SPOKEN)


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    fields = [b"Host: " + draw(st.sampled_from(HOSTS)), *draw(AUTHORISED), *draw(FIELDS)]
    return b"\r\n".join([draw(st.sampled_from(LINES)), *draw(st.permutations(fields))])


@st.composite
def altered(draw: st.DrawFn, block: bytes) -> bytes:
    """A head with one thing about it changed: a byte, a line, or a value that may differ."""
    kind = draw(st.sampled_from(["insert", "delete", "flip", "case", "twice", "swap", "value"]))
    at = draw(st.integers(0, len(block) - 1))
    byte = draw(st.sampled_from([*b"\r\n\t :,0aA-;\x00\xff"]))
    lines = block.split(b"\r\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    match kind:
        case "insert":
            return block[:at] + bytes([byte]) + block[at:]
        case "delete":
            return block[:at] + block[at + 1 :]
        case "flip":
            return block[:at] + bytes([byte]) + block[at + 1 :]
        case "case":
            return block[:at] + block[at : at + 1].swapcase() + block[at + 1 :]
        case "twice":
            lines.insert(other, lines[one])
        case "swap":
            lines[one], lines[other] = lines[other], lines[one]
        case _:
            return revalued(block, draw(st.data()))
    return b"\r\n".join(lines)


def revalued(block: bytes, data: st.DataObject) -> bytes:
    """The same head with other values in the fields that may vary."""
    lines = block.split(b"\r\n")
    for number, line in enumerate(lines):
        for name, values in VALUES.items():
            if line.lower().startswith(name.lower() + b":"):
                lines[number] = line[: len(name)] + b": " + data.draw(st.sampled_from(values))
    return b"\r\n".join(lines)


def lasting(head: Head) -> Head:
    """A head without what may vary."""
    kept = tuple(pair for pair in head.headers if pair[0] not in VARYING)
    return replace(head, headers=kept)


def assert_is_again(learnt: Learnt, block: bytes) -> bool:
    """Whether a head is taken for the one learnt; if so, that nothing is lost by that."""
    varying = learnt.rote.varying(block)
    if varying is None:
        return False
    head = read(block)
    assert head is not None
    assert lasting(head) == lasting(learnt.head)
    framing = plain.framing(head)
    assert framing is not None
    assert framing[1] is learnt.rote.last
    assert plan.ids(varying, FRESH) == plan.ids(head.headers, FRESH)
    length = learnt.rote.length(varying)
    if length == -1:
        assert isinstance(decided(head), Refuse)
        return False
    assert length == framing[0]
    assert decided(head) == learnt.decision
    if not isinstance(learnt.decision, Forward) or learnt.decision.until is None:
        assert decided(head, NOW + 100) == learnt.decision
    return True


@settings(max_examples=400, deadline=None)
@given(block=blocks(), data=st.data())
def test_what_is_taken_for_the_same_again_is_read_and_decided_as_it_would_be_afresh(
    block: bytes, data: st.DataObject
) -> None:
    learnt = learn(block)
    if learnt is None:
        return
    assert_is_again(learnt, block)
    for _ in range(4):
        assert_is_again(learnt, data.draw(altered(block)))
        assert_is_again(learnt, data.draw(altered(data.draw(altered(block)))))
    assert_is_again(learnt, revalued(block, data))


START = b"POST / HTTP/1.1\r\nHost: shop.fn.localhost\r\nX-Jelou-Token: " + GOOD.encode()
USUAL = START + b"\r\nContent-Length: 5\r\nX-Request-Id: a\r\ntraceparent: " + TRACE


def usual() -> Learnt:
    learnt = learn(USUAL)
    assert learnt is not None
    return learnt


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Length: 5", b"Content-Length: 0"),
        (b"Content-Length: 5", b"Content-Length: 1000"),
        (b"Content-Length: 5", b"Content-Length: " + b"0" * 15 + b"100"),
        (b"X-Request-Id: a", b"X-Request-Id: " + b"b" * 128),
        (b"2d9869f9551f9627", b"2d9869f9551f9628"),
    ],
)
def test_lengths_and_ids_may_differ(old: bytes, new: bytes) -> None:
    assert assert_is_again(usual(), USUAL.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"POST / ", b"POST /? "),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"shop.fn", b"open.fn"),
        (b"Host", b"host"),
        (b"Content-Length", b"content-LENGTH"),
        (GOOD.encode(), REVOKED.encode()),
        (GOOD.encode(), GOOD.encode()[:-1]),
        (b"X-Jelou-Token: " + GOOD.encode() + b"\r\n", b""),
        (b"Content-Length: 5\r\n", b""),
        (b"Content-Length: 5", b"Content-Length: 1001"),
        (b"Content-Length: 5", b"Content-Length: -5"),
        (b"Content-Length: 5", b"Content-Length: +5"),
        (b"Content-Length: 5", b"Content-Length: 5, 5"),
        (b"Content-Length: 5", b"Content-Length: 0x5"),
        (b"Content-Length: 5", b"Content-Length: "),
        (b"Content-Length: 5", b"Content-Length: " + b"0" * 18 + b"5"),
        (b"Content-Length: 5", b"Content-Length : 5"),
        (b"Content-Length: 5", b" Content-Length: 5"),
        (b"Content-Length: 5", b"Content-Length: 5\n"),
        (b"Content-Length: 5", b"Content-Length: 5\r"),
        (b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 5"),
        (b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 6"),
        (b"Content-Length: 5", b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"X-Request-Id: a", b"X-Request-Id: a\r\nX-Request-Id: b"),
        (b"X-Request-Id: a", b"X-Request-Id: " + b"a" * 129),
        (b"X-Request-Id: a", b"X-Request-Id: a b"),
        (b"X-Request-Id: a", b"X-Request-Id: a\x00"),
        (b"X-Request-Id: a", b"X-Request-Id: a\r\n b"),
        (b"X-Request-Id: a", b"X_Request_Id: a"),
        (
            b"X-Request-Id: a\r\ntraceparent: " + TRACE,
            b"traceparent: " + TRACE + b"\r\nX-Request-Id: a",
        ),
        (TRACE, TRACE + b"\r\ntraceparent: " + TRACE),
        (TRACE, TRACE[:-1]),
        (TRACE, TRACE + b"0"),
        (TRACE, TRACE + b"\r\n"),
        (TRACE, TRACE + b"\r\nExpect: 100-continue"),
        (TRACE, TRACE + b"\r\nConnection: close"),
        (b"\r\n", b"\n"),
    ],
)
def test_anything_else_may_not(old: bytes, new: bytes) -> None:
    changed = USUAL.replace(old, new)
    assert changed != USUAL
    assert not assert_is_again(usual(), changed)


def test_a_repeated_field_that_varies_is_never_the_same_again() -> None:
    learnt = usual()
    for line in (b"Content-Length: 5", b"X-Request-Id: a", b"traceparent: " + TRACE):
        assert learnt.rote.varying(USUAL + b"\r\n" + line) is None


@pytest.mark.parametrize("line", [b"X-Request-Id:a", b"X-Request-Id:  a", b"traceparent:" + TRACE])
@pytest.mark.parametrize("beside", [b"", b"\r\nX-Request-Id: b"])
def test_an_id_in_an_odd_spelling_is_not_lost_in_the_next_request(
    line: bytes, beside: bytes
) -> None:
    block = START + b"\r\n" + line + beside
    learnt = learn(block)
    assert learnt is None or not assert_is_again(learnt, block)


def test_a_body_over_the_limit_does_not_condemn_the_next_one() -> None:
    learnt = learn(USUAL.replace(b"Length: 5", b"Length: 1001"))
    assert learnt is None or not assert_is_again(learnt, USUAL)


@pytest.mark.parametrize(("limit", "expected"), [(None, 1001), (1001, 1001), (1000, -1), (0, -1)])
def test_a_length_over_the_functions_limit_is_told(limit: int | None, expected: int) -> None:
    head = read(USUAL)
    assert head is not None
    place_of = function(body_limit=limit)
    decision = decide_sound(
        Known((place_of,)), replace(head, headers=head.headers[:2]), NOW, SETTINGS
    )
    assert isinstance(decision, Forward)
    made = Rote(USUAL, head, decision, 1, (5, False), SETTINGS.header_block)
    assert made.length(((b"content-length", b"1001"),)) == expected
    assert made.length(()) == 5


def test_a_head_that_outgrows_the_header_block_by_what_varies_is_not_the_same_again() -> None:
    learnt = usual()
    line_end = USUAL.index(b"\r\n")
    for spare, fits in ((127, True), (126, False)):
        limit = len(USUAL) - line_end + spare
        made = Rote(USUAL, learnt.head, learnt.rote.decision, 1, (5, False), limit)
        longest = USUAL.replace(b"X-Request-Id: a", b"X-Request-Id: " + b"a" * 128)
        assert (made.varying(longest) is not None) is fits


@pytest.mark.parametrize(("size", "learnable"), [(LONGEST, True), (LONGEST + 1, False)])
def test_long_heads_are_not_remembered(size: int, learnable: bool) -> None:
    filler = START + b"\r\nX-A: "
    assert (learn(filler + b"a" * (size - len(filler))) is not None) is learnable


def test_the_opening_of_a_websocket_is_not_remembered() -> None:
    opening = USUAL.replace(b"POST", b"GET").replace(b"Content-Length: 5", b"Upgrade: websocket")
    head = read(opening + b"\r\nConnection: Upgrade")
    assert head is not None
    assert head.websocket
    assert not is_learnable(opening, head, usual().rote.decision)
