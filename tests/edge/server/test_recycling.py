"""When a worker is worn out: by age or by memory, apart from one another, and not at once."""

from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config
from edge.server.recycling import SETTLED, SPREAD, Wear

HOUR = 3600.0
MANY = 200 * 1024 * 1024
CHANCES = st.floats(0, 1)
TIMES = st.floats(0, 1e9)


def config(**settings: float | int | None) -> Config:
    return Config(Path("data"), **settings)  # type: ignore[arg-type]


@given(TIMES, CHANCES)
def test_a_worker_is_replaced_within_its_lifetime_and_not_long_before(
    now: float, chance: float
) -> None:
    wear = Wear.of(config(worker_lifetime=HOUR), now, chance)
    assert wear.said(now + HOUR + 0.001, 0)
    assert not wear.said(now + HOUR * (1 - SPREAD) - 0.001, 0)


def test_workers_that_begin_together_do_not_end_together() -> None:
    first, second = (Wear.of(config(worker_lifetime=HOUR), 0, chance) for chance in (0.1, 0.9))
    assert first.ends != second.ends


@pytest.mark.parametrize(
    ("age", "resident", "worn"),
    [
        (SETTLED, MANY, True),
        (SETTLED, MANY - 1, False),
        (SETTLED - 0.1, 10 * MANY, False),
        (HOUR, MANY + 1, True),
    ],
)
def test_a_worker_is_replaced_for_its_memory_once_it_has_settled(
    age: float, resident: int, worn: bool
) -> None:
    wear = Wear.of(config(worker_memory=MANY), 0, 0.5)
    assert bool(wear.said(age, resident)) is worn


@given(TIMES, CHANCES, st.integers(0, 2**50))
def test_without_the_settings_nothing_wears_out(now: float, chance: float, resident: int) -> None:
    wear = Wear.of(config(), 0, chance)
    assert wear.ends == inf
    assert not wear.said(now, resident)
