"""Where requests begin and end in a client's bytes: bodies are never taken for requests.

Whatever is read, is read the same however the bytes are cut.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.server.requests import (
    PREFACE,
    Begun,
    Content,
    Ended,
    Http2Assumed,
    Opaque,
    RequestStream,
)
from tests.support.request_bytes import PEER, SETTINGS, bodies, cut, dripped, heads, outcome, read

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


def post(body: bytes) -> bytes:
    return POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    lines = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return CHUNKED + b"".join(lines) + b"0\r\n" + trailers + b"\r\n"


def test_pipelined_requests_are_told_apart() -> None:
    sent = post(b"one") + GET % 1 + chunked(b"tw", b"o") + post(b"") + GET % 2
    events, refused = read([sent])
    assert refused is None
    assert bodies(events) == [b"one", b"", b"two", b"", b""]
    assert [begun.head.target for begun in heads(events)] == [b"/", b"/1", b"/", b"/", b"/2"]
    assert [begun.length for begun in heads(events)] == [3, 0, None, 0, 0]


def test_the_raw_head_is_the_clients_bytes_and_no_more() -> None:
    (begun,) = heads(read([b"\r\n" + post(b"body")])[0])
    assert begun.raw == post(b"body").removesuffix(b"body")


@pytest.mark.parametrize("smuggled", [GET % 9, b"\r\n\r\n", b"GET", PREFACE])
def test_a_body_that_looks_like_a_request_is_a_body(smuggled: bytes) -> None:
    for sent in (post(smuggled), chunked(smuggled)):
        events, refused = read([sent + GET % 1])
        assert refused is None
        assert bodies(events) == [smuggled, b""]


def test_a_good_request_before_a_bad_one_is_read() -> None:
    for bad in (b"GET / HTTP/1.1\nHost: x\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        events, refused = read([post(b"one") + bad])
        assert bodies(events) == [b"one"]
        assert refused is not None
        assert refused.kind.code == "bad_request"


@pytest.mark.parametrize("sent", [GET % 1 + b"\r\n" + GET % 2, post(b"") + b"\r\n" + GET % 2])
def test_one_empty_line_is_let_pass_before_each_request(sent: bytes) -> None:
    events, refused = read([sent])
    assert refused is None
    assert len(heads(events)) == 2


@pytest.mark.parametrize(
    "between", [b"\r\n\r\n", b"\n", b"\r\n\n", b" ", b"\r\n ", b"5\r\n", b"\x00"]
)
def test_anything_else_before_a_request_is_refused(between: bytes) -> None:
    events, refused = read([GET % 1 + between + GET % 2])
    assert len(heads(events)) == 1
    assert refused is not None
    assert refused.kind.code == "bad_request"


@pytest.mark.parametrize(
    "broken",
    [
        b"x\r\n",
        b"-5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"\r\n",
        b";a\r\n",
        b"5\r\nhello!\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"5;a=\x00\r\n",
        b"5;a\nb\r\n",
        b"5;" + b"a" * 255 + b"\r\n",
        b"5;" + b"a" * 300,
        b"0\r\nA: b\n\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\n A: b\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nA: " + b"a" * 8192,
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_broken_chunked_body_is_refused(broken: bytes) -> None:
    for some in ([CHUNKED + broken], list(dripped(CHUNKED + broken))):
        events, refused = read(some)
        assert Ended() not in events
        assert refused is not None
        assert refused.kind.code == "bad_request"
        assert "chunked request body" in refused.message


@pytest.mark.parametrize(
    "sound",
    [
        b"5;a=b;c\r\nhello\r\n0\r\n\r\n",
        b"0005\r\nhello\r\n000\r\n\r\n",
        b"5;" + b"a" * 254 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n",
        b"5\r\nhello\r\n0\r\nA: " + b"a" * 8000 + b"\r\n\r\n",
    ],
)
def test_extensions_and_trailers_are_let_go_by(sound: bytes) -> None:
    events, refused = read([CHUNKED + sound + GET % 1])
    assert refused is None
    assert bodies(events) == [b"hello", b""]


def test_what_an_unfinished_body_brings_is_given_out_as_it_comes() -> None:
    stream = RequestStream(PEER, SETTINGS)
    stream.feed(POST + b"Content-Length: 5\r\n\r\nhe")
    stream.next()
    assert stream.next() == Content(b"he")
    assert stream.next() is None
    assert not stream.between
    stream.feed(b"llo")
    assert [stream.next(), stream.next(), stream.next()] == [Content(b"llo"), Ended(), None]
    assert stream.between
    assert not stream.amid_head
    stream.feed(b"G")
    assert stream.amid_head


def test_what_comes_while_a_body_is_given_out_is_kept_in_order() -> None:
    stream = RequestStream(PEER, SETTINGS)
    stream.feed(chunked(b"hello") + (GET % 1)[:9])
    stream.next()
    assert stream.next() == Content(b"hello")
    stream.feed((GET % 1)[9:])
    assert stream.next() == Ended()
    begun = stream.next()
    assert isinstance(begun, Begun)
    assert begun.raw == GET % 1


@pytest.mark.parametrize("tail", [b"", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", GET % 1])
def test_http_2_by_prior_knowledge_passes_with_all_that_came(tail: bytes) -> None:
    assert read([PREFACE + tail]) == ([Http2Assumed(PREFACE + tail)], None)
    assert read(dripped(PREFACE)) == ([Http2Assumed(PREFACE)], None)


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n",
        b"\r\n" + PREFACE,
        GET % 1 + PREFACE,
    ],
)
def test_http_2_begins_nowhere_else(sent: bytes) -> None:
    for some in ([sent], list(dripped(sent))):
        events, refused = read(some)
        assert not any(isinstance(event, Http2Assumed) for event in events)
        assert refused is not None
        assert refused.kind.code == "bad_request"


def test_nothing_behind_a_websocket_handshake_is_a_request() -> None:
    begun, opaque = read([WEBSOCKET + GET % 1, b"\x00\n", GET % 2])[0]
    assert heads([begun])[0].head.websocket
    assert opaque == Opaque(GET % 1 + b"\x00\n" + GET % 2)


STREAMS = st.lists(
    st.one_of(
        st.just(GET % 1),
        st.binary(max_size=40).map(post),
        st.lists(st.binary(min_size=1, max_size=20), max_size=3).map(lambda some: chunked(*some)),
        st.just(chunked(b"a", trailers=b"A: b\r\n")),
        st.just(b"\r\n" + GET % 2),
        st.sampled_from([b"\r\n", b"\n", b"GET / HTTP/1.1\n\r\n", b"5\r\n", b"A: b\r\n\r\n"]),
        st.sampled_from([WEBSOCKET, CHUNKED, b"PRI * HTTP/2.0\r\n\r\n"]),
    ),
    max_size=5,
).map(b"".join)


@settings(max_examples=300)
@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=12))
def test_how_a_stream_is_cut_changes_nothing(sent: bytes, places: list[int]) -> None:
    assert outcome(cut(sent, places)) == outcome([sent])


@settings(max_examples=60)
@given(STREAMS)
def test_a_dripped_stream_is_read_alike(sent: bytes) -> None:
    assert outcome(dripped(sent)) == outcome([sent])
