"""What an edge did between two looks at its counts: functions, workers, and the whole. Pure."""

from dataclasses import dataclass

from edge.admin.counts import counted
from edge.admin.observed_operations import Observed, WorkerCounts
from edge.admin.times import Time
from edge.observe.rates import Rates, rates, since


@dataclass(frozen=True, slots=True)
class WorkerRates:
    """What a worker did.

    Attributes:
        requests: a second.
        cpu: the share of one processor that it used; None if it began meanwhile.
    """

    slot: int
    requests: float
    cpu: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What an edge did within a time.

    Attributes:
        at: its end.
        seconds: how long it was.
        total: of all requests.
        functions: of each function that was asked since the edge began, by name.
        observed: the counts at its end.
    """

    at: Time
    seconds: float
    total: Rates
    functions: tuple[Rates, ...]
    workers: tuple[WorkerRates, ...]
    observed: Observed


def sample(before: Observed, after: Observed) -> Sample:
    """What happened between two looks; ValueError if they are of an edge of another version."""
    came, seconds = since(counted(before), counted(after)), elapsed(before, after)
    total, functions = rates(came, seconds)
    return Sample(
        at=after.at,
        seconds=seconds,
        total=total,
        functions=functions,
        workers=tuple(_worker(was, now) for was, now in _pairs(before, after)),
        observed=after,
    )


def elapsed(before: Observed, after: Observed) -> float:
    """Seconds in which the requests between two looks were counted.

    Each worker's counts are of a moment of its own, up to half a second before they are looked at;
    who has done more of the work counts for more.
    """
    pairs = [(was, now) for was, now in _pairs(before, after) if was and now.at > was.at]
    came = sum(max(0, now.requests - was.requests) for was, now in pairs)
    a_second = sum(_requests(was, now) for was, now in pairs)
    return came / a_second if a_second else max(0.0, after.at - before.at)


def _pairs(before: Observed, after: Observed) -> list[tuple[WorkerCounts | None, WorkerCounts]]:
    known = {worker.slot: worker for worker in before.workers}
    return [(known.get(worker.slot), worker) for worker in after.workers]


def _worker(was: WorkerCounts | None, now: WorkerCounts) -> WorkerRates:
    if was is None or now.at <= was.at:
        return WorkerRates(now.slot, 0.0, None)
    cpu = None
    if was.pid == now.pid:
        cpu = max(0.0, now.cpu_seconds - was.cpu_seconds) / (now.at - was.at)
    return WorkerRates(now.slot, _requests(was, now), cpu)


def _requests(was: WorkerCounts, now: WorkerCounts) -> float:
    return max(0, now.requests - was.requests) / (now.at - was.at)
