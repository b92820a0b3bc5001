"""Session ids: what they carry, who may read them, and that no other is accepted."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.session import (
    MAX_AGE,
    MemoryEndedSessions,
    Session,
    SessionKey,
    open_session,
    sign,
    verify,
)

KEY = SessionKey("k1", b"a" * 32)
OLD = SessionKey("k0", b"b" * 32)
NOW = 1_800_000_000.5


def opened(lineage: str = "tok_a") -> Session:
    return open_session("shop", lineage, "2025-11-25", NOW, lambda size: b"n" * size)


def checked(text: str, now: float = NOW, function: str = "shop", lineage: str = "tok_a") -> object:
    return verify(text, [KEY, OLD], function=function, lineage=lineage, now=now)


def test_an_id_carries_its_session() -> None:
    text = sign(opened(), [KEY])
    assert checked(text) == opened()
    assert text.startswith("v1.k1.")
    assert len(text) < 1024
    assert all(33 <= ord(character) <= 126 for character in text)


def test_ids_of_older_keys_are_good_and_new_ones_use_the_newest() -> None:
    assert checked(sign(opened(), [OLD])) == opened()
    assert sign(opened(), [KEY, OLD]).startswith("v1.k1.")
    assert verify(sign(opened(), [OLD]), [KEY], function="shop", lineage="tok_a", now=NOW) is None


def test_an_id_is_bound_to_function_and_token_line() -> None:
    text = sign(opened(), [KEY])
    assert checked(text, function="mail") is None
    assert checked(text, lineage="tok_b") is None
    assert checked(text, lineage="") is None
    assert checked(sign(opened(""), [KEY])) is None


@pytest.mark.parametrize(
    ("after", "good"), [(0, True), (MAX_AGE - 2, True), (MAX_AGE, False), (-3600, False)]
)
def test_an_id_has_a_fixed_age(after: float, good: bool) -> None:
    assert (checked(sign(opened(), [KEY]), NOW + after) is not None) is good


@given(st.data())
def test_no_changed_id_is_accepted(data: st.DataObject) -> None:
    text = sign(opened(), [KEY])
    index = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[index]))
    changed = text[:index] + letter + text[index + 1 :]
    assert not checked(changed)


@given(st.text(max_size=2000))
def test_no_made_up_id_is_accepted(text: str) -> None:
    assert checked(text) is None
    assert checked(f"v1.k1.{text}") is None


def test_keys_are_long_enough_and_never_shown() -> None:
    assert "aaaa" not in repr(KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        SessionKey("k", b"short")
    with pytest.raises(ValueError, match="key id"):
        SessionKey("not.legal", b"a" * 32)


def test_ended_sessions_are_forgotten_when_their_age_is_out() -> None:
    times = count(100, 10)
    ended = MemoryEndedSessions(lambda: float(next(times)))
    ended.end("a", 105.0)
    assert ended.ended("a")
    ended.end("b", 500.0)
    assert not ended.ended("a")
    assert ended.ended("b")
