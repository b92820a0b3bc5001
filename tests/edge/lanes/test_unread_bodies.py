"""Bodies that an answer did not wait for: read and dropped, or the connection says that it ends."""

import pytest

from tests.edge.lanes.cases_requests import CHUNKED, ask, chunked
from tests.edge.lanes.cases_smuggling import SMUGGLED
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Case
from tests.support.lanes_expected import received, relayed, unauthorized

CASES = [
    Case(
        name="100 KB in chunks behind a 401",
        sent=ask("/", "POST", (CHUNKED,), tokens=()) + chunked(*[SMUGGLED] * 900),
        answers=(unauthorized(closes=True),),
        after="gone",
        lane="either",
    ),
    Case(
        name="a length that does not come, behind a 401",
        sent=ask("/", "POST", (("Content-Length", "10"),), tokens=()),
        answers=(unauthorized(closes=True),),
        after="closed",
        lane="either",
    ),
    Case(
        name="chunks that do not come, behind a 401",
        sent=ask("/", "POST", (CHUNKED,), tokens=()) + b"5\r\nhe",
        answers=(unauthorized(closes=True),),
        after="closed",
        lane="either",
    ),
    Case(
        name="small, and it does not come, behind a 401 on a kept connection",
        sent=(ask("/1"), ask("/2", "POST", (("Content-Length", str(len(SMUGGLED))),), tokens=())),
        answers=(relayed(), unauthorized(closes=True)),
        received=(received(target="/1"),),
        after="closed",
        lane="either",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_body_that_nobody_reads_is_dropped_or_its_connection_says_close(
    lanes: Lanes, case: Case
) -> None:
    await judge(lanes, case)
