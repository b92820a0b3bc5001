"""The circuits of all upstream addresses of a worker, and which of several takes a request. Pure.

Nothing is known of an address until it fails, so that requests to sound ones cost nothing here.
Addresses of functions that the edge runs have no circuit: the runner starts their processes again,
with pauses of its own, and a process that has just been started must not be left alone.
"""

from collections.abc import Callable

from edge.forwarding.breaker import Breaker, BreakerLimits
from edge.forwarding.wire import CircuitOpen, FailureKind, UpstreamFailure
from edge.functions import Upstream

MOST = 4096
"""Addresses in trouble, and addresses of which it is known when they were picked, at most."""

_TROUBLE: frozenset[FailureKind] = frozenset({"unreachable", "reset", "timeout"})
"""No answer at all; whatever else an address says is its answer."""

Addresses = tuple[Upstream, ...]


class Circuits:
    """The circuits of one event loop.

    Args:
        clock: a monotonic clock, seconds.
        load: requests in flight to an address.

    Attributes:
        known: those of addresses that failed not long ago, by `Upstream.key`.
    """

    __slots__ = ("_clock", "_limits", "_load", "_picked", "_picks", "known")

    def __init__(
        self,
        limits: BreakerLimits,
        clock: Callable[[], float],
        load: Callable[[Upstream], int],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._load = load
        self._picked: dict[str, int] = {}
        self._picks = 0
        self.known: dict[str, Breaker] = {}

    def left_alone(self) -> tuple[str, ...]:
        """The keys of the addresses that take no request now but a probe."""
        now = self._clock()
        return tuple(key for key, each in self.known.items() if each.verdict(now) != "closed")

    # Choosing.

    def check(self, upstreams: Addresses) -> None:
        """Raise `CircuitOpen` if none of a function's addresses would take a request now."""
        if self.known:
            now = self._clock()
            if all(self._is_open(upstream, now) for upstream in upstreams):
                raise self._refusal(upstreams, now)

    def choose(self, upstreams: Addresses) -> tuple[Addresses, bool]:
        """The addresses to try, in order, and whether going to the first is a probe.

        The one with the fewest requests in flight is the first, equals take turns; one whose
        circuit is open is left out, and comes before all others when a probe is due. Whoever goes
        as the probe tells what came of it: `failed`, `answered` or `abandoned`.

        Raises:
            CircuitOpen: all of them are to be left alone.
        """
        if len(upstreams) == 1:
            return self._sole(upstreams) if self.known else (upstreams, False)
        choices, probe = self._of_many(self._in_order(upstreams))
        self._pick(choices[0])
        return choices, probe

    def _sole(self, upstreams: Addresses) -> tuple[Addresses, bool]:
        breaker = self.known.get(upstreams[0].key)
        if breaker is None:
            return upstreams, False
        now = self._clock()
        verdict = breaker.verdict(now)
        if verdict == "open":
            raise self._refusal(upstreams, now)
        if verdict == "due":
            breaker.probe(now)
        return upstreams, verdict == "due"

    def _of_many(self, upstreams: Addresses) -> tuple[Addresses, bool]:
        if not self.known:
            return upstreams, False
        now = self._clock()
        due, closed, spare = [], [], []
        for upstream in upstreams:
            breaker = self.known.get(upstream.key)
            match "closed" if breaker is None else breaker.verdict(now):
                case "closed":
                    closed.append(upstream)
                case "due":
                    due.append(upstream)
                case "spare":
                    spare.append(upstream)
        if due:
            self.known[due[0].key].probe(now)
        choices = (*due[:1], *closed, *spare)
        if not choices:
            raise self._refusal(upstreams, now)
        return choices, bool(due)

    def _in_order(self, upstreams: Addresses) -> Addresses:
        """By requests in flight; of those with as few, the one picked longest ago."""
        picked, load = self._picked, self._load
        return tuple(sorted(upstreams, key=lambda each: (load(each), picked.get(each.key, 0))))

    def _pick(self, upstream: Upstream) -> None:
        if len(self._picked) > MOST:
            self._picked.clear()
        self._picks += 1
        self._picked[upstream.key] = self._picks

    def _is_open(self, upstream: Upstream, now: float) -> bool:
        breaker = self.known.get(upstream.key)
        return breaker is not None and breaker.verdict(now) == "open"

    def _refusal(self, upstreams: Addresses, now: float) -> CircuitOpen:
        """For so long as until the first of them may be asked again."""
        found = [self.known[each.key] for each in upstreams if each.key in self.known]
        first = min(found, key=lambda breaker: breaker.left(now))
        return CircuitOpen(first.left(now), first.cause)

    # What came of requests.

    def connected(self, upstream: Upstream, *, probe: bool) -> None:
        """An address took a connection."""
        if probe and (breaker := self.known.get(upstream.key)) is not None:
            breaker.connected()

    def answered(self, upstream: Upstream, *, probe: bool) -> None:
        """The head of an answer came."""
        breaker = self.known.get(upstream.key)
        if breaker is None:
            return
        now = self._clock()
        breaker.answered(now, probe=probe)
        if breaker.over(now):
            del self.known[upstream.key]

    def failed(
        self, upstream: Upstream, failure: UpstreamFailure, *, probe: bool, spare: bool = False
    ) -> None:
        """No answer came.

        That a kept connection had been closed meanwhile says nothing of the address.

        Args:
            spare: whether another address is tried at once.
        """
        if upstream.scheme == "run" or failure.stale:
            return
        if failure.kind in _TROUBLE:
            breaker, now = self._breaker(upstream), self._clock()
            breaker.failed(now, failure.kind, probe=probe, spare=spare)
        else:
            self.answered(upstream, probe=probe)

    def abandoned(self, upstream: Upstream) -> None:
        """Whoever went as a probe has left before anything came of it."""
        if (breaker := self.known.get(upstream.key)) is not None:
            breaker.abandoned(self._clock())

    def may_retry(self, upstream: Upstream, carried: int = 0) -> bool:
        """Whether a request may be repeated within the address's budget; see `Breaker`."""
        if upstream.scheme == "run":
            return True
        return self._breaker(upstream).may_retry(self._clock(), carried)

    def _breaker(self, upstream: Upstream) -> Breaker:
        breaker, now = self.known.get(upstream.key), self._clock()
        if breaker is not None and not breaker.over(now):
            return breaker
        if len(self.known) >= MOST:
            self._forget(now)
        breaker = self.known[upstream.key] = Breaker(self._limits, now)
        return breaker

    def _forget(self, now: float) -> None:
        """Those that are over; if all still matter, the one known for longest."""
        self.known = {key: one for key, one in self.known.items() if not one.over(now)}
        if len(self.known) >= MOST:
            del self.known[next(iter(self.known))]
