"""When schedules fire: the loop of one process beside others on the same store.

It sleeps until the next tick, or for a moment: clocks jump and schedules change. What is due is
offered to the store, which gives each tick away once; so the loop may forget all it knows and begin
anew from `grace` ago whenever in doubt. Not here: how a run is carried out (`firing`).
"""

import heapq
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio.lowlevel
import anyio.to_thread

from edge.cron.firing import Firing, Order
from edge.cron.schedule import Schedule, schedules, ticks
from edge.cron.store import Due, Stale
from edge.functions import Function
from tokens.errors import StoreError

LONGEST_SLEEP = 0.5
"""Seconds; how late a jump of the clock or a changed schedule is seen."""

PROMPT = 10.0
"""Seconds by which a tick may be late in a process that was there when it came."""

SET_BACK = 1.0
"""Seconds by which a clock must be set back for ticks to be looked for again."""

AT_ONCE = 200
"""Ticks claimed in one transaction."""

PLANNED_AT_ONCE = 50
"""Schedules looked at before other work of the process has its turn."""


@dataclass(slots=True, order=True)
class _Entry:
    """A schedule with the next of its ticks; ordered by that."""

    tick: int
    key: tuple[str, str]
    schedule: Schedule = field(compare=False)
    function: Function = field(compare=False)
    later: Iterator[int] = field(compare=False)


class CronLoop:
    """Fires the schedules of the functions that are live.

    Args:
        functions: those that are live, as of `generation()`.
        generation: the store's, which moves with every change of them.
        refresh: catches up with the store; whether it could.
        clock: Unix time, seconds; it may jump.
        sleep: waits for so many seconds.
        draining: whether the process is ending: nothing is started any more.
        log: told of what is the edge's own fault.
    """

    def __init__(
        self,
        *,
        functions: Callable[[], Iterable[Function]],
        generation: Callable[[], int],
        refresh: Callable[[], Awaitable[bool]],
        firing: Firing,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        draining: Callable[[], bool],
        log: Callable[[BaseException, bytes], None],
    ) -> None:
        self._functions = functions
        self._generation = generation
        self._refresh = refresh
        self._firing = firing
        self._clock = clock
        self._sleep = sleep
        self._draining = draining
        self._log = log
        self._planned = -1
        self._seen = 0.0
        self._through = math.inf
        self._wanted: dict[tuple[str, str], float] = {}
        self._known: dict[tuple[str, str], _Entry] = {}
        self._queue: list[_Entry] = []

    async def run(self) -> None:
        """Fire until cancelled."""
        while True:
            pause = LONGEST_SLEEP
            try:
                if not self._draining() and await self._refresh():
                    await self._fire(self._clock())
                    pause = self._until_next()
            except StoreError:
                self._forget()  # what was due is offered again, once the store can be written
            except Exception as error:
                self._forget()
                self._log(error, b"-")
            await self._sleep(pause)

    async def _fire(self, now: float) -> None:
        """Start what is due by now."""
        if now < self._seen - SET_BACK:
            self._forget()  # ticks come again that were passed over
        self._seen = now
        try:
            if self._planned != self._generation():
                await self._plan(now)
            due = list(self._due(now))
            for start in range(0, len(due), AT_ONCE):
                for order in await self._claimed(due[start : start + AT_ONCE]):
                    self._firing.start(order)
            self._through = now
        except Stale:
            self._forget()

    async def _claimed(self, due: list[tuple[Due, Function]]) -> list[Order]:
        return await anyio.to_thread.run_sync(self._firing.claim, due, self._planned)

    async def _plan(self, now: float) -> None:
        """Take up what is live; what has not changed stays where it is."""
        generation = self._generation()
        live = [(function, one) for function in self._functions() for one in schedules(function)]
        await self._make_known(live, generation, now)
        entries: dict[tuple[str, str], _Entry] = {}
        for number, (function, one) in enumerate(live):
            if number % PLANNED_AT_ONCE == PLANNED_AT_ONCE - 1:
                await anyio.lowlevel.checkpoint()
            key = (one.function, one.key)
            missed_since = min(now - one.cron.grace, self._through)
            entry = self._known.get(key) or self._entry(function, one, missed_since)
            if entry is not None:
                entry.schedule, entry.function = one, function
                entries[key] = entry
        self._known, self._planned = entries, generation
        self._queue = list(entries.values())
        heapq.heapify(self._queue)

    async def _make_known(
        self, live: list[tuple[Function, Schedule]], generation: int, now: float
    ) -> None:
        """Have the store know from when on ticks are a schedule's own."""
        wanted = {(one.function, one.key): function.created for function, one in live}
        if wanted != self._wanted:
            known = [(one, min(function.since, now)) for function, one in live]
            await anyio.to_thread.run_sync(self._firing.store.know, known, generation)
            self._wanted = wanted

    def _entry(self, function: Function, one: Schedule, after: float) -> _Entry | None:
        """A schedule from its next tick on; None if there is none, or no such time zone here."""
        try:
            coming = ticks(one.cron.expression, ZoneInfo(one.cron.timezone), after)
        except (ZoneInfoNotFoundError, OSError, ValueError) as error:
            self._log(error, b"-")
            return None
        first = next(coming, None)
        if first is None:
            return None
        return _Entry(first, (one.function, one.key), one, function, coming)

    def _due(self, now: float) -> Iterator[tuple[Due, Function]]:
        """The ticks that have come, of those younger than their grace."""
        while self._queue and self._queue[0].tick <= now:
            entry = heapq.heappop(self._queue)
            youngest = now - max(entry.schedule.cron.grace, PROMPT)
            if entry.tick > youngest:
                yield Due(entry.schedule, entry.tick), entry.function
                self._advance(entry)
            else:
                self._restart(entry, youngest)

    def _advance(self, entry: _Entry) -> None:
        following = next(entry.later, None)
        if following is None:
            del self._known[entry.key]
            return
        entry.tick = following
        heapq.heappush(self._queue, entry)

    def _restart(self, entry: _Entry, after: float) -> None:
        """Pass over what is too old, however much that is."""
        anew = self._entry(entry.function, entry.schedule, after)
        del self._known[entry.key]
        if anew is not None:
            self._known[entry.key] = anew
            heapq.heappush(self._queue, anew)

    def _forget(self) -> None:
        self._planned = -1
        self._wanted = {}
        self._known = {}
        self._queue = []

    def _until_next(self) -> float:
        if not self._queue:
            return LONGEST_SLEEP
        return min(max(self._queue[0].tick - self._clock(), 0.0), LONGEST_SLEEP)
