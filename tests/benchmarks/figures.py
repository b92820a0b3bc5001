"""The arithmetic of the benchmark: samples in, medians, spreads and ratios out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """One contender's figure as a multiple of another's.

    Attributes:
        of_medians: the quotient of the two medians.
        per_round: the median of the quotients of each round, which what slows down a whole round
            does not touch.
    """

    of_medians: float
    per_round: float


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most of one figure. Raises ValueError if there is none."""
    if not values:
        raise ValueError("no sample to summarise")
    return Spread(median(values), min(values), max(values))


def ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Ratio:
    """How many times `theirs` the figure `ours` is; both by round.

    Raises:
        ValueError: they have no round in common.
    """
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise ValueError("no round was run by both")
    quotients = [ours[number] / theirs[number] for number in shared]
    return Ratio(median(ours.values()) / median(theirs.values()), median(quotients))


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile. Raises ValueError if there is no value."""
    if not values:
        raise ValueError("no value to take a percentile of")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
