"""The screen of `jelou top`, drawn from a sample: rich renderables for a size of the terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from edge.admin.operations import EdgeInfo
from edge.admin.sampling import Sample
from edge.cli import top_rows
from edge.cli.output import printable
from edge.cli.top_rows import FUNCTIONS, WORKERS, WORTH, Column
from edge.observe.rates import Rates

NAME = 14
"""Characters that a name has at least."""

FEWEST_LINES = 3
"""Lines of the access log, for which functions make room."""

FRAME = 7
"""Lines that are always there: first and last, heads of the tables, empty ones."""


def screen(
    info: EdgeInfo, sample: Sample, size: tuple[int, int], order: int, problem: str = ""
) -> Group:
    """What the terminal shows.

    Args:
        size: of the terminal, columns and rows.
        order: by which of `WORTH` functions are sorted.
        problem: why there is no newer sample; empty if there is nothing wrong.
    """
    width, height = size
    troubles = [problem] if problem else list(top_rows.troubles(sample))[:2]
    workers = _table("worker", WORKERS, _workers(sample), width)
    fixed = FRAME + len(troubles) + workers.row_count
    room = max(2, height - fixed - FEWEST_LINES)
    rates = top_rows.functions(sample, order)[: room - 1]
    functions = _table("function", FUNCTIONS, _functions(sample.total, rates), width)
    lines = list(top_rows.said(sample))[: max(0, height - fixed - functions.row_count)]
    return Group(
        _line(_heading(info, sample), "bold"),
        *(_line(f"⚠ {text}", "yellow") for text in troubles),
        Text(),
        functions,
        Text(),
        workers,
        Text(),
        *(_line(text, _style(status)) for status, text in lines),
        _line(f"q quits   s sorts (now by {WORTH[order % len(WORTH)][0]})", "dim"),
    )


def _heading(info: EdgeInfo, sample: Sample) -> str:
    clock = f"{datetime.fromtimestamp(sample.at).astimezone():%H:%M:%S}"
    return f"Edge {info.version}   {clock}   {info.url}   {info.functions} functions"


def _functions(total: Rates, rates: Sequence[Rates]) -> Iterator[tuple[str, Any]]:
    yield top_rows.named(total), total
    yield from ((top_rows.named(each), each) for each in rates)


def _workers(sample: Sample) -> Iterator[tuple[str, Any]]:
    yield from ((str(row.now.slot), row) for row in top_rows.workers(sample))


def _table(
    name: str, columns: Sequence[Column], rows: Iterator[tuple[str, Any]], width: int
) -> Table:
    kept = top_rows.fitting(columns, width, NAME)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=width, header_style="dim")
    table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
    for column in kept:
        table.add_column(column.title, width=column.width, justify="right", no_wrap=True)
    for named, row in rows:
        table.add_row(Text(printable(named)), *(Text(column.of(row)) for column in kept))
    return table


def _line(text: str, style: str) -> Text:
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def _style(status: int) -> str:
    if status >= 500:
        return "red"
    return "yellow" if status >= 400 else ""
