"""How many frames that ask for nothing an HTTP/2 client may send. Pure.

Each costs the server more than the client: resets of what was just asked, pings, settings, empty
pieces of a body (CVE-2019-9512, -9514, -9515, -9518, CVE-2023-44487). Not here: what follows
(`hypercorn_http2`).
"""

BURST = 2000
PER_SECOND = 33.0
"""A client that means well stays far below both (nghttp2 bounds resets by 1000 and 33)."""


class Calm:
    """What is left of a client's allowance; it grows again with time."""

    __slots__ = ("_left", "_since")

    def __init__(self, now: float) -> None:
        """Begin with all of it; `now` is in seconds."""
        self._left = float(BURST)
        self._since = now

    def spend(self, now: float) -> bool:
        """Take one; False if there was none."""
        self._left = min(float(BURST), self._left + (now - self._since) * PER_SECOND)
        self._since = now
        self._left -= 1
        return self._left >= 0
