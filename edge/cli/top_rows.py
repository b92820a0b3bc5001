"""A sample of what an edge does as the cells of tables: which columns, in which order. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge.admin.observed_operations import WorkerCounts
from edge.admin.sampling import Sample, WorkerRates
from edge.code.limits import readable
from edge.observe.access_line import as_text
from edge.observe.rates import Rates

WORTH = (
    ("rate", lambda rates: -rates.requests),
    ("errors", lambda rates: -rates.errors),
    ("p99", lambda rates: -(rates.p99 or 0.0)),
    ("MCP", lambda rates: -rates.messages),
    ("bytes", lambda rates: -(rates.received + rates.sent)),
    ("name", lambda rates: rates.function or ""),
)  # type: tuple[tuple[str, Callable[[Rates], Any]], ...]
"""By what functions can be sorted: a name for it, and the key; the first is the default."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers.

    Attributes:
        title: above it, at most as wide as `width`.
        of: the cell of a row.
        rank: the columns of the highest ranks go first where there is no room.
    """

    title: str
    of: Callable[[Any], str]
    rank: int
    width: int = 8


FUNCTIONS = (
    Column("req/s", lambda rates: rate(rates.requests), 0),
    Column("err/s", lambda rates: rate(rates.errors), 1),
    Column("p50", lambda rates: duration(rates.p50), 3),
    Column("p99", lambda rates: duration(rates.p99), 2),
    Column("MCP/s", lambda rates: rate(rates.messages), 4),
    Column("ref/s", lambda rates: rate(rates.refused), 7),
    Column("cut/s", lambda rates: rate(rates.cut), 8),
    Column("in/s", lambda rates: readable(round(rates.received)), 6, 9),
    Column("out/s", lambda rates: readable(round(rates.sent)), 5, 9),
)
"""Of a function's `Rates`."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker in both ways."""

    now: WorkerCounts
    rates: WorkerRates


WORKERS = (
    Column("pid", lambda row: str(row.now.pid), 5),
    Column("req/s", lambda row: rate(row.rates.requests), 0),
    Column("cpu", lambda row: "-" if row.rates.cpu is None else f"{row.rates.cpu:.0%}", 1, 5),
    Column("memory", lambda row: readable(row.now.resident_bytes), 2, 9),
    Column("flight", lambda row: str(row.now.in_flight), 3, 6),
    Column("streams", lambda row: str(row.now.streams), 4, 7),
    Column("behind", lambda row: str(row.now.behind), 6, 6),
    Column("files", lambda row: str(row.now.open_files), 7, 6),
)
"""Of a `WorkerRow`."""


def fitting(columns: Sequence[Column], width: int, name: int) -> list[Column]:
    """The columns for which there is room beside a name of so many characters."""
    left, kept = width - name, set()
    for column in sorted(columns, key=lambda column: column.rank):
        left -= column.width + 1
        if left < 0:
            break
        kept.add(column.title)
    return [column for column in columns if column.title in kept]


def functions(sample: Sample, order: int) -> list[Rates]:
    """The functions as the order of that number in `WORTH` has them."""
    _, key = WORTH[order % len(WORTH)]
    return sorted(sample.functions, key=lambda rates: (key(rates), rates.function or ""))


def workers(sample: Sample) -> list[WorkerRow]:
    """The workers, by slot."""
    pairs = zip(sample.observed.workers, sample.workers, strict=True)
    return [WorkerRow(now, rates) for now, rates in pairs]


def named(rates: Rates) -> str:
    """A function's name; requests that asked for none have a dash."""
    return "all" if rates.function is None else rates.function or "-"


def said(sample: Sample) -> Iterator[tuple[int, str]]:
    """The last lines of the access log, the newest first: status and words; 0 for other events."""
    for line in reversed(sample.observed.recent):
        yield int(line.get("status") or 0), as_text(line, colours=False)


def troubles(sample: Sample) -> Iterator[str]:
    """What is not as it should be, in words."""
    addresses = {address for worker in sample.observed.workers for address in worker.circuits}
    for address in sorted(addresses):
        yield f"{address} is left alone for a while: it has been failing"
    for worker in sample.observed.workers:
        if worker.behind:
            yield f"Worker {worker.slot} is {worker.behind} generations behind"


def rate(value: float) -> str:
    """Something a second: `0`, `0.4`, `12.5`, `1234`."""
    if not value:
        return "0"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """`-`, `0.8 ms`, `25 ms`, `1.3 s`."""
    if seconds is None:
        return "-"
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
