"""What can be done with schedules: their Protocol, and the values it takes and gives. Pure.

As `edge.admin.operations`, of which it is a part.
"""

from dataclasses import dataclass, field
from typing import Protocol

from edge.admin.times import Time

OVERLAP = 86400.0
"""Seconds for which a signing secret that is rotated out goes on signing beside the new one."""


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A schedule of a function.

    Attributes:
        name: as the project file names it, or None.
        tool: whose it is, or None for the function's own.
        target: where its runs are sent; None while the tool's address is not known: then each
            fails.
        next: when it is due next.
    """

    name: str | None
    expression: str
    timezone: str
    tool: str | None
    target: str | None
    bot_id: str | None
    overlap: str
    grace: int
    next: Time | None


@dataclass(frozen=True, slots=True)
class CronRunInfo:
    """A run of a schedule.

    Attributes:
        due: the tick that it is for; None if it was asked for.
        state: `running`, `ok` (an answer under 400), `error`, `skipped` (the run before was still
            going) or `unknown` (its process ended before it).
        status: of the answer, or None if there was none.
        code: the edge's error, if it was one.
        duration: milliseconds, or None while it runs and where nobody knows.
    """

    id: str
    function: str
    name: str | None
    expression: str
    tool: str | None
    manual: bool
    due: Time | None
    state: str
    status: int | None
    code: str | None
    started: Time
    ended: Time | None
    duration: int | None


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """What the runs of a function's schedules are signed with.

    Attributes:
        secret: the newest; receivers key their HMAC with its UTF-8 bytes, as printed.
        previous: the one that it replaces and that signs too, or None.
    """

    function: str
    secret: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)


class CronOperations(Protocol):
    """Schedules and their runs. Synchronous; safe in several threads."""

    def schedules(self, slug: str) -> tuple[ScheduleInfo, ...]:
        """A function's schedules; NOT_FOUND if there is no function."""
        ...

    def cron_runs(
        self, slug: str, state: str | None = None, limit: int | None = None
    ) -> tuple[CronRunInfo, ...]:
        """A function's runs, newest first.

        Args:
            state: one of `CronRunInfo`'s, in any case; None for all.
            limit: how many at most; None for all that are kept.

        Raises:
            AdminError: NOT_FOUND if there is no function, INPUT_ERROR for another state or limit.
        """
        ...

    def cron_run(self, slug: str, id: str) -> CronRunInfo:  # noqa: A002
        """One run; NOT_FOUND if there is none."""
        ...

    def fire(self, slug: str, name: str | None = None) -> CronRunInfo:
        """Start a run now and return at once; `cron_run` tells what becomes of it.

        Args:
            name: the schedule's name or its expression; None if the function has but one.

        Raises:
            AdminError: NOT_FOUND for function or schedule, INPUT_ERROR if several could be meant,
                TRANSIENT_ERROR if no edge is running.
        """
        ...

    def signing_secret(self, slug: str) -> SigningSecret:
        """The signing secret, made now if there is none; NOT_FOUND if there is no function."""
        ...

    def rotate_signing_secret(self, slug: str, overlap: float = OVERLAP) -> SigningSecret:
        """A new signing secret; the one before signs too for `overlap` seconds.

        Raises:
            AdminError: NOT_FOUND if there is no function.
        """
        ...
