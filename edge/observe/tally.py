"""What has happened, counted. Pure.

One worker's counts: events go in, a `Snapshot` comes out, and snapshots add up.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple, Self, TypeVar

from edge.events import CutOff, Event, Finished, Unread

_Key = TypeVar("_Key")

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Upper ends of the classes of duration, seconds; the last class has none."""

RequestKey = tuple[str, int, str, str, bool]
"""As `Finished`, without its seconds."""


class Durations(NamedTuple):
    """How long requests took.

    Attributes:
        seconds: in all.
        classes: how many fell into each of `BOUNDS`, and beyond.
    """

    seconds: float
    classes: tuple[int, ...]


class Snapshot(NamedTuple):
    """Counts at one moment.

    Attributes:
        requests: how many, by what they were.
        durations: by function.
        unread: by code.
        cut_off: by why.
    """

    requests: dict[RequestKey, int]
    durations: dict[str, Durations]
    unread: dict[str, int]
    cut_off: dict[str, int]


class Tally:
    """Counts that only grow."""

    def __init__(self) -> None:
        self._requests: dict[RequestKey, int] = {}
        self._seconds: dict[str, float] = {}
        self._classes: dict[str, list[int]] = {}
        self._unread: dict[str, int] = {}
        self._cut_off: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        """Count an event; on every request's way."""
        if isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, Unread):
            self._unread[event.code] = self._unread.get(event.code, 0) + 1
        elif isinstance(event, CutOff):
            self._cut_off[event.why] = self._cut_off.get(event.why, 0) + 1

    def _finished(self, event: Finished) -> None:
        key = event[:5]
        self._requests[key] = self._requests.get(key, 0) + 1
        function, seconds = event.function, event.seconds
        classes = self._classes.get(function)
        if classes is None:
            classes = self._classes[function] = [0] * (len(BOUNDS) + 1)
            self._seconds[function] = 0.0
        classes[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[function] += seconds

    def snapshot(self) -> Snapshot:
        """The counts as they are now."""
        durations = {
            name: Durations(self._seconds[name], tuple(classes))
            for name, classes in self._classes.items()
        }
        return Snapshot(dict(self._requests), durations, dict(self._unread), dict(self._cut_off))

    def add(self, other: Snapshot) -> Self:
        """Count what another has counted as well."""
        _add(self._requests, other.requests.items())
        _add(self._unread, other.unread.items())
        _add(self._cut_off, other.cut_off.items())
        for name, durations in other.durations.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + durations.seconds
            mine = self._classes.setdefault(name, [0] * (len(BOUNDS) + 1))
            self._classes[name] = [a + b for a, b in zip(mine, durations.classes, strict=True)]
        return self


def _add(counts: dict[_Key, int], more: Iterable[tuple[_Key, int]]) -> None:
    for key, count in more:
        counts[key] = counts.get(key, 0) + count
