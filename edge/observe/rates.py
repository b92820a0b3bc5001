"""What happened between two moments, from counts that only grow: rates and percentiles. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

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


def rates(came: Snapshot, seconds: float, function: str | None = None) -> Rates:
    """How much of what came a second.

    Args:
        came: what was counted within the time, as `since` gives it.
        seconds: how long that was; rates are 0 if it is.
        function: of which function; None for all.
    """

    def a_second(count: float) -> float:
        return count / seconds if seconds > 0 else 0.0

    def summed(counts: Mapping[Any, int], of: Callable[[Any], bool] | None = None) -> float:
        its = ((key, n) for key, n in counts.items() if function in (None, key[0]))
        return a_second(sum(n for key, n in its if of is None or of(key)))

    traffic = [both for name, both in came.traffic.items() if function in (None, name)]
    whole, waiting = _classes(came.durations, function), _classes(came.upstream, function)
    return Rates(
        function=function,
        requests=summed(came.requests),
        errors=summed(came.requests, lambda key: key[1] >= 500),
        refused=summed(came.requests, lambda key: bool(key[2]) and key[1] < 500),
        cut=summed(came.requests, lambda key: not key[4] and key[1] < 500),
        messages=summed(came.mcp),
        calls=summed(came.tools),
        failed_calls=summed(came.tools, lambda key: bool(key[2] == "error")),
        received=a_second(sum(received for received, _ in traffic)),
        sent=a_second(sum(sent for _, sent in traffic)),
        p50=quantile(whole, 0.5),
        p99=quantile(whole, 0.99),
        upstream_p50=quantile(waiting, 0.5),
        upstream_p99=quantile(waiting, 0.99),
    )


def by_function(came: Snapshot, seconds: float) -> tuple[Rates, ...]:
    """The rates of each function that was ever asked, by name."""
    return tuple(rates(came, seconds, name) for name in sorted(came.durations))


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


def _classes(by_name: Mapping[str, Durations], function: str | None) -> tuple[int, ...]:
    found: Iterable[Durations] = by_name.values()
    if function is not None:
        found = (by_name[function],) if function in by_name else ()
    return tuple(map(sum, zip(*(each.classes for each in found), strict=True)))
