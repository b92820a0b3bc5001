"""Whether one upstream address is asked or left alone for a while: a circuit breaker. Pure.

Closed it lets requests through; too many failures open it; once it has been open for a while it
lets one request through as a probe, whose outcome closes it or opens it again for longer. It holds
the address's retry budget too. Times are seconds of one monotonic clock, given as `now`.
"""

from dataclasses import dataclass
from typing import Literal

from edge.forwarding.wire import FailureKind

Verdict = Literal["closed", "spare", "due", "open"]
"""What a request may do: go; go if there is no other address; go as the probe; not go."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When circuits open, and for how long.

    Attributes:
        failures: so many in a row open it.
        share: so large a share of failures opens it too, of at least `least` requests in `window`.
        window: seconds, over which requests are counted.
        wait: seconds for which it is open at first; twice as long after each probe that failed.
        longest: seconds for which it is open at most, and for which it waits for one probe.
        memory: seconds without a failure after which everything is forgotten.
        retries: requests that may be repeated on a fresh connection without more ado.
        retry_rate: so many more of them each second, up to `retries`.
        retry_share: and of the requests that a broken connection had carried, this share more.
        most_retries: that are saved up at most.
    """

    failures: int = 5
    share: float = 0.5
    least: int = 20
    window: float = 10.0
    wait: float = 1.0
    longest: float = 8.0
    memory: float = 60.0
    retries: float = 10.0
    retry_rate: float = 1.0
    retry_share: float = 0.2
    most_retries: float = 1024.0


USUAL = BreakerLimits()


class Breaker:
    """The circuit of one address.

    Attributes:
        cause: what the last failure was.
    """

    __slots__ = (
        "_budget",
        "_failed_at",
        "_limits",
        "_mild",
        "_refilled_at",
        "_row",
        "_state",
        "_until",
        "_wait",
        "_window",
        "cause",
    )

    def __init__(self, limits: BreakerLimits, now: float) -> None:
        self._limits = limits
        self._state: Literal["closed", "open", "probing"] = "closed"
        self._mild = False
        self._row = 0
        self._wait = limits.wait
        self._until = now
        self._failed_at = now
        self._window = Window(limits.window / 2, now)
        self._budget = limits.retries
        self._refilled_at = now
        self.cause: FailureKind = "unreachable"

    # May a request go?

    def verdict(self, now: float) -> Verdict:
        """What the next request may do."""
        if self._state == "closed":
            return "closed"
        if now >= self._until:
            return "due"
        return "spare" if self._mild else "open"

    def left(self, now: float) -> float:
        """Seconds until asking again is worth while; a probe under way may end any time."""
        most = self._limits.wait if self._state == "probing" else self._limits.longest
        return min(max(self._until - now, 0.0), most)

    def probe(self, now: float) -> None:
        """A request goes as the probe; another may if it takes too long."""
        self._state = "probing"
        self._until = now + self._limits.longest

    # What came of it.

    def connected(self) -> None:
        """The probe has a connection, which is all that was wanting if none could be made."""
        if self._state == "probing" and self.cause == "unreachable":
            self._state = "closed"

    def answered(self, now: float, *, probe: bool) -> None:
        """The head of an answer has come; what began before a circuit opened tells nothing."""
        if self._state != "closed":
            if not probe and not self._mild:
                return
            self._state = "closed"
            self._window = Window(self._limits.window / 2, now)
        self._row = 0
        self._wait = self._limits.wait
        self._window.count(now, failed=False)

    def failed(self, now: float, cause: FailureKind, *, probe: bool, spare: bool) -> None:
        """A request had no answer.

        Args:
            spare: whether it had other addresses to go to; then so may the next ones at once.
        """
        beside = self._state != "closed" and not probe
        if beside and not self._mild:
            return
        self.cause = cause
        self._failed_at = now
        self._row += 1
        self._window.count(now, failed=True)
        if self._row >= self._limits.failures or self._window.bad(self._limits):
            self._open(now, mild=False)
        elif not beside and (spare or self._state != "closed"):
            self._open(now, mild=spare or self._mild)

    def abandoned(self, now: float) -> None:
        """The probe was given up before anything came of it: the next request is one."""
        if self._state == "probing":
            self._state = "open"
            self._until = now

    def _open(self, now: float, *, mild: bool) -> None:
        self._state = "open"
        self._mild = mild
        self._until = now + self._wait
        self._wait = min(2 * self._wait, self._limits.longest)

    def over(self, now: float) -> bool:
        """Whether the last failure is so long ago that it need not be remembered."""
        return now - max(self._failed_at, self._refilled_at) >= self._limits.memory

    # Retries.

    def may_retry(self, now: float, carried: int) -> bool:
        """Whether one more request may be repeated, which is then counted as repeated.

        Args:
            carried: requests that the broken connection had carried before this one.
        """
        limits = self._limits
        refilled = self._budget + (now - self._refilled_at) * limits.retry_rate
        self._budget = max(self._budget, min(refilled, limits.retries))
        self._refilled_at = now
        self._budget = min(self._budget + limits.retry_share * carried, limits.most_retries)
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


class Window:
    """Requests and failures of the last while: this half of the window and the one before."""

    __slots__ = ("_began", "_half", "_new", "_old")

    def __init__(self, half: float, now: float) -> None:
        """`half` is in seconds."""
        self._half = half
        self._began = now
        self._old = (0, 0)
        self._new = (0, 0)

    def count(self, now: float, *, failed: bool) -> None:
        """One more request."""
        passed = int((now - self._began) / self._half)
        if passed > 0:
            self._old = self._new if passed == 1 else (0, 0)
            self._new = (0, 0)
            self._began += passed * self._half
        self._new = (self._new[0] + 1, self._new[1] + failed)

    def bad(self, limits: BreakerLimits) -> bool:
        """Whether too large a share of them failed."""
        total, failures = self._old[0] + self._new[0], self._old[1] + self._new[1]
        return total >= limits.least and failures >= limits.share * total
