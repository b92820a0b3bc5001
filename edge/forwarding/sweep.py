"""One timer for the deadlines of many connections, in place of a timer for each request."""

import asyncio
from math import inf
from typing import Protocol

GRANULARITY = 0.05
"""Seconds between two looks, at least: how late a deadline may be noticed."""


class Timed(Protocol):
    """Something that ends at a time of the loop's clock unless it is moved on.

    Attributes:
        deadline: `loop.time()` at which `expired` is called; infinite for never.
    """

    deadline: float

    def expired(self) -> None:
        """The deadline has passed; called again at each look until it is moved."""


class Sweep:
    """Looks over its members when the earliest deadline is due.

    A deadline that moves later costs nothing: the look finds it unripe and goes by the next.
    """

    __slots__ = ("_due", "_timer", "members")

    def __init__(self) -> None:
        self.members: set[Timed] = set()
        self._due = inf
        self._timer: asyncio.TimerHandle | None = None

    def note(self, deadline: float) -> None:
        """A member has this deadline now."""
        if deadline < self._due:
            self._arm(deadline)

    def stop(self) -> None:
        """Look no more, until the next `note`."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._due = inf

    def _arm(self, due: float) -> None:
        self.stop()
        self._due = due
        self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        self.stop()
        now = asyncio.get_running_loop().time()
        for member in tuple(self.members):
            if member.deadline <= now:
                member.expired()
        earliest = min((member.deadline for member in self.members), default=inf)
        if earliest < inf:
            self._arm(max(earliest, now + GRANULARITY))
