"""`jelou top`: what an edge does, as it does it; without a terminal one sample of it."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from edge.admin.errors import RETRYABLE, AdminError
from edge.admin.operations import Operations
from edge.admin.sampling import Sample, sample
from edge.cli import output, top_rows
from edge.cli.context import Session
from edge.cli.group import command, session
from edge.cli.top_screen import screen

EVERY = 1.0
"""Seconds between two looks."""


@command("top")
@session
def top(session: Session) -> None:
    """Show functions with their rates, latencies and errors, workers, and the last requests.

    Anew each second, until q; s sorts by another column. With --json, or without a terminal, what
    happened within one second, once.
    """
    operations = session.operations("scratch")  # where there is no store, no edge runs either
    sampler = Sampler(operations)
    if not session.interactive or session.environ.get("TERM") == "dumb":
        time.sleep(EVERY)
        session.show(sampler.take(), _lines)
        return
    console = Console(no_color=output.is_plain(session.environ), highlight=False)
    try:
        _watch(console, operations, sampler)
    except KeyboardInterrupt:  # the other way to leave
        return


class Sampler:
    """Looks at an edge's counts, again and again. AdminError as for `observed`."""

    def __init__(self, operations: Operations) -> None:
        """Look for the first time."""
        self._operations = operations
        self._before = operations.observed()

    def take(self) -> Sample:
        """What happened since the last look."""
        before, after = self._before, self._operations.observed()
        try:
            taken = sample(before, after)
        except ValueError as error:
            raise AdminError("API_ERROR", f"The counts are not understood: {error}") from None
        self._before = after
        return taken


def _watch(console: Console, operations: Operations, sampler: Sampler) -> None:
    """Show what happens until a key ends it."""
    info, taken, order, problem = operations.info(), sampler.take(), 0, ""
    due = time.monotonic() + EVERY
    with _keys() as descriptor, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(info, taken, console.size, order, problem), refresh=True)
            key = _pressed(descriptor, due - time.monotonic())
            if key in (b"q", b"Q"):
                return
            if key in (b"s", b"S"):
                order += 1
            if time.monotonic() >= due:
                due = time.monotonic() + EVERY
                try:
                    taken, problem = sampler.take(), ""
                except AdminError as error:
                    if error.code not in RETRYABLE:
                        raise
                    problem = error.message


@contextmanager
def _keys() -> Iterator[int]:
    """Have keys told one by one, unseen; the descriptor that tells them."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(descriptor: int, seconds: float) -> bytes:
    """The next key, or nothing if none is pressed in time; `q` where nobody is there any more."""
    ready, _, _ = select.select([descriptor], [], [], max(0.0, seconds))
    return (os.read(descriptor, 1) or b"q") if ready else b""


def _lines(taken: Sample) -> Iterator[str]:
    columns, workers = top_rows.FUNCTIONS, top_rows.WORKERS
    rates = [taken.total, *top_rows.functions(taken, 0)]
    yield from output.table(
        ["function", *(column.title for column in columns)],
        [[top_rows.named(each), *(column.of(each) for column in columns)] for each in rates],
    )
    yield from output.table(
        ["worker", *(column.title for column in workers)],
        [
            [str(row.now.slot), *(column.of(row) for column in workers)]
            for row in top_rows.workers(taken)
        ],
    )
    yield from map(output.warning, top_rows.troubles(taken))
    yield from (text for _, text in top_rows.said(taken))
