"""What is not allowed is found in a history, and what is allowed is not: by hand-made histories."""

from dataclasses import replace
from typing import Any

import pytest

from tests.load.history import (
    COMES_BACK,
    NEVER,
    OUTLIVES,
    Arrival,
    Exchange,
    History,
    Life,
    Stream,
    Token,
)

REVOKED = Token("revoked", Life(0.0, 1.0, 10.0, 11.0), id="tok_1")
"""Made between 0 and 1, revoked between 10 and 11."""

STRANGER = Token("made up", NEVER)
KILL = Life(20.0, 20.0, 21.0, 21.0)


def exchange(begun: float, ended: float, **more: Any) -> Exchange:
    """A request that was answered with what it asked for, unless said otherwise."""
    sound: dict[str, Any] = {"nonce": "n1", "kind": "GET", "function": "shop", "token": REVOKED}
    sound |= {"alive": begun, "begun": begun, "ended": ended, "status": 200, "got": "n1"}
    return Exchange(**{**sound, **more})


REFUSED = {"status": 401, "got": ""}
BROKEN = {"status": 0, "got": "", "fate": "broken"}
DOWN = {"status": 502, "got": "", "function": "flaky"}


@pytest.mark.parametrize(
    "seen",
    [
        exchange(2, 3),
        exchange(9, 10.5),
        exchange(9, 10.5, **REFUSED),
        exchange(10.9, 12),
        exchange(12, 13, **REFUSED),
        exchange(12, 13, **REFUSED, token=STRANGER),
        exchange(2, 3, status=403, granted=403, got=""),
        exchange(19, 22, **{**BROKEN, "alive": 18}),
        exchange(22, 23, **{**BROKEN, "alive": 19}),
        exchange(12, 13, fate="left", status=0, got=""),
    ],
)
def test_what_is_allowed_is_no_fault(seen: Exchange) -> None:
    assert History([seen], kills=[KILL]).faults() == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (exchange(11.1, 12), "let in without a right"),
        (exchange(2, 3, token=STRANGER), "let in without a right"),
        (exchange(11.1, 12, status=403, granted=403, got=""), "let in without a right"),
        (exchange(8, 9.9, **REFUSED), "refused with a right"),
        (exchange(2, 3, got="n2"), "another answer"),
        (exchange(2, 3, status=101, granted=101, got=""), "another answer"),
        (exchange(2, 3, status=403, got=""), "no reason"),
        (exchange(2, 3, status=200, granted=403), "no reason"),
        (exchange(2, 3, status=502, got=""), "no reason"),
        (exchange(2, 3, status=500, got=""), "no reason"),
        (exchange(17, 19, **BROKEN), "broken without a reason"),
        (exchange(22, 23, **{**BROKEN, "alive": 21.5}), "broken without a reason"),
    ],
)
def test_what_is_not_allowed_is_a_fault(seen: Exchange, fault: str) -> None:
    [found] = History([seen], kills=[KILL]).faults()
    assert fault in found


def test_swapped_answers_are_two_faults() -> None:
    one, two = exchange(2, 3, got="n2"), replace(exchange(2, 3, got="n1"), nonce="n2")
    assert len(History([one, two]).faults()) == 2


def test_a_revocation_that_bites_late_is_found_however_many_requests_saw_it_in_time() -> None:
    late = [exchange(11 + at / 10, 11.05 + at / 10) for at in range(1, 10)]
    history = History([exchange(2, 3), *late, exchange(12, 13, **REFUSED)])
    assert len(history.faults()) == len(late)


@pytest.mark.parametrize(
    ("begun", "allowed"), [(1, False), (5, True), (9 + COMES_BACK, True), (11 + COMES_BACK, False)]
)
def test_only_a_function_that_is_down_may_fail_and_only_then(begun: float, allowed: bool) -> None:
    good = Token("good", Life())
    history = History([exchange(begun, begun + 1, **DOWN, token=good)])
    history.outages["flaky"].append(Life(4, 4, 10, 10))
    history.outages["other"].append(Life(0, 0, 100, 100))
    assert (history.faults() == []) == allowed


@pytest.mark.parametrize(("begun", "allowed"), [(1, False), (5, True), (9, True), (15, False)])
def test_only_a_deployment_that_may_be_live_answers(begun: float, allowed: bool) -> None:
    good = Token("good", Life())
    history = History([exchange(begun, begun + 1, token=good, deployments=frozenset(["dep_1"]))])
    history.deployments["dep_1"].append(Life(4, 6, 9, 11))
    assert (history.faults() == []) == allowed


@pytest.mark.parametrize(
    ("times", "arrived", "seen"),
    [
        (1, Arrival("n1", "tok_1"), exchange(2, 3)),
        (0, Arrival("n1", "tok_1"), exchange(12, 13, **REFUSED)),
        (0, Arrival("n1", ""), exchange(12, 13, **REFUSED, token=STRANGER)),
        (0, Arrival("n1", "tok_1"), exchange(12, 13, fate="left", status=0, got="")),
        (0, Arrival("n1", "tok_1"), exchange(2, 3, fate="left", status=0, granted=403, got="")),
        (0, Arrival("n1", "tok_2"), exchange(2, 3)),
        (0, Arrival("n2", "tok_1"), exchange(2, 3)),
        (1, Arrival("n1", "tok_1"), exchange(2, 3, repeats=True)),
        (2, Arrival("n1", "tok_1"), exchange(2, 3, repeats=True, function="flaky")),
    ],
)
def test_what_reaches_the_function_has_a_right_and_comes_once(
    times: int, arrived: Arrival, seen: Exchange
) -> None:
    history = History([seen])
    history.outages["flaky"].append(Life(2, 2, 3, 3))
    for time in range(1, 4):
        history.arrivals.append(arrived)
        assert (history.faults() == []) == (time <= times)


@pytest.mark.parametrize(
    ("ended", "more", "allowed"),
    [
        (9, {"fate": "left"}, True),
        (9, {"fate": "broken"}, False),
        (10.5, {"fate": "broken"}, True),
        (11 + OUTLIVES, {"fate": "left"}, True),
        (12 + OUTLIVES, {"fate": "left"}, False),
        (9, {"fate": "left", "wrong": "what another said"}, False),
    ],
)
def test_a_stream_ends_with_its_token_and_not_before(
    ended: float, more: dict[str, Any], allowed: bool
) -> None:
    stream = Stream("events", REVOKED, 2, ended, **more)
    assert (History(streams=[stream]).faults() == []) == allowed
