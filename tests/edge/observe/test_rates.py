"""Rates and percentiles are what happened in between, whatever had happened before."""

import bisect
import math
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.events import Account, Event
from edge.observe.rates import quantile, rates, since
from edge.observe.tally import BOUNDS, Snapshot, Tally
from tests.support.accounts import account
from tests.support.counting import counted, events


def some(counts: Snapshot) -> Snapshot:
    """Without what is zero: what had been counted before stays in what came since."""
    kept = [
        {key: each for key, each in one.items() if each not in (0, (0, 0)) and _is_any(each)}
        for one in counts
    ]
    return Snapshot(*kept)


def _is_any(each: object) -> bool:
    return not hasattr(each, "classes") or any(each.classes)


@settings(max_examples=50)
@given(events, events)
def test_what_came_since_is_what_came_since(before: list[Event], after: list[Event]) -> None:
    tally = Tally()
    was = counted(before, tally)
    came, expected = some(since(was, counted(after, tally))), some(counted(after))
    for name in Snapshot._fields:
        if name in ("durations", "upstream"):
            mine, theirs = getattr(came, name), getattr(expected, name)
            assert {k: v.classes for k, v in mine.items()} == {
                k: v.classes for k, v in theirs.items()
            }
            for function, each in theirs.items():
                assert mine[function].seconds == pytest.approx(each.seconds, abs=1e-6)
        else:
            assert getattr(came, name) == getattr(expected, name)


@settings(max_examples=50)
@given(events, events)
def test_nothing_is_less_than_nothing(before: list[Event], after: list[Event]) -> None:
    came = since(counted(before), counted(after))
    for counts in came:
        for each in counts.values():
            if hasattr(each, "classes"):
                assert min(each.seconds, *each.classes) >= 0
            else:
                assert min(each if isinstance(each, tuple) else (each,)) >= 0


@settings(max_examples=50)
@given(events, st.floats(0.1, 60))
def test_rates_are_counts_over_time_and_functions_add_up(
    happened: list[Event], seconds: float
) -> None:
    came = counted(happened)
    over = [event for event in happened if isinstance(event, Account)]
    total, each = rates(came, seconds)
    assert total.requests * seconds == pytest.approx(len(over))
    assert total.errors * seconds == pytest.approx(sum(a.status >= 500 for a in over))
    assert total.cut * seconds == pytest.approx(sum(not a.whole and a.status < 500 for a in over))
    assert total.refused * seconds == pytest.approx(
        sum(bool(a.code) and a.status < 500 for a in over)
    )
    assert total.sent * seconds == pytest.approx(sum(a.sent for a in over))
    assert {one.function for one in each} == {a.function for a in over}
    for name in ("requests", "errors", "refused", "cut", "messages", "calls", "failed_calls",
                 "received", "sent"):  # fmt: skip
        parts = sum(getattr(one, name) for one in each)
        assert parts == pytest.approx(getattr(total, name))


def test_rates_of_no_time_and_of_nobody_are_nothing() -> None:
    assert rates(counted([account()]), 0.0)[0].requests == 0
    nobody, functions = rates(counted([]), 1.0)
    assert (nobody.requests, nobody.p50, nobody.p99, functions) == (0, None, None, ())


durations = st.lists(st.floats(0, 200), min_size=1, max_size=60)
shares = st.floats(0.01, 1)


@settings(max_examples=150)
@given(durations, shares)
def test_a_percentile_is_in_the_class_of_the_true_one(took: list[float], share: float) -> None:
    assume(abs(share * len(took) - round(share * len(took))) > 1e-6)  # else rounding decides
    told = quantile(_took(took).durations["shop"].classes, share)
    true = sorted(_as_counted(took))[max(0, math.ceil(share * len(took)) - 1)]
    number = bisect.bisect_left(BOUNDS, true)
    lower = BOUNDS[number - 1] if number else 0.0
    upper = BOUNDS[number] if number < len(BOUNDS) else BOUNDS[-1]
    assert told is not None
    assert min(lower, upper) <= told <= upper


@settings(max_examples=50)
@given(durations, shares, shares)
def test_more_of_them_take_as_long_or_longer(took: list[float], some: float, more: float) -> None:
    classes = _took(took).durations["shop"].classes
    first, second = (quantile(classes, share) for share in sorted((some, more)))
    assert first is not None
    assert second is not None
    assert first <= second


@pytest.mark.parametrize(
    ("classes", "share", "expected"),
    [
        ({3: 4}, 0.5, 0.0075),  # halfway between 5 and 10 ms
        ({0: 10}, 0.5, 0.0005),  # the first class begins at 0
        ({3: 50, 5: 50}, 0.99, 0.0495),
        ({len(BOUNDS): 1}, 0.5, 120.0),  # beyond the last bound
        ({}, 0.5, None),
    ],
)
def test_a_percentile_is_on_the_line_between_the_bounds_of_its_class(
    classes: dict[int, int], share: float, expected: float | None
) -> None:
    told = quantile([classes.get(n, 0) for n in range(len(BOUNDS) + 1)], share)
    assert told == (None if expected is None else pytest.approx(expected))


def _took(seconds: list[float]) -> Snapshot:
    return counted([account(seconds=each) for each in seconds])


def _as_counted(seconds: list[float]) -> list[float]:
    """As the clock's difference has them, rounding and all."""
    return [each.ended - each.began for each in (account(seconds=one) for one in seconds)]


def test_a_host_with_thousands_of_functions_is_looked_at_in_one_go() -> None:
    one = counted([account(seconds=0.1)])
    ((key, _),) = one.requests.items()
    names = [f"function-{n}" for n in range(5000)]
    many = one._replace(
        requests={(name, *key[1:]): 1 for name in names},
        durations=dict.fromkeys(names, one.durations["shop"]),
    )
    began = time.process_time()
    total, functions = rates(many, 1.0)
    assert (total.requests, len(functions)) == (5000, 5000)
    assert time.process_time() - began < 2.0  # seconds; a pass for each would take many times it
