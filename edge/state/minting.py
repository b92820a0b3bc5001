"""How many MCP sessions a token may open: a rate for each line of tokens. Pure.

The generic cell rate algorithm (ITU-T I.371): one number for each line, the time at which all that
it has taken will have been earned. A minute's worth may come at once, then one each interval. Not
here: the answer to who has to wait.
"""

from collections import OrderedDict

MINUTE = 60.0

MOST_LINES = 16_384
"""Lines that are remembered, about 2 MiB; beyond, the one quiet for longest is forgotten."""

_ROUNDING = 1e-6
"""Seconds by which sums of intervals may be off."""


class MintLimit:
    """One worker's share of the limit; for use on its event loop alone."""

    def __init__(self, per_minute: int, workers: int = 1, most: int = MOST_LINES) -> None:
        """Start with nothing taken.

        Args:
            per_minute: sessions of one line in all workers, at least 1.
            workers: among which that is divided, rounded up.
            most: lines that are remembered.
        """
        self._interval = MINUTE / -(-per_minute // workers)
        self._most = most
        self._earned: OrderedDict[str, float] = OrderedDict()

    def allow(self, lineage: str, now: float) -> float | None:
        """Take one session for a line; None if it may be opened, else seconds to wait for the next.

        A refusal takes nothing, so that who keeps asking does not wait longer for it.

        Args:
            lineage: of the token; whatever callers without one are to be told apart by.
            now: seconds, of a clock that does not run backwards.
        """
        earned = max(self._earned.get(lineage, now), now) + self._interval
        wait = earned - now - MINUTE
        if wait > _ROUNDING:
            return wait
        self._earned[lineage] = earned
        self._earned.move_to_end(lineage)
        self._forget(now)
        return None

    def __len__(self) -> int:
        """How many lines are remembered."""
        return len(self._earned)

    def _forget(self, now: float) -> None:
        """Drop the line that has been quiet longest if it owes nothing, or if there are too many.

        One is looked at for each that is taken, and so none stays for long once it owes nothing.
        """
        while len(self._earned) > self._most or self._is_idle(now):
            self._earned.popitem(last=False)

    def _is_idle(self, now: float) -> bool:
        return next(iter(self._earned.values())) <= now
