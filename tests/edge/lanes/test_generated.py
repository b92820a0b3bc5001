"""Requests, answers and damage that nobody thought of: both lanes still do the same."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from tests.edge.lanes.cases_requests import ask
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes import World
from tests.support.lanes_case import Act, Case, Feed, Observed
from tests.support.lanes_expected import CLOSE
from tests.support.lanes_generated import cases, damaged, damaged_answers, feeds

FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=1500, derandomize=False)


async def same(lanes: Lanes, sent: bytes, feed: Feed) -> None:
    """Both lanes give the same to damaged requests, and let their functions see the same."""
    for _ in range(3):
        asgi, fast = await asyncio.gather(
            *(_converse(lanes["hasty"][lane], sent, feed) for lane in ("asgi", "fast"))
        )
        asgi, fast = _last_told_alike(asgi, fast)
        if asgi == fast or not (_waited(asgi) or _waited(fast)):
            break  # where time ran out, a machine that stood still may be why they differ
    assert asgi == fast
    for request in asgi.received:
        assert dict(request.fields)["x-jelou-function"] == "shop"


async def _converse(
    world: World, sent: bytes, feed: Feed = "whole", acts: tuple[Act, ...] = ()
) -> Observed:
    case = Case(name="damaged", sent=sent, answers=(), after="closed", acts=acts)
    return await world.observe(case, feed)


async def same_answer(lanes: Lanes, act: Act) -> None:
    """Both lanes make the same of what a function says; what is no whole answer looks like none."""
    sent = ask("/g", fields=(("Connection", "close"),))
    asgi, fast = await asyncio.gather(
        *(_converse(lanes["hasty"][lane], sent, acts=(act,)) for lane in ("asgi", "fast"))
    )
    assert asgi == fast
    assert len(asgi.answers) == 1


def _last_told_alike(one: Observed, other: Observed) -> tuple[Observed, Observed]:
    """Both without their last answers, if these end their connections with errors alike.

    A request may be wrong twice, in its head and in the chunks of its body: which of the two is
    told depends on whether the body was looked at when the head was answered.
    """
    if not (_ends_in_error(one) and _ends_in_error(other)):
        return one, other
    return replace(one, answers=one.answers[:-1]), replace(other, answers=other.answers[:-1])


def _ends_in_error(observed: Observed) -> bool:
    last = observed.answers[-1] if observed.answers else None
    return last is not None and last.status >= 400 and CLOSE in last.fields


def _waited(observed: Observed) -> bool:
    return any(answer.status == 408 for answer in observed.answers) or not observed.answers


@FEW
@given(case=cases(), feed=feeds)
async def test_plain_requests_and_answers_pass_unharmed(
    lanes: Lanes, case: Case, feed: Feed
) -> None:
    await judge(lanes, case, feed)


@FEW
@given(sent=damaged(), feed=feeds)
async def test_damaged_requests_get_the_same_on_both_lanes(
    lanes: Lanes, sent: bytes, feed: Feed
) -> None:
    await same(lanes, sent, feed)


@FEW
@given(act=damaged_answers())
async def test_damaged_answers_become_the_same_on_both_lanes(lanes: Lanes, act: Act) -> None:
    await same_answer(lanes, act)


@pytest.mark.slow
@pytest.mark.timeout(600)
@MANY
@given(case=cases(), feed=feeds)
async def test_many_plain_requests_and_answers_pass_unharmed(
    lanes: Lanes, case: Case, feed: Feed
) -> None:
    await judge(lanes, case, feed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@given(sent=damaged(), feed=feeds)
async def test_many_damaged_requests_get_the_same_on_both_lanes(
    lanes: Lanes, sent: bytes, feed: Feed
) -> None:
    await same(lanes, sent, feed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@given(act=damaged_answers())
async def test_many_damaged_answers_become_the_same_on_both_lanes(lanes: Lanes, act: Act) -> None:
    await same_answer(lanes, act)
