"""A token opens so many sessions a minute and no more, whatever others do; memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.state.shares import MINUTE, Share


def taken(limit: Share, line: str, now: float, tries: int) -> int:
    return sum(limit.allow(line, now) is None for _ in range(tries))


@pytest.mark.parametrize(
    ("per_minute", "workers", "share"), [(600, 1, 600), (600, 4, 150), (10, 3, 4), (1, 8, 1)]
)
def test_a_minutes_worth_may_come_at_once_and_is_divided_by_workers(
    per_minute: int, workers: int, share: int
) -> None:
    limit = Share(per_minute, workers)
    assert taken(limit, "a", 1000.0, share + 50) == share
    assert taken(limit, "b", 1000.0, share + 50) == share, "another line is not concerned"
    assert taken(limit, "a", 1000.0 + MINUTE, share + 50) == share


def test_who_waits_as_told_gets_one_and_who_asks_meanwhile_does_not_wait_longer() -> None:
    limit = Share(60)
    taken(limit, "a", 0.0, 60)
    assert [limit.allow("a", now) for now in (0.0, 0.25, 0.5)] == [1.0, 0.75, 0.5]
    assert limit.allow("a", 1.0) is None
    assert limit.allow("a", 1.0) == pytest.approx(1.0)


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60)), max_size=30),
)
def test_no_minute_and_no_pattern_gives_more_than_twice_the_rate_and_time_gives_it_back(
    rate: int, steps: list[tuple[float, int]]
) -> None:
    limit, now, total = Share(rate), 0.0, 0
    for pause, tries in steps:
        now += pause
        total += taken(limit, "a", now, tries)
        assert total <= rate + rate * now / MINUTE + 1e-3
    assert taken(limit, "a", now + MINUTE + 1e-6, rate) == rate


def test_memory_is_bounded_and_who_owes_is_remembered_before_who_came_long_ago() -> None:
    limit = Share(1, most=100)
    for number in range(1000):
        assert limit.allow(f"t{number}", 0.0) is None
    assert len(limit) == 100
    assert limit.allow("t999", 0.0) is not None
    assert limit.allow("t0", 0.0) is None


def test_lines_that_owe_nothing_are_forgotten() -> None:
    limit = Share(60)
    for number in range(1000):
        limit.allow(f"t{number}", 0.0)
    limit.allow("x", 2.0)
    assert len(limit) == 1
