"""Reads a function's log and shows it: as it was, and as it comes."""

import time
from collections.abc import Iterator

from edge.admin.errors import RETRYABLE, AdminError
from edge.admin.log_operations import LONGEST_WAIT, LogPage
from edge.admin.operations import Operations
from edge.cli import output
from edge.cli.context import Session
from edge.cli.log_lines import shown

BEFORE = 10
"""Lines that are shown before those that come."""

PATIENCE = 30
"""Times that an edge which cannot be reached is tried again, a second apart."""


class LogReader:
    """One function's log on this terminal.

    Args:
        request: the id of the request whose lines alone are shown, or None.
        within: seconds; older lines are not shown, or None.
    """

    def __init__(
        self,
        session: Session,
        operations: Operations,
        slug: str,
        request: str | None = None,
        within: int | None = None,
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
