"""Whether both lanes did with a case what it says, and both the same."""

from tests.edge.lanes.conftest import Lanes
from tests.support.lanes import simplified
from tests.support.lanes_case import Case, Feed, Observed


async def judge(lanes: Lanes, case: Case, feed: Feed = "whole") -> None:
    """Run a case on each lane and compare."""
    seen = {lane: await world.observe(case, feed) for lane, world in lanes[case.world].items()}
    for lane, observed in seen.items():
        _agrees(case, observed, f"{lane}, {feed}")
    _went_by(case, seen["fast"])
    if case.received is not None and case.after != "gone":
        assert seen["fast"] == seen["asgi"]
    else:
        assert seen["fast"].answers == seen["asgi"].answers


def _agrees(case: Case, observed: Observed, how: str) -> None:
    assert tuple(simplified(answer) for answer in observed.answers) == case.answers, how
    if case.after == "gone":
        assert observed.after in {"closed", "reset"}, how
    else:
        assert observed.after == case.after, how
    if case.received is None:
        assert not any(request.whole for request in observed.received), how
    else:
        assert observed.received == case.received, how


def _went_by(case: Case, observed: Observed) -> None:
    counted = (observed.fast, observed.handed_over)
    if case.lane == "fast":
        assert counted == (len(case.answers), 0), "the fast lane did not serve it alone"
    elif case.lane == "asgi":
        assert counted == (0, 1), "it was not handed over"
