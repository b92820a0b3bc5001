"""Failed authentications at the management API: how many an address may make, and what they were.

Counts in one worker's memory, bounded whoever asks. A good token is never refused for them. Pure.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

A_MINUTE = 30
"""Failures of one address in a minute; more are answered 429."""
SOURCES = 1024
"""Addresses remembered; the one heard of least recently goes first."""
TOLD = 20
"""Addresses named in one record; the rest is one number."""
TOLD_EVERY = 600.0
"""Seconds between two records of one worker."""
MINUTE = 60.0


class FailedLogins:
    """See the module."""

    def __init__(self) -> None:
        self._lately: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._untold: Counter[str] = Counter()
        self._others = 0
        self._told = float("-inf")

    def note(self, address: str, now: float) -> float | None:
        """One more failure; the seconds to wait if that is too many.

        Args:
            now: by a monotonic clock, seconds.
        """
        source = source_of(address)
        if source in self._untold or len(self._untold) < SOURCES:
            self._untold[source] += 1
        else:
            self._others += 1
        began, count = self._lately.pop(source, (now, 0))
        if now - began >= MINUTE:
            began, count = now, 0
        self._lately[source] = began, count + 1
        if len(self._lately) > SOURCES:
            self._lately.popitem(last=False)
        return None if count < A_MINUTE else began + MINUTE - now

    def due(self, now: float) -> Mapping[str, object] | None:
        """What to record of those not recorded yet; None if there are none, or it is too soon."""
        if not self._untold or now - self._told < TOLD_EVERY:
            return None
        named = self._untold.most_common(TOLD)
        total = self._untold.total() + self._others
        self._untold, self._others, self._told = Counter(), 0, now
        return {"failures": total, "addresses": dict(named)}


def source_of(address: str) -> str:
    """What counts as one caller: an address, or the /64 that an IPv6 host has to itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
