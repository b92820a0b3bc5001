"""How often a minute each of many may do something: one worker's share of it. Pure.

The generic cell rate algorithm, its numbers kept in memory: a minute's worth may come at once, then
one each interval. Not here: the answer to who has to wait.
"""

from collections import OrderedDict

from edge.state import gcra
from tokens.rate import Rate

MINUTE = 60

MOST_KEYS = 16_384
"""Keys that are remembered, about 2 MiB; beyond, the one quiet for longest is forgotten."""


class Share:
    """One worker's share of a limit; for use on its event loop alone."""

    def __init__(self, per_minute: int, workers: int = 1, most: int = MOST_KEYS) -> None:
        """Start with nothing taken.

        Args:
            per_minute: how often, for one key, in all workers; at least 1.
            workers: among which that is divided, rounded up.
            most: keys that are remembered.
        """
        self._rate = Rate(-(-per_minute // workers), MINUTE)
        self._most = most
        self._earned: OrderedDict[str, int] = OrderedDict()

    def allow(self, key: str, seconds: float) -> float | None:
        """Take one for a key; None if there is one, else seconds to wait for the next.

        A refusal takes nothing, so that who keeps asking does not wait longer for it.

        Args:
            key: whatever those are told apart by who each have the limit.
            seconds: of a clock that does not run backwards.
        """
        now = round(seconds * 1e9)
        standing = gcra.standing(self._earned.get(key, now), now, self._rate)
        wait = gcra.wait(standing, now, self._rate)
        if wait > 0:
            self._earned[key] = standing
            return wait / 1e9
        self._earned[key] = standing + self._rate.interval
        self._earned.move_to_end(key)
        self._forget(now)
        return None

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._earned)

    def _forget(self, now: int) -> None:
        """Drop the key that has been quiet longest if it owes nothing, or if there are too many.

        One is looked at for each that is taken, and so none stays for long once it owes nothing.
        """
        while len(self._earned) > self._most or self._is_idle(now):
            self._earned.popitem(last=False)

    def _is_idle(self, now: int) -> bool:
        return next(iter(self._earned.values())) <= now
