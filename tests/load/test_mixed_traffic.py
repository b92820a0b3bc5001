"""Traffic of every kind while everything changes: each answer is one that was allowed just then."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.load.history import History
from tests.load.mixing import Measure, Rest, mixed

GROWS = 16 * 1024 * 1024
"""Bytes of memory that a worker may have more than one that has just warmed up."""

SHORT = Measure(seconds=5, each=1, pace=0.05, hold=2, change=0.1, kill=2, up=1.5, down=0.5)
LONG = Measure(seconds=300, each=4, pace=0.03, hold=10, change=0.1, kill=15, up=20, down=3)


async def held_to_what_was_allowed(directory: Path, measure: Measure) -> tuple[Rest, Rest]:
    """Traffic amid trouble, which is checked; what workers hold before and after."""
    async with mixed(directory, measure) as mix:
        before = await mix.at_rest()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(mix.traffic(measure.seconds))
            tasks.create_task(mix.trouble())
        after = await mix.at_rest()
        lost = await asyncio.to_thread(mix.lost)
    history = mix.load.history
    tell(history, mix.acknowledged)
    faults = history.faults() + lost
    kinds = Counter(fault.partition(":")[0] for fault in faults)
    assert not faults, f"{dict(kinds)}\n" + "\n".join(faults[:5])
    assert {101, 200, 401, 403} <= {each.status for each in history.exchanges}
    assert after.descriptors == before.descriptors
    return before, after


def tell(history: History, acknowledged: list[tuple[str, str]]) -> None:
    """How much there was of what."""
    exchanges, streams = history.exchanges, history.streams
    for title, counted in (
        ("requests", Counter(each.status or each.fate for each in exchanges)),
        ("streams", Counter(f"{each.kind}, {each.fate}" for each in streams)),
        ("changes", Counter(event for event, _ in acknowledged)),
    ):
        print(f"{sum(counted.values())} {title}: {dict(counted)}")  # noqa: T201
    outages = sum(map(len, history.outages.values()))
    print(f"{len(history.arrivals)} arrivals, {len(history.kills)} kills, {outages} outages")  # noqa: T201


@pytest.mark.timeout(120)
async def test_every_answer_is_one_that_was_allowed_while_everything_changes(
    tmp_path: Path,
) -> None:
    await held_to_what_was_allowed(tmp_path, SHORT)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_five_minutes_of_it_leave_nothing_behind(tmp_path: Path) -> None:
    before, after = await held_to_what_was_allowed(tmp_path, LONG)
    grown = max(after.memory) - max(before.memory)
    print(f"the largest worker has {grown / 1024 / 1024:.1f} MiB more")  # noqa: T201
    assert grown < GROWS
