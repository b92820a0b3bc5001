"""What charts show, by what was counted."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.console.charts import charts, quantile, spark
from edge.observe.pages import Page, Vitals
from edge.observe.series import CLASSES, EVERY, KEPT, MOST_FUNCTIONS, Counted, Sample, Series
from edge.observe.series_file import Sampler, SeriesFile
from edge.observe.tally import BOUNDS, Durations, Tally

NOW = 100_000.0
VITALS = [field.name for field in fields(Vitals)]


def counted(requests: int, errors: int = 0, place: int = 0) -> Counted:
    """Requests that all fell into one class of durations."""
    classes = tuple(requests if each == place else 0 for each in range(CLASSES))
    return Counted(requests, errors, classes)


def samples(*each: Counted) -> list[Sample]:
    """One for each step up to now."""
    count = len(each)
    return [
        Sample(NOW - (count - 1 - place) * EVERY, one, {"shop": one})
        for place, one in enumerate(each)
    ]


def test_rates_and_errors_are_those_of_each_step() -> None:
    drawn = charts(samples(counted(50), counted(100, errors=20)), "shop", NOW)
    assert drawn.rate.lines[0].last == 10.0
    assert drawn.errors.lines[0].last == 2.0
    assert drawn.rate.top == 10.0
    assert (drawn.rate.words, drawn.errors.words) == ("150 requests", "20 errors")
    (row,) = drawn.table
    assert (row.rate, row.errors) == (7.5, 1.0)


def test_another_functions_requests_are_not_drawn() -> None:
    drawn = charts(samples(counted(50)), "other", NOW)
    assert drawn.rate.lines[0].last == 0.0
    assert drawn.latency.lines[0].last is None


def test_a_quarter_of_an_hour_is_drawn_until_there_is_more() -> None:
    few, many = [counted(1)] * 80, [counted(1)] * 100
    assert charts(samples(*few), None, NOW).rate.span == 900
    assert charts(samples(*many), None, NOW).rate.span == KEPT * EVERY


def test_where_nobody_counted_nothing_is_drawn() -> None:
    first, last = samples(counted(1), *[counted(0)] * 20, counted(1))[::21]
    path = charts([first, last], None, NOW).rate.lines[0].path
    assert path.count("M") == 2
    assert charts((), None, NOW).rate.lines[0].path == ""
    assert charts((), None, NOW).table == ()


def test_a_small_curve_tells_the_last_minute() -> None:
    path, rate = spark(samples(*[counted(10)] * 12), "shop", NOW)
    assert rate == 1.0
    assert path.startswith("M0.0")


@given(
    st.lists(st.integers(0, 50), min_size=CLASSES, max_size=CLASSES),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_class_that_holds_it(classes: list[int], share: float) -> None:
    found = quantile(Counted(sum(classes), 0, tuple(classes)), share)
    if not sum(classes):
        assert found is None
        return
    ranked = [place for place, count in enumerate(classes) for _ in range(count)]
    place = ranked[max(0, -int(-share * len(ranked) // 1) - 1)]
    low = BOUNDS[place - 1] if place else 0.0
    high = BOUNDS[place] if place < len(BOUNDS) else low
    assert found is not None
    assert low <= found <= high or found == pytest.approx(low) or found == pytest.approx(high)


def snapshot_of(**requests: int) -> Tally:
    """Counts of so many good requests of each function."""
    tally = Tally()
    empty = tally.snapshot()
    counts = {(slug, 200, "", "fast", True): count for slug, count in requests.items()}
    durations = {
        slug: Durations(0.0, (count, *[0] * len(BOUNDS))) for slug, count in requests.items()
    }
    return tally.add(empty._replace(requests=counts, durations=durations))


def test_a_sample_is_what_came_since_the_one_before() -> None:
    series = Series()
    series.take(snapshot_of(shop=5).snapshot(), 1.0)
    assert series.samples == ()
    series.take(snapshot_of(shop=7, other=1).snapshot(), 2.0)
    (sample,) = series.samples
    assert sample.all.requests == 3
    assert {slug: each.requests for slug, each in sample.by_function.items()} == {
        "shop": 2,
        "other": 1,
    }
    series.take(snapshot_of(shop=1).snapshot(), 3.0)  # a worker's counts were lost with it
    assert series.samples[-1].all.requests == 0


def test_samples_are_bounded_in_number_and_in_functions() -> None:
    series = Series()
    for step in range(KEPT + 5):
        many = {f"f{each}": step * (each + 1) for each in range(MOST_FUNCTIONS + 10)}
        series.take(snapshot_of(**many).snapshot(), float(step))
    assert len(series.samples) == KEPT
    assert len(series.samples[-1].by_function) == MOST_FUNCTIONS
    assert "f59" in series.samples[-1].by_function
    assert "f0" not in series.samples[-1].by_function


def test_samples_go_on_where_another_worker_ended(tmp_path: Path) -> None:
    counts = [snapshot_of(shop=5)]
    pages = [Page(0, Vitals(**dict.fromkeys(VITALS, 0)), counts[0].snapshot())]

    def sample() -> None:
        Sampler(lambda: pages, SeriesFile(tmp_path, 7, 0), lambda: 1.0).take()

    sample()  # each time a new one
    pages[0] = replace(pages[0], counts=snapshot_of(shop=9).snapshot())
    sample()
    (found,) = SeriesFile(tmp_path, 7, 0).samples()
    assert found.by_function["shop"].requests == 4
    assert SeriesFile(tmp_path, 8, 0).samples() == ()
    next(tmp_path.rglob("0-series")).write_bytes(b'{"edge": 7, "samples": [[1]], "totals": {}}')
    assert SeriesFile(tmp_path, 7, 0).samples() == ()
