"""What a worker records of those whom it refuses, and how the trail is kept short.

Blocking; in batches, since whoever is refused must not make the edge write for each request.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edge.audit.actor import acting
from edge.audit.record import Actor
from edge.audit.refused import RefusedTokens
from edge.audit.store import AuditTrail

Due = Callable[[float], Mapping[str, Any] | None]
"""Failed authentications that are due to be recorded at a time in seconds, if there are any."""


class Watch:
    """One worker's.

    Args:
        failed: those of the management API.
        clock: a monotonic clock, seconds.
        kept: how many records the trail keeps; None in all workers but one.
    """

    def __init__(
        self,
        trail: AuditTrail,
        refused: RefusedTokens,
        failed: Due,
        clock: Callable[[], float],
        kept: int | None,
    ) -> None:
        self._trail = trail
        self._refused = refused
        self._failed = failed
        self._clock = clock
        self._kept = kept

    def write(self) -> None:
        """Write down what was noted; may raise StoreError, and then keeps what it can."""
        self._write_refused()
        self._write_failed(self._clock())

    def finish(self) -> None:
        """Write down all that is left, due or not."""
        self._write_refused()
        self._write_failed(float("inf"))

    def _write_refused(self) -> None:
        uses = self._refused.take()
        try:
            while uses:
                use = uses[-1]
                with acting(Actor("unknown", "unknown", None, use.address)):
                    self._trail.note_once(
                        f"token {use.token}",
                        "token.refused",
                        function=use.function,
                        subject=use.token,
                        name=use.name,
                        reason=use.reason,
                    )
                uses.pop()
        finally:
            for use in uses:
                self._refused.note(use)

    def _write_failed(self, now: float) -> None:
        failed = self._failed(now)
        if failed is not None:
            with acting(Actor("unknown", "unknown", None, "several")):
                self._trail.note("access.refused", **failed)

    def prune(self) -> None:
        """Forget records over their number."""
        if self._kept is not None:
            self._trail.prune(self._kept)
