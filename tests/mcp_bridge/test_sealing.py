"""Sealed texts: what was sealed comes back for whom it was sealed, and for no one else."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.sealing import MAX_PLAIN, max_length, seal, unseal
from mcp_bridge.session import SessionKey, open_session, sign

KEY = SessionKey("k1", b"a" * 32)
OLD = SessionKey("k0", b"b" * 32)
BOUND = ("state", "shop", "tok_a")


def sealed(plain: bytes = b"secret-state", *keys: SessionKey) -> str:
    return seal(plain, BOUND, keys or [KEY], lambda size: bytes(range(size)))


@given(st.binary(max_size=300), st.lists(st.text(max_size=5), max_size=4), st.binary(min_size=28))
def test_what_was_sealed_comes_back(plain: bytes, bound: list[str], noise: bytes) -> None:
    text = seal(plain, bound, [KEY, OLD], lambda size: noise[:size])
    assert unseal(text, bound, [OLD, KEY]) == plain
    assert text.startswith("v1.k1.")
    assert all(33 <= ord(character) <= 126 for character in text)


def test_a_sealed_text_cannot_be_read() -> None:
    assert "secret" not in sealed()
    numbers = count()
    one, other = (
        seal(b"secret-state", BOUND, [KEY], lambda size: next(numbers).to_bytes(size, "big"))
        for _ in range(2)
    )
    assert one != other


def test_texts_of_older_keys_are_good_and_those_of_unknown_ones_are_not() -> None:
    text = sealed(b"x", OLD)
    assert unseal(text, BOUND, [KEY, OLD]) == b"x"
    assert unseal(text, BOUND, [KEY]) is None
    assert unseal(text, BOUND, []) is None
    renamed = SessionKey("k0", KEY.secret)
    assert unseal(text, BOUND, [renamed]) is None


@pytest.mark.parametrize(
    "elsewhere",
    [
        (),
        ("state", "shop"),
        ("state", "shop", "tok_b"),
        ("session", "shop", "tok_a"),
        ("state", "mail", "tok_a"),
        ("state", "shoptok_a", ""),
        ("stateshop", "tok_a"),
        ("shop", "state", "tok_a"),
        ("state", "shop", "tok_a", ""),
        ("state", "shop\0tok_a"),
        ("state", "shop", "tok_a\udcff"),
    ],
)
def test_a_text_is_good_only_for_what_it_is_bound_to(elsewhere: tuple[str, ...]) -> None:
    assert unseal(sealed(), elsewhere, [KEY]) is None


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_no_two_bindings_are_the_same(one: list[str], other: list[str]) -> None:
    text = seal(b"x", one, [KEY], bytes)
    assert (unseal(text, other, [KEY]) == b"x") is (one == other)


@given(st.data())
def test_no_changed_text_is_accepted(data: st.DataObject) -> None:
    text = sealed()
    index = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda one: one != text[index]))
    assert unseal(text[:index] + letter + text[index + 1 :], BOUND, [KEY]) is None


@pytest.mark.parametrize("length", range(len(sealed())))
def test_no_cut_text_is_accepted(length: int) -> None:
    assert unseal(sealed()[:length], BOUND, [KEY]) is None
    assert unseal(sealed()[length + 1 :], BOUND, [KEY]) is None


@given(st.text(max_size=200))
def test_no_made_up_text_is_accepted(text: str) -> None:
    assert unseal(text, BOUND, [KEY]) is None
    assert unseal(f"v1.k1.{text}", BOUND, [KEY]) is None
    assert unseal(sealed() + text[:1], BOUND, [KEY]) is None or not text


def test_a_session_id_is_no_sealed_text() -> None:
    session = open_session("shop", "tok_a", "2025-11-25", 1.0, bytes)
    assert unseal(sign(session, [KEY]), BOUND, [KEY]) is None


def test_lengths_are_bounded_both_ways() -> None:
    longest = sealed(b"x" * MAX_PLAIN, SessionKey("k" * 32, b"c" * 32))
    assert len(longest) <= max_length()
    assert unseal(longest, BOUND, [SessionKey("k" * 32, b"c" * 32)]) == b"x" * MAX_PLAIN
    assert unseal("v1.k1." + "A" * 10_000_000, BOUND, [KEY]) is None
    with pytest.raises(ValueError, match="can be sealed"):
        sealed(b"x" * (MAX_PLAIN + 1))
