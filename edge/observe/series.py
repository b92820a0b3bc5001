"""Counts over time: what was counted in each ten seconds of the last hour. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.observe.tally import BOUNDS, Snapshot

EVERY = 10.0
"""Seconds between two samples."""

KEPT = 360
"""Samples: an hour."""

MOST_FUNCTIONS = 50
"""Functions told apart in one sample, the busiest ones."""

CLASSES = len(BOUNDS) + 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests that ended within a time.

    Attributes:
        errors: those answered with 500 or more, broken off or not answered.
        classes: by how long they took, as `Durations.classes`.
    """

    requests: int = 0
    errors: int = 0
    classes: tuple[int, ...] = (0,) * CLASSES

    def plus(self, other: "Counted") -> "Counted":
        """Both together."""
        classes = tuple(a + b for a, b in zip(self.classes, other.classes, strict=True))
        return Counted(self.requests + other.requests, self.errors + other.errors, classes)

    def minus(self, other: "Counted") -> "Counted":
        """What came since; counts that are lost with their worker leave nothing negative."""
        pairs = zip(self.classes, other.classes, strict=True)
        return Counted(
            max(0, self.requests - other.requests),
            max(0, self.errors - other.errors),
            tuple(max(0, a - b) for a, b in pairs),
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """One step.

    Attributes:
        at: its end, Unix seconds.
        all: of all requests.
        by_function: of the busiest functions that were asked at all, by slug.
    """

    at: float
    all: Counted
    by_function: Mapping[str, Counted] = field(default_factory=dict)


Totals = Mapping[str, Counted]
"""Everything counted so far, by function."""


class Series:
    """The last samples, made from counts that only grow.

    Args:
        before: what had been counted at the last of them; None if nobody knows.
    """

    def __init__(self, samples: Iterable[Sample] = (), before: Totals | None = None) -> None:
        self._samples = deque(samples, maxlen=KEPT)
        self._before = before

    @property
    def totals(self) -> Totals:
        """What had been counted when the last sample was taken."""
        return self._before or {}

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The oldest first."""
        return tuple(self._samples)

    def take(self, counts: Snapshot, now: float) -> None:
        """Note what came since the last time; the first time there is nothing to compare with."""
        total, before = _totals(counts), self._before
        self._before = total
        if before is None:
            return
        came = {slug: each.minus(before.get(slug, Counted())) for slug, each in total.items()}
        asked = {slug: each for slug, each in came.items() if each.requests}
        everything = Counted()
        for each in asked.values():
            everything = everything.plus(each)
        named = sorted((s for s in asked if s), key=lambda slug: -asked[slug].requests)
        kept = {slug: asked[slug] for slug in named[:MOST_FUNCTIONS]}
        self._samples.append(Sample(now, everything, kept))


def _totals(counts: Snapshot) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for (function, status, _, _, whole), count in counts.requests.items():
        failed = count if status >= 500 or not status or not whole else 0
        one = Counted(count, failed)
        found[function] = found[function].plus(one) if function in found else one
    for function, durations in counts.durations.items():
        one = found.get(function, Counted())
        found[function] = Counted(one.requests, one.errors, tuple(durations.classes))
    return found
