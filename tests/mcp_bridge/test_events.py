"""Event streams and lines of JSON, read wherever their bytes are cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.events import Event, EventReader, EventsTooLarge, StreamKind, stream_kind

PLENTY = 1_000_000


def read(kind: StreamKind, *pieces: bytes, limit: int = PLENTY) -> list[Event]:
    reader = EventReader(kind, limit)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.end()


def messages(*texts: str) -> list[Event]:
    return [Event("message", text) for text in texts]


@pytest.mark.parametrize(
    ("essence", "kind"),
    [
        ("text/event-stream", "sse"),
        ("application/x-ndjson", "ndjson"),
        ("application/ndjson", "ndjson"),
        ("application/jsonl", "ndjson"),
        ("application/json-seq", "json-seq"),
        ("application/json", None),
        ("text/plain", None),
        ("", None),
    ],
)
def test_the_media_type_tells_how_an_answer_is_cut(essence: str, kind: StreamKind | None) -> None:
    assert stream_kind(essence) == kind


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        # The examples of HTML §9.2.6.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", messages("YHOO\n+2\n10")),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
            b"data:  third event\n\n",
            messages("first event", "second event", " third event"),
        ),
        (b"data\n\ndata\ndata\n\ndata:", messages("", "\n")),
        (b"data:test\n\ndata: test\n\n", messages("test", "test")),
        # Names, and that they last for one event.
        (b"event: add\ndata: 1\n\ndata: 2\n\n", [Event("add", "1"), Event("message", "2")]),
        (b"event: add\n\ndata: 2\n\n", messages("2")),
        (b"event: a\nevent: b\ndata: 1\n\n", [Event("b", "1")]),
        (b"event:\ndata: 1\n\n", messages("1")),
        # Line ends.
        (b"data: 1\r\rdata: 2\r\n\r\ndata: 3\n\n", messages("1", "2", "3")),
        (b"data: 1\r\n\ndata: 2\n\r\n", messages("1", "2")),
        # The byte order mark, once.
        (b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n", messages("1")),
        # What is not UTF-8, and text that is.
        (b"data: \xff\xe2\x82\ndata: \xe2\x82\xac\n\n", messages("\ufffd\ufffd\n\u20ac")),
        (b"event: \xc3\ndata: 1\n\n", [Event("\ufffd", "1")]),
        # Fields that say nothing here.
        (b"retry: 10\nfoo: bar\nDATA: x\n data: y\ndata: 1\n\n", messages("1")),
        (b"data: a:b: c\n\n", messages("a:b: c")),
        (b"\n\n\n", []),
        (b"", []),
        # What has not ended is not an event.
        (b"data: 1\n\ndata: 2\n", messages("1")),
    ],
)
def test_event_streams_are_read_as_the_standard_has_it(stream: bytes, events: list[Event]) -> None:
    assert read("sse", stream) == events
    assert read("sse", *(bytes([byte]) for byte in stream)) == events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b'{"a":1}\n{"a":2}\n', messages('{"a":1}', '{"a":2}')),
        (b'{"a":1}\r\n\r\n \n{"a":2}', messages('{"a":1}', '{"a":2}')),
        (b'\xef\xbb\xbf"x"\n"\xff"\n', messages('"x"', '"\ufffd"')),
        (b'"\xe2\x80\xa8 \xc2\x85"\n', messages('"\u2028 \x85"')),
        (b"", []),
        (b"\n", []),
    ],
)
def test_lines_of_json_are_events(stream: bytes, events: list[Event]) -> None:
    assert read("ndjson", stream) == events
    assert read("ndjson", *(bytes([byte]) for byte in stream)) == events


def test_a_json_sequence_may_have_line_ends_within_its_texts() -> None:
    stream = b'\x1e{"a":\n1}\n\x1e\x1e2\n'
    assert read("json-seq", stream) == messages('{"a":\n1}', "2")
    assert read("json-seq", *(bytes([byte]) for byte in stream)) == messages('{"a":\n1}', "2")


LINES = st.sampled_from(
    [
        b"data: x",
        b"data",
        b"data:\xe2\x82\xac",
        b"event: tick",
        b":note",
        b"",
        b"",
        b"id: 1",
        b"\xe2",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


def reference(stream: bytes) -> list[Event]:
    """The standard's own steps, over the whole text."""
    events, data, name = [], "", ""
    lines = re.split("\r\n|\r|\n", stream.decode("utf-8", "replace").removeprefix("\ufeff"))
    for line in lines[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            events += [Event(name or "message", data[:-1])] if data else []
            data, name = "", ""
        data += value + "\n" if field == "data" else ""
        name = value if field == "event" else name
    return events


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.lists(st.integers(0, 120), max_size=8))
def test_where_an_event_stream_is_cut_makes_no_difference(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(line + end for line, end in lines)
    marks = [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(marks)]
    assert read("sse", *pieces) == read("sse", stream) == reference(stream)


@given(st.binary(max_size=200), st.sampled_from(["sse", "ndjson", "json-seq"]))
def test_any_bytes_can_be_read(stream: bytes, kind: StreamKind) -> None:
    assert read(kind, stream) == read(kind, *(bytes([byte]) for byte in stream))


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        ("sse", b"data: " + b"x" * 101),
        ("sse", b":" + b"x" * 101),
        ("sse", b"data: " + b"x" * 101 + b"\n"),
        ("sse", b"data: xxxx\n" * 21),
        ("sse", b"data\n" * 102),
        ("ndjson", b"x" * 101),
        ("ndjson", b"x" * 101 + b"\n"),
        ("json-seq", b"\x1e" + b"x" * 101),
    ],
)
def test_an_event_has_a_limit_however_it_comes(kind: StreamKind, stream: bytes) -> None:
    with pytest.raises(EventsTooLarge):
        read(kind, stream, limit=100)
    with pytest.raises(EventsTooLarge):
        read(kind, *(bytes([byte]) for byte in stream), limit=100)


def test_the_limit_is_of_one_event_not_of_the_stream() -> None:
    assert len(read("sse", b"data: 12345678\n\n" * 50, limit=20)) == 50
    assert len(read("ndjson", b"12345678\n" * 50, limit=20)) == 50


def test_single_bytes_without_a_line_end_do_not_take_time_squared() -> None:
    reader = EventReader("sse", PLENTY)
    assert not any(reader.feed(b"x") for _ in range(300_000))
