"""Functions' logs in a data directory of this machine, directly."""

import time
from collections.abc import Callable
from pathlib import Path

from edge.admin.errors import AdminError
from edge.admin.log_operations import LINES_AT_ONCE, LONGEST_WAIT, LogPage
from edge.functions import Function
from edge.logs import kept, reader
from edge.logs.line import timestamp
from edge.logs.reader import BadCursor, Line, Page, Wanted

LOOK_EVERY = 0.2
"""Seconds between two looks for new lines."""

USUAL = 100


class LocalLogs:
    """`LogOperations` on a data directory; the docstrings are the Protocol's."""

    def __init__(self, data_dir: Path, now: Callable[[], float]) -> None:
        self._data_dir = data_dir
        self._now = now

    def logs(
        self,
        function: Function,
        after: str | None,
        limit: int | None,
        wait: int | None,
        wanted: Wanted,
    ) -> LogPage:
        """See LogOperations.logs."""
        count = min(max(1, USUAL if limit is None else limit), LINES_AT_ONCE)
        where = kept.directory(self._data_dir, function.slug)
        try:
            page = (
                reader.last(where, count, wanted)
                if after is None
                else _waited(where, after, count, wanted, min(wait or 0, LONGEST_WAIT))
            )
        except BadCursor as bad:
            raise AdminError("INPUT_ERROR", str(bad)) from None
        except OSError as error:
            reason = error.strerror or error
            raise AdminError("API_ERROR", f"The log cannot be read: {reason}") from None
        is_run = function.live.project.run is not None
        return LogPage(page.lines, page.cursor, page.more, page.gap, is_run)

    def wanted(self, within: int | None, request: str | None) -> Wanted:
        """Which lines are asked for."""
        since = "" if within is None else timestamp(self._now() - max(0, within))

        def is_wanted(line: Line) -> bool:
            right_request = request is None or line.get("requestId") == request
            return right_request and bool(line["timestamp"] >= since)

        return is_wanted

    def forget(self, slug: str) -> None:
        """Remove the log of a function that is gone."""
        kept.remove(self._data_dir, slug)


def _waited(where: Path, after: str, count: int, wanted: Wanted, wait: float) -> Page:
    """What comes after a cursor, as soon as there is something."""
    deadline = time.monotonic() + wait
    while True:
        page = reader.after(where, after, count, wanted)
        left = deadline - time.monotonic()
        if page.lines or page.more or left <= 0:
            return page
        after = page.cursor  # what was not wanted need not be read again
        time.sleep(min(LOOK_EVERY, left))
