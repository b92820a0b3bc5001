"""Whatever the pattern and the clock, never more than the burst and what was earned."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from edge.state import gcra
from tokens.rate import UNITS, Rate

RATES = st.builds(Rate, st.integers(1, 200), st.sampled_from(list(UNITS.values())))
STEPS = st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 300)), max_size=20)


def taken(earned: int, now: int, rate: Rate, tries: int) -> tuple[int, int]:
    """What is remembered after so many tries, and how many of them were let through."""
    count = 0
    for _ in range(tries):
        standing = gcra.standing(earned, now, rate)
        let_through = gcra.wait(standing, now, rate) <= 0
        earned = standing + let_through * rate.interval
        count += let_through
    return earned, count


def played(rate: Rate, steps: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """At each step what is remembered, what time it is, and how many were let through."""
    earned = now = 0
    for pause, tries in steps:
        now += pause
        earned, count = taken(earned, now, rate, tries)
        yield earned, now, count


@given(RATES, STEPS)
def test_never_more_than_the_burst_and_what_was_earned_since(
    rate: Rate, steps: list[tuple[int, int]]
) -> None:
    total = 0
    for _, now, count in played(rate, steps):
        total += count
        assert total * rate.interval <= rate.window + now
        assert total <= rate.count + rate.count * now / (rate.seconds * 10**9)


@given(RATES, STEPS)
def test_who_waits_as_told_gets_one_and_not_before(
    rate: Rate, steps: list[tuple[int, int]]
) -> None:
    *_, (earned, now, _) = [(0, 0, 0), *played(rate, steps)]
    earned, _ = taken(earned, now, rate, rate.count)
    wait = gcra.wait(gcra.standing(earned, now, rate), now, rate)
    assert 0 < wait <= rate.interval
    assert taken(earned, now + wait - 1, rate, 1)[1] == 0
    assert taken(earned, now + wait, rate, 2)[1] == 1


@given(RATES, STEPS)
def test_what_is_said_to_be_left_is_what_can_be_taken(
    rate: Rate, steps: list[tuple[int, int]]
) -> None:
    for earned, now, _ in played(rate, steps):
        left = gcra.left(gcra.standing(earned, now, rate), now, rate)
        assert taken(earned, now, rate, rate.count + 1)[1] == left


@given(RATES, st.integers(0, 2**60))
def test_a_clock_that_is_set_back_gives_nothing_and_keeps_nobody_waiting_for_longer(
    rate: Rate, back: int
) -> None:
    now = 2**60
    earned, _ = taken(0, now, rate, rate.count)
    earned, count = taken(earned, now - back, rate, rate.count)
    assert count == 0
    assert gcra.wait(gcra.standing(earned, now - back, rate), now - back, rate) <= rate.interval
    assert taken(earned, now - back + rate.window, rate, 2 * rate.count)[1] == rate.count
