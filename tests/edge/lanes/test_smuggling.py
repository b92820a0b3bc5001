"""Requests that mean two things: on both lanes no function ever sees a second one."""

import pytest

from tests.edge.lanes import cases_bodies, cases_smuggling
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Case

CASES = [*cases_smuggling.CASES, *cases_bodies.CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:60])
async def test_nothing_that_means_two_things_is_taken_for_two_requests(
    lanes: Lanes, case: Case
) -> None:
    await judge(lanes, case)
    await judge(lanes, case, "odd")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:60])
async def test_nor_however_it_is_cut_into_packets(lanes: Lanes, case: Case) -> None:
    await judge(lanes, case, "lines")
    if sum(map(len, case.pieces)) < 4096:
        await judge(lanes, case, "bytes")
