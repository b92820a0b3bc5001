"""Samples of all workers' counts as a file: one worker takes them, whoever draws them reads them.

The file is beside the pages, is replaced as a whole, and is gone with its edge.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from edge.observe.pages import DIRECTORY, Page, put_in_place
from edge.observe.series import CLASSES, Counted, Sample, Series
from edge.observe.tally import Tally


class SeriesFile:
    """Where the samples of one edge are.

    Args:
        edge, turn: as for `Pages`.
    """

    def __init__(self, data_dir: Path, edge: int, turn: int) -> None:
        self._path = data_dir / DIRECTORY / f"{turn}-series"
        self._edge = edge

    def write(self, series: Series) -> None:
        """Put it in place of the last one. Blocks; raises OSError."""
        told = {
            "edge": self._edge,
            "samples": [_plain(sample) for sample in series.samples],
            "totals": {slug: _row(each) for slug, each in series.totals.items()},
        }
        put_in_place(self._path, told)

    def read(self) -> Series:
        """What was written last; nothing where nothing was. Blocks."""
        try:
            told = orjson.loads(self._path.read_bytes())
            if told["edge"] != self._edge:
                return Series()
            return Series(map(_sample, told["samples"]), _by_function(told["totals"]))
        except (OSError, ValueError, LookupError, TypeError):
            return Series()

    def samples(self) -> tuple[Sample, ...]:
        """The samples, the oldest first. Blocks."""
        return self.read().samples


class Sampler:
    """Takes samples of all workers' counts, going on where the one before it ended."""

    def __init__(
        self, pages: Callable[[], Iterable[Page]], file: SeriesFile, clock: Callable[[], float]
    ) -> None:
        """`clock` gives Unix seconds."""
        self._pages = pages
        self._file = file
        self._clock = clock
        self._series = file.read()

    def take(self) -> None:
        """Take one now, and write it down. Blocks; raises OSError."""
        tally = Tally.of(page.counts for page in self._pages())
        self._series.take(tally.snapshot(), self._clock())
        self._file.write(self._series)


def _plain(sample: Sample) -> list[Any]:
    by_function = {slug: _row(each) for slug, each in sample.by_function.items()}
    return [sample.at, _row(sample.all), by_function]


def _row(counted: Counted) -> list[Any]:
    return [counted.requests, counted.errors, counted.classes]


def _sample(told: Any) -> Sample:
    at, everything, by_function = told
    return Sample(at, _counted(everything), _by_function(by_function))


def _by_function(told: Any) -> dict[str, Counted]:
    return {slug: _counted(row) for slug, row in told.items()}


def _counted(row: Any) -> Counted:
    requests, errors, classes = row
    if len(classes) != CLASSES:
        raise ValueError("counts of another version")
    return Counted(requests, errors, tuple(classes))
