"""One corpus through both lanes: each does what the contract says, and both do the same."""

import pytest

from tests.edge.lanes import (
    cases_answers,
    cases_connections,
    cases_failures,
    cases_gate,
    cases_headers,
    cases_open,
    cases_requests,
    cases_rewrites,
)
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Case

REQUESTS = [*cases_requests.CASES, *cases_headers.CASES, *cases_gate.CASES, *cases_open.CASES]
ANSWERS = [
    *cases_answers.CASES,
    *cases_rewrites.CASES,
    *cases_failures.CASES,
    *cases_connections.CASES,
]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name[:60])
async def test_a_request_gets_what_the_contract_says(lanes: Lanes, case: Case) -> None:
    await judge(lanes, case)


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.name[:60])
async def test_a_functions_answer_is_relayed_as_the_contract_says(lanes: Lanes, case: Case) -> None:
    await judge(lanes, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name[:60])
async def test_it_does_not_matter_how_a_request_is_cut_into_packets(
    lanes: Lanes, case: Case
) -> None:
    await judge(lanes, case, "odd")
    await judge(lanes, case, "lines")
    if sum(map(len, case.pieces)) < 4096:
        await judge(lanes, case, "bytes")
