"""State that passes through a client: readable and good only for whom and what it was made for."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.sealing import seal
from mcp_bridge.session import SessionKey
from mcp_bridge.state import (
    MAX_HEADER,
    MAX_STATE,
    TTL,
    Call,
    OpenedState,
    StateError,
    digest_of,
    header_value,
    open_state,
    seal_state,
)

KEY = SessionKey("k1", b"a" * 32)
OLD = SessionKey("k0", b"b" * 32)
NOW = 1_800_000_000.5
CALL = Call("shop", "tok_a", "buy", digest_of({"item": 7, "count": 1}))


def sealed(state: str | None = "step-2", key: SessionKey = KEY) -> str:
    return seal_state(state, CALL, [key], NOW, lambda size: bytes(range(size)))


def opened(text: str, call: Call = CALL, now: float = NOW) -> OpenedState | None:
    return open_state(text, call, [KEY, OLD], now)


@given(st.none() | st.text(max_size=200))
def test_a_function_gets_its_state_back(state: str | None) -> None:
    assert opened(sealed(state)) == OpenedState(state)


def test_a_client_cannot_read_it_nor_does_it_show() -> None:
    assert "step" not in sealed()
    assert "step" not in repr(opened(sealed()))


@given(st.data())
def test_a_changed_state_is_refused(data: st.DataObject) -> None:
    text = sealed()
    index = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda one: one != text[index]))
    assert opened(text[:index] + letter + text[index + 1 :]) is None


@pytest.mark.parametrize("length", range(len(sealed())))
def test_a_cut_state_is_refused(length: int) -> None:
    assert opened(sealed()[:length]) is None


@given(st.text())
def test_a_made_up_state_is_refused(text: str) -> None:
    assert opened(text) is None


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"function": "mail"},
        {"lineage": "tok_b"},
        {"lineage": ""},
        {"tool": "sell"},
        {"digest": digest_of({"item": 8, "count": 1})},
        {"digest": digest_of({"item": "7", "count": 1})},
        {"digest": digest_of({})},
        {"function": "shoptok_a", "lineage": ""},
    ],
)
def test_a_state_is_refused_at_another_function_token_tool_or_with_other_arguments(
    elsewhere: dict[str, str],
) -> None:
    assert opened(sealed(), replace(CALL, **elsewhere)) is None


def test_what_was_sealed_for_another_purpose_is_no_state() -> None:
    bound = ("session", CALL.function, CALL.lineage, CALL.tool, CALL.digest)
    assert opened(seal(b'[1800000000,"x"]', bound, [KEY], bytes)) is None


def test_the_order_of_arguments_says_nothing() -> None:
    assert digest_of({"count": 1, "item": 7}) == CALL.digest
    assert digest_of({"a": {"b": 1, "c": 2**70}}) == digest_of({"a": {"c": 2**70, "b": 1}})


@pytest.mark.parametrize(
    ("after", "good"), [(0, True), (TTL - 2, True), (TTL, False), (-90, False)]
)
def test_a_state_is_good_for_ten_minutes(after: float, good: bool) -> None:
    assert (opened(sealed(), now=NOW + after) is not None) is good


def test_within_its_time_a_state_may_be_presented_again() -> None:
    text = sealed()
    assert opened(text) == opened(text, now=NOW + 5) == OpenedState("step-2")


def test_states_outlive_the_change_of_keys() -> None:
    assert opened(sealed(key=OLD)) == OpenedState("step-2")
    assert open_state(sealed(key=OLD), CALL, [KEY], NOW) is None


def test_a_state_has_a_limit() -> None:
    assert opened(sealed("x" * MAX_STATE)) == OpenedState("x" * MAX_STATE)
    with pytest.raises(StateError, match="4096 bytes"):
        sealed("\u20ac" * (MAX_STATE // 2))


def test_the_header_carries_what_is_known() -> None:
    answers = {"confirm": {"action": "accept", "content": {"sure": True}}}
    said = json.loads(header_value({"elicitation": {}}, answers, "step-2"))
    assert said == {
        "clientCapabilities": {"elicitation": {}},
        "inputResponses": answers,
        "requestState": "step-2",
    }
    assert header_value({}) == b'{"clientCapabilities":{}}'
    assert json.loads(header_value({}, {}, "")) == {
        "clientCapabilities": {},
        "inputResponses": {},
        "requestState": "",
    }


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), st.text(max_size=20))
def test_nothing_in_an_answer_breaks_out_of_the_header(answers: dict[str, Any], state: str) -> None:
    value = header_value({}, answers, state)
    assert all(32 <= byte <= 126 for byte in value)
    assert json.loads(value)["inputResponses"] == answers
    assert json.loads(value)["requestState"] == state


@pytest.mark.parametrize(
    "answer", ["a\r\nX-Jelou-Token: b", "\0", "\x7f", "\u2028\r", "\U0001f600"]
)
def test_an_answer_cannot_smuggle_a_header(answer: str) -> None:
    value = header_value({}, {"a": answer})
    assert all(32 <= byte <= 126 for byte in value)
    assert json.loads(value)["inputResponses"] == {"a": answer}


def test_a_header_that_servers_would_refuse_is_not_sent() -> None:
    with pytest.raises(StateError, match=str(MAX_HEADER)):
        header_value({}, {"a": "x" * MAX_HEADER})
