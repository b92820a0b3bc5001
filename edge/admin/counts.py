"""Counts as the operations tell them, from counts as workers keep them, and back. Pure."""

from collections.abc import Iterable, Mapping

from edge.admin.observed_operations import (
    ByteCount,
    CallCount,
    MessageCount,
    Observed,
    RequestCount,
    RunCount,
    TimeCount,
    WorkerCounts,
)
from edge.observe.tally import BOUNDS, Durations, Snapshot


def told(
    at: float,
    counts: Snapshot,
    workers: tuple[WorkerCounts, ...],
    recent: tuple[dict[str, object], ...],
) -> Observed:
    """Counts as they are told at a moment (Unix seconds)."""
    return Observed(
        at=at,
        workers=workers,
        bounds=BOUNDS,
        requests=tuple(RequestCount(*key, n) for key, n in sorted(counts.requests.items())),
        durations=_times(counts.durations),
        upstream=_times(counts.upstream),
        traffic=tuple(ByteCount(name, *both) for name, both in sorted(counts.traffic.items())),
        unauthorized=counts.unauthorized,
        messages=tuple(MessageCount(*key, n) for key, n in sorted(counts.mcp.items())),
        calls=tuple(CallCount(*key, n) for key, n in sorted(counts.tools.items())),
        unread=counts.unread,
        cut_off=counts.cut_off,
        runs=tuple(RunCount(*key, n) for key, n in sorted(counts.cron.items())),
        recent=recent,
    )


def counted(observed: Observed) -> Snapshot:
    """The same as counts; ValueError if they are of an edge with other classes of duration."""
    if observed.bounds != BOUNDS:
        raise ValueError("the edge counts durations in other classes; it is of another version")
    return Snapshot(
        requests={
            (each.function, each.status, each.code, each.lane, each.whole): each.count
            for each in observed.requests
        },
        durations=_durations(observed.durations),
        upstream=_durations(observed.upstream),
        traffic={each.function: (each.received, each.sent) for each in observed.traffic},
        unauthorized=observed.unauthorized,
        mcp={(each.function, each.method): each.count for each in observed.messages},
        tools={(each.function, each.tool, each.result): each.count for each in observed.calls},
        unread=observed.unread,
        cut_off=observed.cut_off,
        cron={(each.function, each.state): each.count for each in observed.runs},
    )


def _times(by_name: Mapping[str, Durations]) -> tuple[TimeCount, ...]:
    return tuple(TimeCount(name, *each) for name, each in sorted(by_name.items()))


def _durations(times: Iterable[TimeCount]) -> dict[str, Durations]:
    return {each.function: Durations(each.seconds, each.classes) for each in times}
