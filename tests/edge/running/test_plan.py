"""When instances start, leave and end: by tables, with a clock of the test's own."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.functions import Scale
from edge.running.plan import (
    LONGEST_BACKOFF,
    PATIENCE,
    STEADY,
    End,
    Leave,
    Phase,
    Plan,
    Refuse,
    Start,
    Step,
)

DRAIN = 10.0
DEFAULT = Scale()


@dataclass
class Rig:
    """A plan, its clock, and what it has asked for."""

    scale: Scale = DEFAULT
    now: float = 1000.0
    workers: set[int] = field(default_factory=lambda: {0})
    made: int = 0

    def __post_init__(self) -> None:
        self.plan = Plan(self.scale, DRAIN)

    def steps(self, seconds: float = 0.0) -> list[Step]:
        """What is due after some time; starts are carried out."""
        self.now += seconds
        steps = self.plan.steps(self.now, self.workers)
        for step in steps:
            if isinstance(step, Start):
                self.made += 1
                self.plan.starting(f"i{self.made}", self.now)
        return steps

    def up(self, *instances: str) -> None:
        """They answer."""
        for instance in instances:
            self.plan.up(instance, self.now)

    def need(self, waiting: int, slot: int = 0) -> list[Step]:
        """Requests wait."""
        self.plan.need(slot, waiting, self.now)
        return self.steps()

    def load(self, active: int, slot: int = 0) -> list[Step]:
        """Requests are in flight."""
        self.plan.load(slot, active, self.now)
        return self.steps()

    def serving(self) -> "Rig":
        """One instance is up, for a request that has had its answer."""
        self.need(1)
        self.up("i1")
        self.need(0)
        return self

    def fail(self, instance: str) -> list[Step]:
        """It ends of itself, and all of it."""
        self.plan.failed(instance, self.now)
        steps = self.steps()
        self.plan.gone(instance)
        return steps

    def state(self) -> str:
        return self.plan.state(self.now)


def test_nothing_runs_that_nobody_asks_for() -> None:
    rig = Rig()
    assert rig.steps(1000.0) == []
    assert rig.state() == "sleeping"
    assert rig.plan.is_asleep(rig.now)


def test_two_thousand_requests_that_wait_start_one_instance() -> None:
    rig = Rig()
    started = [step for waiting in range(1, 2001) for step in rig.need(waiting)]
    assert started == [Start()]
    assert rig.state() == "starting"


def test_a_minimum_is_started_at_once_and_never_sleeps() -> None:
    rig = Rig(Scale(minimum=2, maximum=3))
    assert rig.steps() == [Start(), Start()]
    rig.up("i1", "i2")
    assert rig.steps(10_000.0) == []


def test_an_instance_sleeps_after_its_idle_time_once_the_workers_are_clear_of_it() -> None:
    rig = Rig(Scale(idle=60.0)).serving()
    assert rig.steps(59.0) == []
    assert rig.steps(1.0) == [Leave("i1")]
    assert rig.steps() == []
    rig.plan.clear(0, "i1")
    assert rig.steps() == [End("i1")]
    rig.plan.gone("i1")
    assert rig.state() == "sleeping"
    assert rig.plan.is_asleep(rig.now)


def test_what_is_in_flight_keeps_an_instance_awake() -> None:
    rig = Rig(Scale(idle=60.0)).serving()
    rig.load(1)
    assert rig.steps(500.0) == []
    rig.load(0)
    assert rig.steps(59.0) == []
    assert rig.steps(1.0) == [Leave("i1")]


def test_requests_that_came_and_went_between_reports_count_as_use() -> None:
    rig = Rig(Scale(idle=60.0)).serving()
    rig.steps(50.0)
    rig.load(0)
    assert rig.steps(50.0) == []


def test_a_worker_that_does_not_get_clear_is_waited_for_no_longer_than_the_drain() -> None:
    rig = Rig(Scale(idle=60.0), workers={0, 1}).serving()
    assert rig.steps(60.0) == [Leave("i1")]
    rig.plan.clear(0, "i1")
    assert rig.steps(DRAIN - 0.1) == []
    assert rig.steps(0.1) == [End("i1")]


def test_a_worker_that_is_gone_is_not_waited_for() -> None:
    rig = Rig(Scale(idle=60.0), workers={0, 1}).serving()
    rig.steps(60.0)
    rig.plan.clear(0, "i1")
    rig.plan.lost(1)
    assert rig.steps() == [End("i1")]


def test_a_request_while_an_instance_is_leaving_starts_another() -> None:
    rig = Rig(Scale(idle=60.0)).serving()
    rig.steps(60.0)
    assert rig.need(1) == [Start()]


def test_instances_follow_what_is_in_flight_up_to_the_maximum() -> None:
    rig = Rig(Scale(maximum=3, concurrency=10)).serving()
    assert rig.load(10) == []
    assert rig.load(11) == [Start()]
    assert rig.load(25) == [Start()]
    assert rig.load(500) == []


def test_load_of_all_workers_counts_together() -> None:
    rig = Rig(Scale(maximum=3, concurrency=10)).serving()
    assert rig.load(6, slot=0) == []
    assert rig.load(6, slot=1) == [Start()]
    rig.plan.lost(1)
    assert rig.plan.active == 6


def test_instances_beyond_need_leave_one_by_one_after_the_idle_time() -> None:
    rig = Rig(Scale(maximum=2, concurrency=1, idle=60.0)).serving()
    rig.load(2)
    rig.up("i2")
    rig.load(1)
    assert rig.steps(60.0) == [Leave("i2")]
    rig.load(0)
    assert rig.steps(60.0)[0] == Leave("i1")


def test_backoff_doubles_up_to_its_most() -> None:
    rig, pauses = Rig(Scale(minimum=1)), []
    rig.steps()
    for number in range(1, 10):
        rig.fail(f"i{number}")
        pauses.append(rig.plan.retry_in(rig.now))
        assert rig.state() == "backing off"
        assert rig.steps(pauses[-1] - 0.01) == []
        assert rig.steps(0.01) == [Start()]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert rig.plan.restarts == 9


def test_an_instance_that_was_up_for_long_fails_for_the_first_time_again() -> None:
    rig = Rig(Scale(minimum=1))
    rig.steps()
    for number in range(1, 4):
        rig.fail(f"i{number}")
        rig.steps(LONGEST_BACKOFF)
    rig.up("i4")
    rig.steps(STEADY)
    rig.fail("i4")
    assert rig.plan.retry_in(rig.now) == 0.5


def test_one_that_fails_soon_after_it_was_up_backs_off_further() -> None:
    rig = Rig(Scale(minimum=1))
    rig.steps()
    rig.up("i1")
    rig.fail("i1")
    rig.steps(0.5)
    rig.up("i2")
    rig.steps(STEADY - 1)
    rig.fail("i2")
    assert rig.plan.retry_in(rig.now) == 1.0


def test_who_waits_for_a_start_that_fails_is_refused() -> None:
    rig = Rig()
    rig.need(3)
    assert Refuse() in rig.fail("i1")
    assert rig.plan.waiting == 0


def test_requests_wait_through_a_short_backoff_and_are_refused_in_a_long_one() -> None:
    rig = Rig()
    for number in range(1, 5):
        rig.need(1)
        rig.fail(f"i{number}")
        rig.steps(LONGEST_BACKOFF)
    rig.fail("i5")
    assert rig.plan.retry_in(rig.now) > PATIENCE
    assert rig.need(1) == [Refuse()]
    rig.steps(rig.plan.retry_in(rig.now) - 1.0)
    assert Refuse() not in rig.need(1)


def test_a_crash_between_requests_is_mended_without_refusing_anybody() -> None:
    rig = Rig().serving()
    assert rig.fail("i1") == []
    rig.need(1)
    assert rig.steps(0.5) == [Start()]


def test_one_that_failed_long_ago_is_said_to_have_failed() -> None:
    rig = Rig(Scale(idle=60.0))
    rig.need(1)
    rig.fail("i1")
    rig.need(0)
    rig.steps(0.5)
    rig.fail("i2")
    rig.steps(61.0)
    assert rig.state() == "failed"


def test_after_failures_one_instance_is_tried_at_a_time() -> None:
    rig = Rig(Scale(minimum=3, maximum=3))
    rig.steps()
    for instance in ("i1", "i2", "i3"):
        rig.fail(instance)
    assert rig.steps(LONGEST_BACKOFF) == [Start()]
    assert rig.steps(LONGEST_BACKOFF) == []


def test_a_retired_deployment_serves_until_nothing_more_can_arrive() -> None:
    rig = Rig().serving()
    rig.plan.retire(rig.now, 6.0)
    assert rig.steps(5.9) == []
    assert rig.steps(0.1) == [Leave("i1")]
    rig.plan.clear(0, "i1")
    assert rig.steps() == [End("i1")]
    assert not rig.plan.is_over(rig.now)
    rig.plan.gone("i1")
    assert rig.plan.is_over(rig.now)


def test_a_retired_deployment_is_still_started_for_a_request_on_its_way() -> None:
    rig = Rig()
    rig.plan.retire(rig.now, 6.0)
    assert rig.need(1) == [Start()]
    assert rig.steps(10.0) == []
    rig.up("i1")
    assert rig.need(0) == [Leave("i1")]


def test_a_retired_deployment_with_a_minimum_is_not_started_again() -> None:
    rig = Rig(Scale(minimum=1))
    rig.steps()
    rig.up("i1")
    rig.plan.retire(rig.now, 0.0)
    rig.steps()
    rig.plan.clear(0, "i1")
    rig.steps()
    rig.plan.gone("i1")
    assert rig.steps(1000.0) == []


def test_a_restart_replaces_each_instance_by_a_new_one_that_is_up() -> None:
    rig = Rig(Scale(minimum=2, maximum=2))
    rig.steps()
    rig.up("i1", "i2")
    rig.plan.restart()
    assert rig.steps() == [Start(), Start()]
    rig.up("i3")
    assert rig.steps() == [Leave("i2")]
    assert not rig.plan.is_renewed
    rig.up("i4")
    assert rig.steps()[0] == Leave("i1")
    assert rig.plan.is_renewed


def test_a_restart_that_fails_leaves_the_former_instance_where_it_is() -> None:
    rig = Rig().serving()
    rig.plan.restart()
    rig.steps()
    rig.fail("i2")
    rig.plan.keep_former()
    assert rig.steps(5.0) == []
    assert rig.plan.of(Phase.UP) == ["i1"]


def test_an_adopted_instance_is_the_one_that_is_wanted() -> None:
    rig = Rig(Scale(minimum=1))
    rig.steps()
    rig.up("trial")
    assert rig.steps() == [End("i1")]
    assert rig.state() == "up"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["need", "load", "up", "fail", "clear", "gone", "restart", "pass"]),
        st.integers(0, 30),
    ),
    max_size=60,
)
SCALES = st.builds(
    lambda least, more, concurrency: Scale(least, least + more, concurrency, 60.0),
    st.integers(0, 2),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 5)),
)


@settings(max_examples=150, deadline=None)
@given(SCALES, EVENTS)
def test_whatever_happens_the_bounds_hold_and_quiet_brings_it_to_rest(
    scale: Scale, events: list[tuple[str, int]]
) -> None:
    rig = Rig(scale)
    for event, number in events:
        members = list(rig.plan.members)
        picked = members[number % len(members)] if members else ""
        phase = rig.plan.members[picked].phase if picked else None
        match event:
            case "need":
                rig.need(number)
            case "load":
                rig.load(number)
            case "up" if phase is Phase.STARTING:
                rig.up(picked)
            case "fail" if phase in (Phase.STARTING, Phase.UP):
                rig.plan.failed(picked, rig.now)
            case "clear":
                rig.plan.clear(0, picked)
            case "gone" if phase is Phase.ENDING:
                rig.plan.gone(picked)
            case "restart":
                rig.plan.restart()
        rig.steps(number / 10)
        wave = max((m.wave for m in rig.plan.members.values()), default=0)
        newest = [i for i, m in rig.plan.members.items() if m.wave == wave]
        going = rig.plan.of(Phase.LEAVING, Phase.ENDING)
        assert len(set(newest) - set(going)) <= scale.maximum
    rest(rig)
    assert len(rig.plan.of(Phase.UP)) == scale.minimum == len(rig.plan.members)


def rest(rig: Rig) -> None:
    """Nobody asks for anything any more, and whatever is started comes up."""
    rig.need(0)
    rig.load(0)
    for _ in range(40):
        rig.steps(20.0)
        rig.up(*rig.plan.of(Phase.STARTING))
        for instance in rig.plan.of(Phase.ENDING):
            rig.plan.gone(instance)
