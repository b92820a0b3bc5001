"""A run that somebody asks for now; called in a thread beside the event loop."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import anyio.from_thread

from edge.cron.firing import Firing
from edge.cron.schedule import schedules
from edge.cron.store import Due, Stale
from edge.functions import Function

TRIES = 5


@dataclass(frozen=True, slots=True)
class FireNow:
    """Starts runs that were asked for.

    Attributes:
        live: a function as it is live, or None, and the store's generation.
    """

    firing: Firing
    live: Callable[[str], Coroutine[Any, Any, tuple[Function | None, int]]]

    def __call__(self, slug: str, key: str) -> str | None:
        """Start a run of a schedule, and give its id; None if there is no such schedule any more.

        What may not start beside the run before is skipped, which then is the run's state.
        """
        for _ in range(TRIES):
            function, generation = anyio.from_thread.run(self.live, slug)
            found = schedules(function) if function is not None else ()
            schedule = next((one for one in found if one.key == key), None)
            if function is None or schedule is None:
                return None
            try:
                (order,) = self.firing.claim([(Due(schedule, None), function)], generation)
            except Stale:
                continue
            anyio.from_thread.run_sync(self.firing.start, order)
            return order.claimed.id
        return None
