"""Failed authentications at the management API: how many an address may make, and what they were.

Counts in one worker's memory, bounded whoever asks. A good token is never refused for them. Pure.
"""

from collections import Counter
from collections.abc import Mapping

from edge.headers import network_of
from edge.state.shares import Share

A_MINUTE = 30
"""Failures of one address in a minute; more are answered 429."""
SOURCES = 1024
"""Addresses remembered; the one quiet for longest goes first."""
TOLD = 20
"""Addresses named in one record; the rest is one number."""
TOLD_EVERY = 600.0
"""Seconds between two records of one worker."""


class FailedLogins:
    """See the module."""

    def __init__(self) -> None:
        self._share = Share(A_MINUTE, most=SOURCES)
        self._untold: Counter[str] = Counter()
        self._others = 0
        self._told = float("-inf")

    def note(self, address: str, now: float) -> float | None:
        """One more failure; the seconds to wait if that is too many.

        Args:
            now: by a monotonic clock, seconds.
        """
        source = network_of(address) or address[:64]
        if source in self._untold or len(self._untold) < SOURCES:
            self._untold[source] += 1
        else:
            self._others += 1
        return self._share.allow(source, now)

    def due(self, now: float) -> Mapping[str, object] | None:
        """What to record of those not recorded yet; None if there are none, or it is too soon."""
        if not self._untold or now - self._told < TOLD_EVERY:
            return None
        named = self._untold.most_common(TOLD)
        total = self._untold.total() + self._others
        self._untold, self._others, self._told = Counter(), 0, now
        return {"failures": total, "addresses": dict(named)}
