"""A chunked body that turns out to be over the limit: told, dropped, and the connection goes on."""

import pytest

from tests.edge.lanes.cases_gate import tokened
from tests.edge.lanes.cases_requests import CHUNKED, ask, chunked
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Case, Feed
from tests.support.lanes_expected import received, refused, relayed

_SMALL = ask("/", "POST", (CHUNKED,), tokens=tokened("small"), host="small.fn.localhost")


@pytest.mark.parametrize("feed", ["whole", "odd", "lines"])
@pytest.mark.parametrize("rest", [b"", b"y" * 1000], ids=len)
async def test_what_is_left_of_a_body_over_the_limit_is_dropped(
    lanes: Lanes, rest: bytes, feed: Feed
) -> None:
    case = Case(
        name="over the limit in chunks",
        sent=_SMALL + chunked(b"x" * 11, *([rest] if rest else [])) + ask("/real"),
        answers=(refused(413, "body_too_large"), relayed()),
        received=(received(target="/real"),),
        partial=True,
    )
    await judge(lanes, case, feed)
