"""The form of a secret: minted, parsed, found and blacked out."""

import os
import re
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens import secret
from tokens.secret import ACCESS, ALPHABET, RUNTIME

PREFIXES = st.sampled_from([RUNTIME, ACCESS])
RUNTIME_SECRETS = st.binary(min_size=64, max_size=64).map(
    lambda seed: secret.mint(lambda count: (seed + os.urandom(count))[:count])
)
ALPHANUMERIC = st.text(ALPHABET, max_size=50)
SURROUNDINGS = st.one_of(
    st.text(st.characters(max_codepoint=126), max_size=30),
    ALPHANUMERIC,
    ALPHANUMERIC.map(lambda text: f"{RUNTIME}{text}"),
    st.sampled_from(["?token=", "%", "%2", "%25", "jfn", "jfn_rt_" + "a" * 36, "%6afn_rt_"]),
)


def encode(text: str, marks: list[int]) -> str:
    """Percent-encode the characters that are marked, as often as the mark says."""
    pieces = []
    for character, mark in zip(text, marks, strict=False):
        for _ in range(mark):
            character = "".join(  # noqa: PLW2901
                f"%{ord(c):02{'xX'[mark % 2]}}" if c == character[0] else c for c in character
            )
        pieces.append(character)
    return "".join(pieces)


def test_the_checksum_is_the_one_that_is_published() -> None:
    assert secret.checksum(b"jfn_rt_" + b"0" * 32) == "2Freyo"


def test_the_published_example_is_well_formed() -> None:
    example = "jfn_rt_" + "0" * 32 + "2Freyo"
    assert secret.parse(example) == sha256(example.encode()).digest()


@given(PREFIXES)
def test_what_is_minted_is_well_formed_and_of_its_prefix_alone(prefix: str) -> None:
    minted = secret.mint(os.urandom, prefix)
    assert re.fullmatch(prefix + "[0-9A-Za-z]{38}", minted)
    assert secret.parse(minted, prefix) == sha256(minted.encode()).digest()
    assert secret.parse(minted.encode(), prefix) == secret.parse(minted, prefix)
    other = ACCESS if prefix == RUNTIME else RUNTIME
    assert secret.parse(minted, other) is None


@given(RUNTIME_SECRETS, st.integers(0, 44), st.characters(max_codepoint=255))
def test_any_one_changed_character_is_refused(minted: str, place: int, character: str) -> None:
    changed = minted[:place] + character + minted[place + 1 :]
    assert (secret.parse(changed) is None) == (changed != minted)
    assert (secret.parse(changed.encode("latin-1")) is None) == (changed != minted)


def test_every_character_is_equally_likely() -> None:
    found = secret.characters(lambda _: bytes(range(256)), 62 * 4 * 10)
    assert set(Counter(found).values()) == {40}
    assert set(found) == set(ALPHABET)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "jfn_rt_",
        "jfn_rt_abc123",
        "jfn_rt_" + "0" * 38,
        "JFN_RT_" + "0" * 32 + "2Freyo",
        " jfn_rt_" + "0" * 32 + "2Freyo",
        "jfn_rt_" + "0" * 32 + "2Freyo\n",
        "Bearer jfn_rt_" + "0" * 32 + "2Freyo",
        "jfn_rt_" + "0" * 32 + "2Freyo, jfn_rt_" + "0" * 32 + "2Freyo",
        "jfn_rt_" + "\N{FULLWIDTH DIGIT ZERO}" * 32 + "2Freyo",
        "jfn_rt_" + "0" * 5000,
        "\udc80",
    ],
)
def test_what_is_malformed_is_refused(value: str) -> None:
    assert secret.parse(value) is None


def test_a_value_over_four_kilobytes_is_refused() -> None:
    assert secret.parse(b"jfn_rt_" + b"0" * 4096) is None


@pytest.mark.parametrize("cut", [35, 36, 37, 38])
def test_what_stands_before_a_token_cannot_hide_it(cut: int) -> None:
    minted = secret.mint(os.urandom)
    text = f"jfn_rt_{'a' * cut}{minted}"
    assert secret.contains_token(text.encode())
    assert minted[7:20] not in secret.redact(text)
    assert minted[-20:] not in secret.redact(text)


@given(RUNTIME_SECRETS, SURROUNDINGS, SURROUNDINGS, st.lists(st.integers(0, 2), min_size=45))
def test_a_token_is_blacked_out_wherever_and_however_it_stands(
    minted: str, before: str, after: str, marks: list[int]
) -> None:
    shown = encode(minted, marks)
    redacted = secret.redact(before + shown + after)
    assert shown[-30:] not in redacted
    assert minted[-20:] not in redacted


@given(RUNTIME_SECRETS, SURROUNDINGS, SURROUNDINGS, st.lists(st.integers(0, 2), min_size=45))
def test_a_token_is_found_wherever_and_however_it_stands(
    minted: str, before: str, after: str, marks: list[int]
) -> None:
    assert secret.contains_token((before + encode(minted, marks) + after).encode("latin-1"))


@pytest.mark.parametrize(
    "text",
    [
        "/orders?token=jfn%5Frt%5F{}",
        "/orders?token=jfn%5frt%5f{}",
        "/jfn_rt_{}/x",
        "%6Afn_rt_{}",
        "jfn%255Frt_{}",
        "jfn_pat_{}",
    ],
)
def test_a_percent_encoded_token_leaves_nothing_of_itself(text: str) -> None:
    tail = "0" * 32 + "2Freyo"
    redacted = secret.redact(text.format(tail))
    assert "0" not in redacted
    assert "[redacted]" in redacted


@pytest.mark.parametrize("text", ["", "jfn_rt_abc1..", "/jfn_rt_/%5F?q=100%", "hello jfn"])
def test_texts_without_a_token_stay_as_they_are(text: str) -> None:
    assert secret.redact(text) == text
    assert not secret.contains_token(text.encode())


def test_a_made_up_token_is_no_token_but_is_blacked_out_all_the_same() -> None:
    made_up = "jfn_rt_" + "a" * 38
    assert not secret.contains_token(made_up.encode())
    assert "aaaa" not in secret.redact(made_up)


def test_the_hint_is_four_characters_of_the_random_part() -> None:
    assert secret.hint("jfn_rt_abc123") == "abc1"
    assert secret.hint("jfn_pat_abc123", ACCESS) == "abc1"
