"""What can be done with functions' logs: their Protocol, and the values it gives. Pure.

As `edge.admin.operations`, of which it is a part.
"""

from dataclasses import dataclass
from typing import Any, Protocol

LINES_AT_ONCE = 1000
"""Lines of one answer at most; 100 unless a number is asked for."""

LONGEST_WAIT = 5
"""Seconds that a call waits for new lines at most; short, so that an edge can end meanwhile."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines of a function's log, the oldest first.

    Attributes:
        lines: each with `timestamp` (RFC 3339), `level`, `function`, `deployment`, `instance`,
            `stream` (`stdout`, `stderr`; `edge` for what the edge says) and either `message`, with
            `cut`, how many bytes are missing, where it was too long, or what `ctx.log` says:
            `requestId` and `args`.
        cursor: for the next call, to get what comes after these.
        more: whether there is more already.
        gap: whether lines before these are gone, rotated away since the cursor was given.
        is_run: whether the edge runs the function; the output of others is where they run.
    """

    lines: tuple[dict[str, Any], ...]
    cursor: str
    more: bool
    gap: bool
    is_run: bool


class LogOperations(Protocol):
    """Logs of functions. Synchronous; safe in several threads."""

    def logs(
        self,
        function: str,
        after: str | None = None,
        limit: int | None = None,
        wait: int | None = None,
        within: int | None = None,
        request: str | None = None,
    ) -> LogPage:
        """What a function has written.

        Args:
            after: the cursor of another answer; without it, the last lines.
            limit: how many lines at most, up to `LINES_AT_ONCE`.
            wait: seconds to wait for a line behind `after`, up to `LONGEST_WAIT`; default not.
            within: lines of so many seconds before now alone.
            request: lines of this request alone.

        Raises:
            AdminError: NOT_FOUND for the function, INPUT_ERROR for a cursor that is none.
        """
        ...
