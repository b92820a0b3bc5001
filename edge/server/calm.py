"""How many frames that ask for nothing a client of HTTP/2 or HTTP/3 may send. Pure.

Each costs the server more than the client: resets of what was just asked, pings, settings, empty
pieces of a body (CVE-2019-9512, -9514, -9515, -9518, CVE-2023-44487). Not here: what follows
(`hypercorn_http2`, `hypercorn_http3`).
"""

BURST = 2000
PER_SECOND = 33.0
"""A client that means well stays far below both (nghttp2 bounds resets by 1000 and 33)."""


HALVES = 256
"""Streams that were given up in one direction and wait for the other, at most: it comes at once."""


class Halves:
    """Tells the second of the two frames by which a stream is given up, one for each direction.

    A client of HTTP/3 sends both (RFC 9114 §4.1.1) where one of HTTP/2 sends one.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: set[int] = set()

    def is_second(self, stream_id: int) -> bool:
        """Note a frame; whether the other half of what it does came before."""
        if stream_id in self._waiting:
            self._waiting.discard(stream_id)
            return True
        if len(self._waiting) >= HALVES:
            self._waiting.clear()
        self._waiting.add(stream_id)
        return False


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
