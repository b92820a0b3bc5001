"""Which address takes a request: the least loaded that is well; all are asked again in time."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.breaker import BreakerLimits
from edge.forwarding.circuits import MOST, Circuits
from edge.forwarding.wire import CircuitOpen, FailureKind, UpstreamFailure
from edge.functions import Upstream

A, B, C = (Upstream("http", "127.0.0.1", port) for port in (1, 2, 3))
LIMITS = BreakerLimits()
REFUSED = UpstreamFailure("unreachable", "refused")


class World:
    """Circuits, with a clock and loads that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.load: Counter[Upstream] = Counter()
        self.circuits = Circuits(LIMITS, lambda: self.now, self.load.__getitem__)

    def fail(
        self, upstream: Upstream, times: int = LIMITS.failures, *, spare: bool = False
    ) -> None:
        for _ in range(times):
            self.circuits.failed(upstream, REFUSED, probe=False, spare=spare)


def test_equals_take_turns_and_the_least_loaded_goes_first() -> None:
    world = World()
    assert [world.circuits.choose((A, B, C))[0][0] for _ in range(4)] == [A, B, C, A]
    world.load.update({A: 3, B: 1, C: 2})
    assert [world.circuits.choose((A, B, C)) for _ in range(3)] == [((B, C, A), False)] * 3


def test_a_sole_address_that_is_open_is_refused_with_the_time_and_the_cause() -> None:
    world = World()
    world.fail(A)
    world.now = 0.25
    for refuses in (world.circuits.choose, world.circuits.check):
        with pytest.raises(CircuitOpen) as caught:
            refuses((A,))
        found = caught.value
        assert (found.wait, found.cause, found.written) == (0.75, "unreachable", False)
    assert world.circuits.choose((B,)) == ((B,), False)
    world.now = 1.0
    world.circuits.check((A,))
    assert world.circuits.choose((A,)) == ((A,), True)
    with pytest.raises(CircuitOpen):
        world.circuits.choose((A,))


def test_an_open_address_is_left_out_and_is_the_first_once_its_probe_is_due() -> None:
    world = World()
    world.fail(B)
    assert all(set(world.circuits.choose((A, B, C))[0]) == {A, C} for _ in range(5))
    world.now = 1.0
    choices, probe = world.circuits.choose((A, B, C))
    assert (choices[0], set(choices), probe) == (B, {A, B, C}, True)
    assert all(set(world.circuits.choose((A, B, C))[0]) == {A, C} for _ in range(5))
    world.circuits.answered(B, probe=True)
    assert set(world.circuits.choose((A, B, C))[0]) == {A, B, C}


def test_addresses_that_failed_once_are_tried_when_nothing_else_is_there() -> None:
    world = World()
    for upstream in (A, B):
        world.fail(upstream, 1, spare=True)
    assert set(world.circuits.choose((A, B))[0]) == {A, B}
    assert world.circuits.choose((A, C))[0] == (C, A)


def test_a_function_that_shares_an_address_shares_its_circuit_and_no_other_does() -> None:
    world = World()
    with_base = Upstream("http", "127.0.0.1", 1, base="/other")
    world.fail(A)
    with pytest.raises(CircuitOpen):
        world.circuits.choose((with_base,))
    assert world.circuits.choose((B,)) == ((B,), False)


def test_functions_that_the_edge_runs_are_never_left_alone() -> None:
    world, run = World(), Upstream("run", "dep_x")
    world.fail(run, 100)
    assert world.circuits.choose((run,)) == ((run,), False)
    assert all(world.circuits.may_retry(run) for _ in range(100))
    assert not world.circuits.known


ANSWERS: list[tuple[FailureKind, dict[str, bool]]] = [
    ("invalid", {"written": True, "begun": True}),
    ("truncated", {"written": True, "begun": True}),
    ("reset", {"written": True, "reused": True}),
]


@pytest.mark.parametrize(("kind", "how"), ANSWERS)
def test_bad_answers_and_connections_grown_old_open_nothing(
    kind: FailureKind, how: dict[str, bool]
) -> None:
    world = World()
    for _ in range(100):
        world.circuits.failed(A, UpstreamFailure(kind, "", **how), probe=False)
    assert world.circuits.choose((A,)) == ((A,), False)


def test_what_is_known_is_bounded_and_forgotten() -> None:
    world = World()
    for port in range(MOST + 100):
        world.circuits.failed(Upstream("http", "h", port), REFUSED, probe=False)
    assert len(world.circuits.known) == MOST
    world.fail(A)
    world.now = LIMITS.memory
    assert world.circuits.choose((A,)) == ((A,), True)
    world.circuits.answered(A, probe=True)
    assert A.key not in world.circuits.known


@given(
    st.lists(
        st.tuples(st.sampled_from([A, B, C]), st.booleans(), st.sampled_from([0.0, 0.3, 1.0, 9.0])),
        max_size=80,
    )
)
def test_some_address_is_tried_within_the_longest_time_whatever_failed(
    steps: list[tuple[Upstream, bool, float]],
) -> None:
    world = World()
    for upstream, spare, passed in steps:
        world.now += passed
        with suppress(CircuitOpen):
            choices, probe = world.circuits.choose((A, B, C))
            assert len(set(choices)) == len(choices) > 0
            world.circuits.failed(choices[0], REFUSED, probe=probe, spare=spare)
        world.fail(upstream, 1, spare=spare)
    world.now += LIMITS.longest
    assert world.circuits.choose((A, B, C))[0]
