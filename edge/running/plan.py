"""How many instances a deployment has, and when each starts, leaves and ends. Pure.

A state machine: told what happens, with the time as an argument; `steps` says what to do. Times are
seconds of one monotonic clock. Not here: processes and sockets (`keeper`).

An instance is `starting`, `up`, `leaving` (it is sent nothing new), `ending`, and then forgotten.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum

from edge.functions import Scale
from edge.running.protocol import State

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0
"""Seconds before an instance is started in place of one that ended: doubled each time."""

STEADY = 60.0
"""Seconds up after which an end is the first one again."""

PATIENCE = 2.0
"""Seconds of backoff for which requests wait; for a longer one they are answered at once."""

Phase = Enum("Phase", ["STARTING", "UP", "LEAVING", "ENDING"])


@dataclass(frozen=True, slots=True)
class Start:
    """Start an instance, and say `Plan.starting`."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Tell the workers that an instance is sent nothing new; each says when it is clear."""

    instance: str


@dataclass(frozen=True, slots=True)
class End:
    """End an instance, and say `Plan.gone` when nothing of it is left."""

    instance: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell the workers that who waits now waits in vain."""


Step = Start | Leave | End | Refuse


@dataclass(slots=True)
class Member:
    """An instance as the plan knows it.

    Attributes:
        since: when it came into its phase.
        wave: the restart that it belongs to.
        awaited: workers that have not said that they are clear of it.
    """

    phase: Phase
    since: float
    wave: int
    awaited: set[int] = field(default_factory=set)


class Plan:
    """The instances of one deployment.

    Args:
        drain: seconds that what is in flight may take once an instance is leaving.

    Attributes:
        members: by id, in the order of their starts.
        restarts: starts after an instance had ended without being told to.
        failures: how often in a row, STEADY ones apart.
    """

    def __init__(self, scale: Scale, drain: float) -> None:
        self.members: dict[str, Member] = {}
        self.restarts = 0
        self.failures = 0
        self._scale = scale
        self._drain = drain
        self._waiting: dict[int, int] = {}
        self._active: dict[int, int] = {}
        self._used: list[float] = []
        """When that many instances (index + 1) were last of use."""
        self._next_start = 0.0
        self._wave = 0
        self._retires_at: float | None = None
        self._refuse = False

    # What is reported.

    @property
    def waiting(self) -> int:
        """Requests that wait for an address."""
        return sum(self._waiting.values())

    @property
    def active(self) -> int:
        """Requests in flight."""
        return sum(self._active.values())

    @property
    def is_renewed(self) -> bool:
        """Whether no instance of before the last restart takes requests."""
        return not any(m.wave < self._wave and m.phase is Phase.UP for m in self.members.values())

    def is_over(self, now: float) -> bool:
        """Whether nothing will ever happen here again."""
        late = self._retires_at is not None and now >= self._retires_at
        return late and not self.members and not self.waiting

    def is_asleep(self, now: float) -> bool:
        """Whether nothing happens here until something is asked or the deployment changes."""
        retiring = self._retires_at is not None
        return not (retiring or self.members or self.waiting or self._wanted(now))

    def of(self, *phases: Phase) -> list[str]:
        """The instances in any of these phases."""
        return [id_ for id_, member in self.members.items() if member.phase in phases]

    def retry_in(self, now: float) -> float:
        """Seconds until an instance may be started."""
        return max(0.0, self._next_start - now)

    def state(self, now: float) -> State:
        """In one word."""
        if self.of(Phase.UP):
            return "up"
        if self.of(Phase.STARTING):
            return "starting"
        if self.failures and self._wanted(now):
            return "backing off"
        return "failed" if self.failures else "sleeping"

    # What happens.

    def need(self, worker: int, waiting: int, now: float) -> None:
        """A worker has that many requests waiting."""
        self._waiting[worker] = waiting
        self._note_use(now)

    def load(self, worker: int, active: int, now: float) -> None:
        """A worker has that many requests in flight."""
        self._active[worker] = active
        self._used[:1] = [now]
        self._note_use(now)

    def lost(self, worker: int) -> None:
        """A worker is gone, and what it had in flight with it."""
        self._waiting.pop(worker, None)
        self._active.pop(worker, None)
        for member in self.members.values():
            member.awaited.discard(worker)

    def clear(self, worker: int, instance: str) -> None:
        """A worker has nothing in flight at an instance that is leaving."""
        if member := self.members.get(instance):
            member.awaited.discard(worker)

    def touch(self, now: float) -> None:
        """One instance is wanted, as if a request had come."""
        self._used[:1] = [now]

    def retire(self, now: float, linger: float) -> None:
        """The deployment is not live any more.

        Args:
            linger: seconds in which requests that had been sent its way may still arrive.
        """
        if self._retires_at is None:
            self._retires_at = now + linger

    def revive(self, now: float) -> None:
        """The deployment is live again."""
        self._retires_at = None
        self.touch(now)

    def restart(self) -> None:
        """Renew those that run: each former one leaves once a new one is up."""
        self._wave += 1
        self.failures, self._next_start = 0, 0.0

    def keep_former(self) -> None:
        """Give the restart up: the instances of before stay."""
        for member in self.members.values():
            member.wave = self._wave

    def starting(self, instance: str, now: float) -> None:
        """An instance is being started."""
        self.restarts += 1 if self.failures else 0
        self.members[instance] = Member(Phase.STARTING, now, self._wave)

    def up(self, instance: str, now: float) -> None:
        """An instance answers; one that was not started here is adopted."""
        member = self.members.setdefault(instance, Member(Phase.UP, now, self._wave))
        if member.phase in (Phase.STARTING, Phase.UP):
            member.phase, member.since = Phase.UP, now
        if not self._used:
            self.touch(now)

    def failed(self, instance: str, now: float) -> None:
        """An instance has ended, or must, without having been told to."""
        member = self.members[instance]
        if member.phase is Phase.UP and now - member.since >= STEADY:
            self.failures = 0
        if member.phase is Phase.STARTING:
            self._refuse = True
        backoff = min(FIRST_BACKOFF * 2 ** min(self.failures, 10), LONGEST_BACKOFF)
        self.failures += 1
        self._next_start = now + backoff
        member.phase, member.since = Phase.ENDING, now

    def gone(self, instance: str) -> None:
        """Nothing of an instance is left."""
        self.members.pop(instance, None)

    # What follows.

    def steps(self, now: float, workers: Collection[int]) -> list[Step]:
        """What is to be done now; the plan counts it as being done.

        Args:
            workers: the process ids of those that are connected.
        """
        self._note_use(now)
        self._note_steadiness(now)
        wanted = self._wanted(now)
        steps: list[Step] = [*self._refusals(now), *self._starts(wanted, now)]
        for instance in self._surplus(wanted):
            member = self.members[instance]
            was_up = member.phase is Phase.UP
            member.phase, member.since = Phase.LEAVING, now
            member.awaited = set(workers) if was_up else set()
            steps += [Leave(instance)] if was_up else []
        return steps + self._endings(now)

    def _note_use(self, now: float) -> None:
        of_use = min(self._demand(), self._scale.maximum)
        self._used[:of_use] = [now] * of_use

    def _note_steadiness(self, now: float) -> None:
        ups = (m for m in self.members.values() if m.phase is Phase.UP)
        if self.failures and any(now - member.since >= STEADY for member in ups):
            self.failures = 0

    def _demand(self) -> int:
        """How many instances what is waiting and in flight would fill."""
        requests = self.waiting + self.active
        if self._scale.concurrency is None:
            return min(requests, 1)
        return -(-requests // self._scale.concurrency)

    def _wanted(self, now: float) -> int:
        if self._retires_at is not None:
            present = len(self.of(Phase.STARTING, Phase.UP))
            if self.waiting:
                return max(present, 1)
            return present if now < self._retires_at else 0
        recent = sum(now - used < self._scale.idle for used in self._used)
        return max(self._scale.minimum, recent)

    def _refusals(self, now: float) -> Iterable[Step]:
        nobody = not self.of(Phase.UP, Phase.STARTING)
        refuse = self._refuse or (nobody and self.failures and self.retry_in(now) > PATIENCE)
        self._refuse = False
        if not (refuse and self.waiting and nobody):
            return
        self._waiting.clear()
        yield Refuse()

    def _starts(self, wanted: int, now: float) -> Iterable[Step]:
        newest = [i for i in self.of(Phase.STARTING, Phase.UP) if self._is_new(i)]
        lacking = wanted - len(newest)
        if self.failures:
            lacking = min(lacking, 0 if self.of(Phase.STARTING) else 1)
        if now >= self._next_start:
            yield from [Start()] * lacking

    def _is_new(self, instance: str) -> bool:
        return self.members[instance].wave == self._wave

    def _surplus(self, wanted: int) -> list[str]:
        """Which take requests, or will, and are not wanted: the former first, then the newest."""
        starting, up = self.of(Phase.STARTING), self.of(Phase.UP)
        former = [i for i in up if not self._is_new(i)]
        new = [i for i in up if self._is_new(i)]
        stale = [i for i in starting if not self._is_new(i)]
        may_stay = max(0, wanted - len(new))
        going = [*stale, *former[may_stay:]]
        rest = [*(i for i in starting if self._is_new(i))][::-1] + new[::-1]
        return going + rest[: max(0, len(rest) - wanted)]

    def _endings(self, now: float) -> list[Step]:
        steps: list[Step] = []
        for instance in self.of(Phase.LEAVING):
            member = self.members[instance]
            if not member.awaited or now - member.since >= self._drain:
                member.phase, member.since = Phase.ENDING, now
                steps.append(End(instance))
        return steps
