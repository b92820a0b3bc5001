"""Whether both lanes did with a case what it says, and both the same."""

import asyncio

from tests.edge.lanes.conftest import Lanes
from tests.support.lanes import simplified
from tests.support.lanes_case import Case, Feed, Observed


async def judge(lanes: Lanes, case: Case, feed: Feed = "whole") -> None:
    """Run a case on each lane and compare."""
    worlds = lanes[case.world]
    runs = await asyncio.gather(*(world.observe(case, feed) for world in worlds.values()))
    seen = dict(zip(worlds, runs, strict=True))
    for lane, observed in seen.items():
        _agrees(case, observed, f"{lane}, {feed}")
    _went_by(case, seen["fast"])
    assert seen["fast"].answers == seen["asgi"].answers
    assert seen["fast"].received == seen["asgi"].received


def _agrees(case: Case, observed: Observed, how: str) -> None:
    assert tuple(simplified(answer) for answer in observed.answers) == case.answers, how
    if case.after == "gone":
        assert observed.after in {"closed", "reset"}, how
    else:
        assert observed.after == case.after, how
    assert observed.received == case.received, how
    assert case.partial or not observed.partial, how


def _went_by(case: Case, observed: Observed) -> None:
    counted = (observed.fast, observed.handed_over)
    if case.lane == "fast":
        assert counted == (len(case.answers), 0), "the fast lane did not serve it alone"
    elif case.lane == "asgi":
        assert counted == (0, 1), "it was not handed over"
