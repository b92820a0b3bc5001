"""One address's circuit: when it opens, who is a probe, what closes it, how much is repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.breaker import Breaker, BreakerLimits
from edge.forwarding.wire import FailureKind

LIMITS = BreakerLimits()


def fails(
    breaker: Breaker,
    now: float,
    times: int = 1,
    cause: FailureKind = "unreachable",
    *,
    probe: bool = False,
    spare: bool = False,
) -> None:
    for _ in range(times):
        breaker.failed(now, cause, probe=probe, spare=spare)


def opened(cause: FailureKind = "unreachable") -> Breaker:
    """A circuit that has opened at 0 s."""
    breaker = Breaker(LIMITS, 0)
    fails(breaker, 0, LIMITS.failures, cause)
    return breaker


@pytest.mark.parametrize("cause", ["unreachable", "reset", "timeout"])
def test_it_opens_after_so_many_failures_in_a_row_and_not_before(cause: FailureKind) -> None:
    breaker = Breaker(LIMITS, 0)
    fails(breaker, 0, LIMITS.failures - 1, cause)
    assert breaker.verdict(0) == "closed"
    fails(breaker, 0, 1, cause)
    assert (breaker.verdict(0), breaker.left(0), breaker.cause) == ("open", LIMITS.wait, cause)


def test_an_answer_in_between_breaks_the_row() -> None:
    breaker = Breaker(LIMITS, 0)
    for _ in range(4):
        fails(breaker, 0, LIMITS.failures - 1)
        for _ in range(2 * LIMITS.failures):
            breaker.answered(0, probe=False)
    assert breaker.verdict(0) == "closed"


def test_it_opens_when_half_of_many_requests_fail_though_never_in_a_row() -> None:
    breaker = Breaker(LIMITS, 0)
    for at in range(LIMITS.least // 2):
        assert breaker.verdict(at * 0.1) == "closed"
        breaker.answered(at * 0.1, probe=False)
        fails(breaker, at * 0.1)
    assert breaker.verdict(1.0) == "open"


def test_failures_of_a_while_ago_do_not_count_among_the_many() -> None:
    breaker = Breaker(LIMITS, 0)
    for at in range(10 * LIMITS.least):
        now = at * LIMITS.window / 10
        (breaker.answered(now, probe=False) if at % 2 else fails(breaker, now))
        assert breaker.verdict(now) == "closed"


def test_one_probe_goes_at_a_time_and_its_answer_closes_it() -> None:
    breaker = opened()
    assert breaker.verdict(0.99) == "open"
    assert breaker.verdict(1.0) == "due"
    breaker.probe(1.0)
    assert [breaker.verdict(at) for at in (1.0, 1.1, 1.0 + LIMITS.longest - 0.1)] == ["open"] * 3
    breaker.answered(2, probe=True)
    assert breaker.verdict(2) == "closed"
    fails(breaker, 2, LIMITS.failures - 1)
    assert breaker.verdict(2) == "closed"


def test_a_probe_that_takes_too_long_does_not_keep_out_the_next() -> None:
    breaker = opened()
    breaker.probe(1)
    assert breaker.verdict(1 + LIMITS.longest) == "due"


def test_each_probe_that_fails_doubles_the_time_up_to_the_longest() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        waits.append(breaker.left(now))
        now += waits[-1]
        assert breaker.verdict(now) == "due"
        breaker.probe(now)
        fails(breaker, now, probe=True)
    assert waits == [1, 2, 4, 8, 8, 8]


def test_a_probe_that_is_given_up_leaves_its_place_to_the_next_request() -> None:
    breaker = opened()
    breaker.probe(1)
    breaker.abandoned(1.5)
    assert breaker.verdict(1.5) == "due"


def test_what_began_before_it_opened_neither_closes_it_nor_prolongs_it() -> None:
    breaker = opened()
    breaker.answered(0.5, probe=False)
    fails(breaker, 0.5, 10)
    assert (breaker.verdict(0.5), breaker.left(0.5)) == ("open", 0.5)


@pytest.mark.parametrize(
    ("cause", "verdict"), [("unreachable", "closed"), ("reset", "open"), ("timeout", "open")]
)
def test_a_connection_is_proof_enough_where_none_could_be_made(
    cause: FailureKind, verdict: str
) -> None:
    breaker = opened(cause)
    breaker.probe(1)
    breaker.connected()
    assert breaker.verdict(1) == verdict
    fails(breaker, 1, probe=True)
    assert (breaker.verdict(1), breaker.left(1)) == ("open", 2)


def test_with_another_address_to_go_to_one_failure_puts_it_last() -> None:
    breaker = Breaker(LIMITS, 0)
    fails(breaker, 0, spare=True)
    assert (breaker.verdict(0), breaker.verdict(1)) == ("spare", "due")
    fails(breaker, 0, LIMITS.failures - 1, spare=True)
    assert breaker.verdict(0) == "open"


def test_one_that_was_put_last_and_answers_is_sound() -> None:
    breaker = Breaker(LIMITS, 0)
    fails(breaker, 0, spare=True)
    breaker.answered(0.1, probe=False)
    assert breaker.verdict(0.1) == "closed"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["failed", "answered", "abandoned", "connected", "nothing"]),
        st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0, 8.0, 70.0]),
        st.booleans(),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_it_is_asked_again_in_time_and_a_good_probe_closes_it(
    steps: list[tuple[str, float, bool]],
) -> None:
    breaker, now = Breaker(LIMITS, 0), 0.0
    for what, passed, spare in steps:
        now += passed
        probe = breaker.verdict(now) == "due"
        if probe:
            breaker.probe(now)
        match what:
            case "failed":
                fails(breaker, now, probe=probe, spare=spare)
            case "answered":
                breaker.answered(now, probe=probe)
            case "abandoned" if probe:
                breaker.abandoned(now)
            case "connected" if probe:
                breaker.connected()
        assert 0 <= breaker.left(now) <= LIMITS.longest
        assert breaker.verdict(now + LIMITS.longest) in ("closed", "due")
    if breaker.verdict(now + LIMITS.longest) == "due":
        breaker.probe(now + LIMITS.longest)
    breaker.answered(now + LIMITS.longest, probe=True)
    assert breaker.verdict(now + LIMITS.longest) == "closed"


def test_a_few_are_repeated_then_one_a_second() -> None:
    breaker = Breaker(LIMITS, 0)
    assert [breaker.may_retry(0, 0) for _ in range(20)] == [True] * 10 + [False] * 10
    assert [breaker.may_retry(3, 0) for _ in range(5)] == [True] * 3 + [False] * 2


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 0.5)), max_size=300))
def test_no_more_is_repeated_than_the_share_and_the_few(steps: list[tuple[int, float]]) -> None:
    breaker, now, carried_in_all, repeated = Breaker(LIMITS, 0), 0.0, 0, 0
    for carried, passed in steps:
        now += passed
        carried_in_all += carried
        repeated += breaker.may_retry(now, carried)
    allowed = LIMITS.retries + LIMITS.retry_rate * now + LIMITS.retry_share * carried_in_all
    assert repeated <= allowed + 1e-6


def test_connections_that_served_well_may_all_break_at_once() -> None:
    breaker = Breaker(LIMITS, 0)
    assert all(breaker.may_retry(0, 5) for _ in range(1000))
