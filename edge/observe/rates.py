"""What happened between two moments, from counts that only grow: rates and percentiles. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import TypeVar

from edge.observe.tally import BOUNDS, Durations, Snapshot

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Rates:
    """Of the requests of one function, or of all, that were over within some time.

    Attributes:
        function: the slug, `edge` for the edge's own `/mcp`, empty where none was asked; None for
            all requests.
        requests: a second; so are `errors` (answered with 500 or more), `refused` (the edge's own
            answers below 500), `cut` (below 500 or not begun, and not whole: mostly clients that
            left), `messages` of MCP, `calls` of tools, `failed_calls` (with `isError`).
        received, sent: bytes of bodies, a second.
        p50, p99: seconds within which so many in a hundred were over; None if there were none.
        upstream_p50, upstream_p99: the same of waiting for the function.
    """

    function: str | None
    requests: float
    errors: float
    refused: float
    cut: float
    messages: float
    calls: float
    failed_calls: float
    received: float
    sent: float
    p50: float | None
    p99: float | None
    upstream_p50: float | None
    upstream_p99: float | None


def since(before: Snapshot, after: Snapshot) -> Snapshot:
    """What was counted in between.

    What has become less (another edge runs, or a page was amid being replaced) counts as nothing.
    """
    return Snapshot(
        requests=_more(before.requests, after.requests),
        durations=_longer(before.durations, after.durations),
        upstream=_longer(before.upstream, after.upstream),
        traffic={
            name: (max(0, received - was[0]), max(0, sent - was[1]))
            for name, (received, sent) in after.traffic.items()
            for was in (before.traffic.get(name, (0, 0)),)
        },
        unauthorized=_more(before.unauthorized, after.unauthorized),
        mcp=_more(before.mcp, after.mcp),
        tools=_more(before.tools, after.tools),
        unread=_more(before.unread, after.unread),
        cut_off=_more(before.cut_off, after.cut_off),
        cron=_more(before.cron, after.cron),
    )


def rates(came: Snapshot, seconds: float) -> tuple[Rates, tuple[Rates, ...]]:
    """How much of what came a second: of all, and of each function that was ever asked, by name.

    Args:
        came: what was counted within the time, as `since` gives it.
        seconds: how long that was; rates are 0 if it is.
    """
    by_function, everything = _sums(came), _Sums()
    for each in by_function.values():
        everything.add(each)
    total = _rates(None, everything, seconds)
    return total, tuple(_rates(name, by_function[name], seconds) for name in sorted(by_function))


def quantile(classes: Sequence[int], share: float) -> float | None:
    """Within how many seconds a share of them, from 0 to 1, was over; None if there were none.

    As Prometheus does it: durations are taken to be spread evenly over their class, so the answer
    is on the straight line between its two bounds; the first class begins at 0, and what is beyond
    the last bound counts as that bound.
    """
    total = sum(classes)
    if not total:
        return None
    rank, below = share * total, 0
    for number, count in enumerate(classes[:-1]):
        if count and below + count >= rank:
            lower = BOUNDS[number - 1] if number else 0.0
            return lower + (BOUNDS[number] - lower) * (rank - below) / count
        below += count
    return BOUNDS[-1]


def _more(before: Mapping[_Key, int], after: Mapping[_Key, int]) -> dict[_Key, int]:
    return {key: max(0, count - before.get(key, 0)) for key, count in after.items()}


def _longer(
    before: Mapping[str, Durations], after: Mapping[str, Durations]
) -> dict[str, Durations]:
    return {name: _difference(before.get(name), now) for name, now in after.items()}


def _difference(before: Durations | None, after: Durations) -> Durations:
    if before is None:
        return after
    pairs = zip(before.classes, after.classes, strict=True)
    seconds = max(0.0, after.seconds - before.seconds)
    return Durations(seconds, tuple(max(0, now - was) for was, now in pairs))


@dataclass(slots=True)
class _Sums:
    """What `Rates` are made of, while it is added up; the attributes are as there."""

    requests: int = 0
    errors: int = 0
    refused: int = 0
    cut: int = 0
    messages: int = 0
    calls: int = 0
    failed_calls: int = 0
    received: int = 0
    sent: int = 0
    whole: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()

    def add(self, other: "_Sums") -> None:
        self.requests += other.requests
        self.errors += other.errors
        self.refused += other.refused
        self.cut += other.cut
        self.messages += other.messages
        self.calls += other.calls
        self.failed_calls += other.failed_calls
        self.received += other.received
        self.sent += other.sent
        self.whole = _together(self.whole, other.whole)
        self.waiting = _together(self.waiting, other.waiting)


def _sums(came: Snapshot) -> dict[str, _Sums]:
    found: dict[str, _Sums] = defaultdict(_Sums)
    for (function, status, code, _, whole), count in came.requests.items():
        its = found[function]
        its.requests += count
        its.errors += count if status >= 500 else 0
        its.refused += count if code and status < 500 else 0
        its.cut += count if not whole and status < 500 else 0
    for (function, _), count in came.mcp.items():
        found[function].messages += count
    for (function, _, result), count in came.tools.items():
        found[function].calls += count
        found[function].failed_calls += count if result == "error" else 0
    for function, (received, sent) in came.traffic.items():
        found[function].received, found[function].sent = received, sent
    for function, durations in came.durations.items():
        found[function].whole = durations.classes
    for function, durations in came.upstream.items():
        found[function].waiting = durations.classes
    return found


def _rates(function: str | None, sums: _Sums, seconds: float) -> Rates:
    a_second = 1 / seconds if seconds > 0 else 0.0
    return Rates(
        function=function,
        requests=sums.requests * a_second,
        errors=sums.errors * a_second,
        refused=sums.refused * a_second,
        cut=sums.cut * a_second,
        messages=sums.messages * a_second,
        calls=sums.calls * a_second,
        failed_calls=sums.failed_calls * a_second,
        received=sums.received * a_second,
        sent=sums.sent * a_second,
        p50=quantile(sums.whole, 0.5),
        p99=quantile(sums.whole, 0.99),
        upstream_p50=quantile(sums.waiting, 0.5),
        upstream_p99=quantile(sums.waiting, 0.99),
    )


def _together(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(add, some, others)) if some and others else some or others
