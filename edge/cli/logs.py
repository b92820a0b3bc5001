"""`jelou logs`: what a function writes, as it comes or as it was."""

import time
from collections.abc import Iterator

import click

from edge.admin.errors import RETRYABLE, AdminError
from edge.admin.log_operations import LINES_AT_ONCE, LONGEST_WAIT, LogPage
from edge.admin.operations import Operations
from edge.cli import output
from edge.cli.context import Session
from edge.cli.durations import Duration
from edge.cli.group import command, session
from edge.cli.log_lines import shown

BEFORE = 10
"""Lines that are shown before those that come."""

HISTORY = 100

PATIENCE = 30
"""Times that an edge which cannot be reached is tried again, a second apart."""


@command("logs")
@click.argument("slug")
@click.option("-f", "--follow", is_flag=True, help="Show what comes, until Ctrl+C (default).")
@click.option("--history", is_flag=True, help="Show what was written, and stop.")
@click.option(
    "--since", type=Duration(), metavar="10m", help="Only lines of that long ago or less."
)
@click.option("--request", metavar="ID", help="Only lines of the request with this id.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(1, LINES_AT_ONCE),
    metavar="N",
    help=f"How many earlier lines: default {HISTORY} with --history, else {BEFORE}.",
)
@session
def logs(
    session: Session,
    slug: str,
    follow: bool,
    history: bool,
    since: float | None,
    request: str | None,
    lines: int | None,
) -> None:
    """Show what a function that the edge runs has written to stdout, stderr and ctx.log.

    With --json each line is an object of its own, as it is kept.
    """
    if follow and history:
        raise click.UsageError("--follow shows what comes, --history what was: choose one.")
    within = None if since is None else max(1, round(since))
    reader = _Reader(session, session.operations(), slug, request, within)
    if history:
        reader.history(lines or (LINES_AT_ONCE if since is not None else HISTORY))
    else:
        reader.follow(lines or (LINES_AT_ONCE if since is not None else BEFORE))


class _Reader:
    """Reads and shows one function's log."""

    def __init__(
        self,
        session: Session,
        operations: Operations,
        slug: str,
        request: str | None,
        within: int | None,
    ) -> None:
        self._session = session
        self._operations = operations
        self._slug = slug
        self._request = request
        self._within = within

    def history(self, count: int) -> None:
        """Show the last lines."""
        page = self._last(count)
        number = len(page.lines)
        self._say([f"◇ Fetched {number} {'log' if number == 1 else 'logs'}"])
        self._show(page)

    def follow(self, count: int) -> None:
        """Show the last lines and all that come, until someone interrupts."""
        page = self._last(count)
        self._say(
            [
                f"{output.ITEM} Streaming logs for {self._slug}",
                f"{output.ITEM} Press Ctrl+C to stop",
            ]
        )
        self._show(page)
        try:
            for more in self._coming(page.cursor):
                self._show(more)
        except KeyboardInterrupt:
            return

    def _last(self, count: int) -> LogPage:
        page = self._operations.logs(
            self._slug, limit=count, within=self._within, request=self._request
        )
        if not page.is_run:
            self._session.out.warn(
                f"The edge does not run {self._slug}; what it writes is where it runs"
            )
        return page

    def _coming(self, cursor: str) -> Iterator[LogPage]:
        """Page after page, without end; an edge that is being restarted is waited for."""
        failures = 0
        while True:
            try:
                page = self._operations.logs(
                    self._slug, after=cursor, wait=LONGEST_WAIT, request=self._request
                )
            except AdminError as error:
                failures += 1
                if error.code not in RETRYABLE or failures > PATIENCE:
                    raise
                time.sleep(1.0)
                continue
            cursor, failures = page.cursor, 0
            yield page

    def _show(self, page: LogPage) -> None:
        if page.gap:
            self._session.out.warn("Lines are missing here: they were rotated away before")
        if self._session.given.json:
            for line in page.lines:
                self._session.out.json(line)
        else:
            self._session.out.lines(shown(line) for line in page.lines)

    def _say(self, lines: list[str]) -> None:
        if not self._session.given.json:
            self._session.out.lines(lines)
