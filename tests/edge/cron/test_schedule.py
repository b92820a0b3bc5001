"""When schedules are due: local minutes, daylight saving time, and whatever a deploy accepts."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cron.schedule import ticks
from edge.project_file.cron import wrong_expression


def due(expression: str, zone: str, after: str, count: int) -> list[str]:
    """So many instants after a time in UTC, as UTC."""
    start = datetime.fromisoformat(after).replace(tzinfo=UTC).timestamp()
    found = itertools.islice(ticks(expression, ZoneInfo(zone), start), count)
    return [datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S") for t in found]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # A day on which clocks go forward: what is skipped comes at the next minute there is.
        pytest.param(
            "30 2 * * *",
            "America/New_York",
            "2026-03-07 12:00",
            ["2026-03-08 07:00:00", "2026-03-09 06:30:00"],
            id="New York, 02:30 is skipped",
        ),
        pytest.param(
            "*/20 2 * * *",
            "America/New_York",
            "2026-03-07 12:00",
            ["2026-03-08 07:00:00", "2026-03-09 06:00:00"],
            id="New York, three skipped minutes are one tick",
        ),
        pytest.param(
            "0 2,3 * * *",
            "America/New_York",
            "2026-03-07 12:00",
            ["2026-03-08 07:00:00", "2026-03-09 06:00:00"],
            id="New York, a skipped minute falls upon one that is due",
        ),
        pytest.param(
            "30 1 * * *",
            "Europe/London",
            "2026-03-28 12:00",
            ["2026-03-29 01:00:00", "2026-03-30 00:30:00"],
            id="London, 01:30 is skipped",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03 00:00",
            ["2026-10-03 15:30:00", "2026-10-04 15:15:00"],
            id="Lord Howe, half an hour is skipped",
        ),
        # A day on which clocks go back: what comes twice is due at its first coming alone.
        pytest.param(
            "30 1 * * *",
            "America/New_York",
            "2026-10-31 12:00",
            ["2026-11-01 05:30:00", "2026-11-02 06:30:00"],
            id="New York, 01:30 comes twice",
        ),
        pytest.param(
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01 04:45",
            ["2026-11-01 05:00:00", "2026-11-01 05:30:00", "2026-11-01 07:00:00"],
            id="New York, minutes of every hour",
        ),
        pytest.param(
            "30 1 * * *",
            "Europe/London",
            "2026-10-24 12:00",
            ["2026-10-25 00:30:00", "2026-10-26 01:30:00"],
            id="London, 01:30 comes twice",
        ),
        pytest.param(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04 00:00",
            ["2026-04-04 14:45:00", "2026-04-05 15:15:00"],
            id="Lord Howe, half an hour comes twice",
        ),
        pytest.param(
            "0 9 * * *",
            "America/Guayaquil",
            "2026-03-07 15:00",
            ["2026-03-08 14:00:00", "2026-03-09 14:00:00"],
            id="Guayaquil knows no daylight saving time",
        ),
        pytest.param(
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29 23:00",
            ["2011-12-30 10:00:00", "2011-12-30 22:00:00"],
            id="Apia, a whole day is skipped",
        ),
        # The fields.
        pytest.param("0 0 * * 0", "UTC", "2026-01-01", ["2026-01-04 00:00:00"], id="0 is Sunday"),
        pytest.param("0 0 * * 7", "UTC", "2026-01-01", ["2026-01-04 00:00:00"], id="7 is Sunday"),
        pytest.param(
            "0 0 * * fri-sun",
            "UTC",
            "2026-01-01 12:00",
            ["2026-01-02 00:00:00", "2026-01-03 00:00:00", "2026-01-04 00:00:00"],
            id="a week that ends on its Sunday",
        ),
        pytest.param(
            "0 0 13 * FRI",
            "UTC",
            "2026-03-01",
            ["2026-03-06 00:00:00", "2026-03-13 00:00:00", "2026-03-20 00:00:00"],
            id="either day is enough where both are named",
        ),
        pytest.param(
            "0 0 */2 * MON",
            "UTC",
            "2026-03-01 12:00",
            ["2026-03-09 00:00:00", "2026-03-23 00:00:00"],
            id="both days must fit where one begins with a star",
        ),
        pytest.param(
            "5-5/3 0 * * *",
            "UTC",
            "2026-01-01 12:00",
            ["2026-01-02 00:05:00", "2026-01-03 00:05:00"],
            id="a step within a single minute",
        ),
        pytest.param(
            "0 0 29 2 *",
            "UTC",
            "2096-03-01",
            ["2104-02-29 00:00:00"],
            id="eight years without that day",
        ),
    ],
)
def test_a_schedule_is_due_at(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert wrong_expression(expression) is None
    assert due(expression, zone, after, len(expected)) == expected


def test_a_tick_is_not_due_again_at_its_own_instant() -> None:
    assert due("* * * * *", "UTC", "2026-01-01 10:00:00", 1) == ["2026-01-01 10:01:00"]
    assert due("* * * * *", "UTC", "2026-01-01 10:00:59.999", 1) == ["2026-01-01 10:01:00"]


def test_the_second_coming_of_an_hour_is_passed_over_by_who_starts_within_it() -> None:
    found = due("*/30 1 * * *", "America/New_York", "2026-11-01 06:10", 1)
    assert found == ["2026-11-02 06:00:00"]


def number(lowest: int, highest: int) -> st.SearchStrategy[str]:
    """A field of numbers: items of all kinds that the syntax has."""
    one = st.integers(lowest, highest)
    span = st.tuples(one, one).map(sorted).map(lambda p: f"{p[0]}-{p[1]}")
    step = st.integers(1, 70)
    item = st.one_of(
        st.just("*"),
        one.map(str),
        span,
        st.tuples(span, step).map(lambda p: f"{p[0]}/{p[1]}"),
        step.map(lambda n: f"*/{n}"),
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


WEEKDAYS = st.one_of(
    number(0, 7),
    st.sampled_from(["FRI-SUN", "fri-sun/2", "SUN,WED", "MON-FRI", "SAT-SUN,2", "5-0", "sun-0"]),
)
MONTHS = st.one_of(number(1, 12), st.sampled_from(["FEB", "feb,APR-JUN", "JAN-DEC/3"]))
EXPRESSIONS = st.tuples(number(0, 59), number(0, 23), number(1, 31), MONTHS, WEEKDAYS).map(" ".join)
ZONES = ["UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Guayaquil"]


def matches(expression: str, local: datetime) -> bool:
    """Whether a local minute is one of an expression's: a second reading of the syntax."""
    minute, hour, day, month, weekday = expression.upper().split()
    names = {n: i for i, n in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
    months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    names |= {n: i + 1 for i, n in enumerate(months)}

    def has(text: str, value: int, low: int, high: int) -> bool:
        for item in text.split(","):
            span, _, step = item.partition("/")
            ends = [names.get(e, e) for e in span.split("-")]
            first = low if span == "*" else int(ends[0])
            last = high if span == "*" else int(ends[-1])
            if high == 7 and len(ends) == 2 and last == 0:
                last = 7
            if value in range(first, last + 1, int(step or 1)):
                return True
        return False

    of_day = has(day, local.day, 1, 31)
    of_week = any(has(weekday, n, 0, 7) for n in {local.isoweekday(), local.isoweekday() % 7})
    both = day.startswith("*") or weekday.startswith("*")
    days = of_day and of_week if both else of_day or of_week
    return (
        has(minute, local.minute, 0, 59)
        and has(hour, local.hour, 0, 23)
        and has(month, local.month, 1, 12)
        and days
    )


@settings(max_examples=150, deadline=None)
@given(expression=EXPRESSIONS, zone=st.sampled_from(ZONES), start=st.integers(0, 4 * 10**9))
def test_whatever_a_deploy_accepts_comes_and_only_at_its_own_minutes(
    expression: str, zone: str, start: int
) -> None:
    if wrong_expression(expression) is not None:
        return
    found = list(itertools.islice(ticks(expression, ZoneInfo(zone), start), 5))
    assert len(found) == 5
    assert found == sorted(set(found))
    for tick in found:
        local = datetime.fromtimestamp(tick, ZoneInfo(zone))
        before = datetime.fromtimestamp(tick - 60, ZoneInfo(zone))
        skipped = local.utcoffset() > before.utcoffset()  # type: ignore[operator]
        assert tick > start
        assert skipped or matches(expression, local)


@settings(max_examples=25, deadline=None)
@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(["2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25", "2026-04-04"]),
)
def test_no_minute_of_a_day_on_which_clocks_change_is_lost_or_comes_twice(
    expression: str, zone: str, day: str
) -> None:
    if wrong_expression(expression) is not None:
        return
    where, start = ZoneInfo(zone), datetime.fromisoformat(day).replace(tzinfo=UTC)
    end = start + timedelta(days=1)
    inside = itertools.takewhile(
        lambda t: t <= end.timestamp(), ticks(expression, where, start.timestamp())
    )
    expected, seen = set(), set()
    minute = start - timedelta(hours=6)
    while minute <= end:
        local = minute.astimezone(where)
        before = (minute - timedelta(minutes=1)).astimezone(where)
        wall, gap = local.replace(tzinfo=None, fold=0), before.replace(tzinfo=None, fold=0)
        skipped = int((wall - gap).total_seconds() // 60) - 1
        missed = any(matches(expression, gap + timedelta(minutes=n + 1)) for n in range(skipped))
        if missed or (wall not in seen and matches(expression, wall)):
            expected.add(minute.timestamp())
        seen.add(wall)
        minute += timedelta(minutes=1)
    assert set(inside) == {t for t in expected if t > start.timestamp()}
