"""How fast a request's body comes from its client. Pure."""


class BodyClock:
    """Whether a body comes fast enough: something every `idle` seconds, and `rate` bytes a second.

    Only time spent waiting for the client counts: `excuse` it while the function is what is slow.
    """

    __slots__ = ("_bytes", "_idle", "_last", "_rate", "_since")

    def __init__(self, idle: float, rate: int, now: float) -> None:
        """`idle` in seconds, `rate` in bytes a second over any `idle` seconds."""
        self._idle = idle
        self._rate = rate
        self._since = self._last = now
        self._bytes = 0

    def came(self, size: int, now: float) -> None:
        """So many bytes have come."""
        self._last = now
        self._bytes += size

    def excuse(self, now: float) -> None:
        """The wait until now was not the client's."""
        self._since = self._last = now
        self._bytes = 0

    def too_slow(self, now: float) -> bool:
        """Whether the client has had its time."""
        if now - self._last > self._idle:
            return True
        waited = now - self._since
        if waited < self._idle:
            return False
        slow = self._bytes < self._rate * waited
        self._since, self._bytes = now, 0
        return slow
