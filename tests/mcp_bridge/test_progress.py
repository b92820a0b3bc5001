"""What a stream of events comes to: notifications on the way, one result in the end."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.events import Event, EventsTooLarge
from mcp_bridge.progress import Outcome, Progress, StreamResult, progress_frame
from mcp_bridge.tools import StreamMode


def message(data: str) -> Event:
    return Event("message", data)


def run(mode: StreamMode, *events: Event, limit: int = 10_000) -> tuple[list[Any], Outcome]:
    taking = StreamResult(mode, limit)
    told = [taking.take(event) for event in events]
    return [each for each in told if each is not None], taking.result()


def outcome(mode: StreamMode, *events: Event) -> Outcome:
    return run(mode, *events)[1]


@pytest.mark.parametrize(
    ("events", "body", "is_json"),
    [
        ([message("1"), Event("result", '{"a":1}'), message("2")], b'{"a":1}', True),
        ([Event("result", "one"), Event("result", "two")], b"two", False),
        ([message("one"), message("two"), message(""), message("[DONE]")], b"two", False),
        ([message('{"n":1}'), message('{"n":2}')], b'{"n":2}', True),
        ([message("one"), Event("result", "")], b"", False),
        ([Event("tick", "\u20ac")], "\u20ac".encode(), False),
        ([], b"", False),
        ([message("[DONE]")], b"", False),
    ],
)
def test_the_result_is_the_event_so_named_or_the_last_that_says_something(
    events: list[Event], body: bytes, is_json: bool
) -> None:
    assert outcome("last", *events) == Outcome(body, is_json)


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["Hel", "lo ", "{not json"], "Hello {not json"),
        (['"Hel"', '"lo"'], "Hello"),
        (
            [
                '{"choices":[{"delta":{"role":"assistant"}}]}',
                '{"choices":[{"delta":{"content":"Hel"}}]}',
                '{"choices":[{"delta":{"content":"lo"}}]}',
                '{"choices":[],"usage":{"total_tokens":3}}',
                "[DONE]",
            ],
            "Hello",
        ),
        (['{"choices":[{"text":"Hel"}]}', '{"choices":[{"text":"lo"}]}'], "Hello"),
        (
            [
                '{"type":"message_start","message":{"content":[]}}',
                '{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello"}}',
                '{"type":"message_delta","delta":{"stop_reason":"end_turn"}}',
            ],
            "Hello",
        ),
        (
            [
                '{"type":"response.output_text.delta","delta":"Hello"}',
                '{"type":"response.output_text.done","text":"Hello"}',
                '{"type":"response.completed","response":{}}',
            ],
            "Hello",
        ),
        (['{"response":"Hel"}', '{"response":"lo","done":true}'], "Hello"),
        (['{"message":{"content":"Hello"}}'], "Hello"),
        (['{"choices":"x"}', '{"choices":[1]}', '{"choices":{"0":1}}', '{"delta":5}'], ""),
    ],
)
def test_text_is_joined_where_it_is_asked_for(chunks: list[str], text: str) -> None:
    assert outcome("concat", *map(message, chunks)) == Outcome(text.encode(), is_json=False)


def test_a_named_result_stands_for_the_joined_text_and_progress_is_not_text() -> None:
    assert outcome("concat", message("a"), Event("result", "all")).body == b"all"
    assert outcome("concat", Event("progress", "half"), message("a")).body == b"a"


@pytest.mark.parametrize(
    ("mode", "event", "said"),
    [
        ("last", Event("error", "no such city"), b"no such city"),
        ("last", Event("error", '{"message":"no city"}'), b"no city"),
        ("last", Event("error", '{"error":{"message":"no city","code":1}}'), b"no city"),
        ("last", Event("error", '{"code":1}'), b'{"code":1}'),
        ("last", Event("error", ""), b"The function reported an error and did not say which."),
        ("last", Event("error", '{"message":"no","stack":"at x"}'), b"no"),
        ("last", Event("error", '{"code":1,"stack":"at x"}'), b'{"code":1}'),
        ("concat", message('{"error":{"message":"overloaded"}}'), b"overloaded"),
    ],
)
def test_an_error_event_fails_the_call(mode: StreamMode, event: Event, said: bytes) -> None:
    told, ended = run(mode, Event("result", "1"), event, message("more"), Event("error", "late"))
    assert ended == Outcome(said, is_json=False, failed=True)
    assert not told


def test_each_event_is_a_progress_but_not_the_result_nor_what_says_nothing() -> None:
    told, _ = run("last", *map(message, ["a", "", "b", "[DONE]"]), Event("result", "c"))
    assert told == [Progress(1, None, "a"), Progress(2, None, "b")]


@pytest.mark.parametrize("name", ["message", "progress", "tick"])
def test_an_event_may_state_its_own_progress(name: str) -> None:
    stated = ['{"progress":0,"total":10,"message":"go"}', '{"progress":2.5,"total":10}']
    told, _ = run("last", *(Event(name, data) for data in stated))
    assert told == [Progress(0, 10, "go"), Progress(2.5, 10, stated[1])]


@pytest.mark.parametrize(
    "data",
    [
        '{"progress":5,"total":10}',
        '{"progress":4}',
        '{"progress":true}',
        '{"progress":"9"}',
        '{"progress":null}',
        '{"progress":1e999}',
        '{"progress":',
        '["progress"]',
        "text",
    ],
)
def test_progress_rises_by_one_where_none_is_stated_or_it_does_not_rise(data: str) -> None:
    told, _ = run("last", message('{"progress":5}'), message(data))
    assert (told[1].progress, told[1].total) == (6, None)


def test_what_is_no_number_is_no_total() -> None:
    told, _ = run("last", message('{"progress":1,"total":"ten"}'))
    assert told[0].total is None


def test_messages_are_cut() -> None:
    told, ended = run("last", message("x" * 5_000))
    assert told == [Progress(1, None, "x" * 1_000)]
    assert len(ended.body) == 5_000


NUMBERS = st.one_of(st.integers(-9, 9), st.floats(), st.just(2**63), st.booleans(), st.none())


@given(st.lists(st.one_of(NUMBERS.map(lambda n: json.dumps({"progress": n})), st.text())))
def test_progress_always_rises(data: list[str]) -> None:
    told, _ = run("last", *map(message, data), limit=10**6)
    numbers = [each.progress for each in told]
    assert all(one < other for one, other in pairwise(numbers))


@given(st.sampled_from(["last", "concat"]), st.lists(st.text(max_size=20), max_size=8))
def test_any_events_come_to_something(mode: StreamMode, data: list[str]) -> None:
    _, ended = run(mode, *map(message, data))
    assert not ended.is_json or json.loads(ended.body) is not Ellipsis


def test_a_result_has_a_limit() -> None:
    for mode in ("last", "concat"):
        with pytest.raises(EventsTooLarge):
            run(mode, message("x" * 101), limit=100)
        with pytest.raises(EventsTooLarge):
            run(mode, Event("result", "x" * 101), limit=100)
    with pytest.raises(EventsTooLarge):
        run("concat", *[message("x" * 30)] * 4, limit=100)
    assert run("last", *[message("x" * 30)] * 4, limit=100)[1].body == b"x" * 30


@pytest.mark.parametrize(
    ("progress", "params"),
    [
        (Progress(1), {"progress": 1}),
        (Progress(0.5, 1, "half"), {"progress": 0.5, "total": 1, "message": "half"}),
    ],
)
def test_a_frame_is_a_json_rpc_notification(progress: Progress, params: dict[str, Any]) -> None:
    assert json.loads(progress_frame(7, progress)) == {
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": {"progressToken": 7, **params},
    }
