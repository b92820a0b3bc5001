"""How many requests each function may have in flight in one worker, and who waits for a place."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from edge.functions import Run


def share(count: int, workers: int) -> int:
    """A worker's part of what all of them may have: an equal one, rounded up."""
    return -(-count // workers)


class Overloaded(Exception):
    """There is no place in time; nothing was sent. The text says which limit was met."""


class _Places:
    """The places of one function: how many are taken, and the waiters in their order."""

    __slots__ = ("taken", "waiters")

    def __init__(self) -> None:
        self.taken = 0
        self.waiters: deque[asyncio.Future[None]] = deque()


class InFlight:
    """Places per function, first come, first served; of one event loop.

    A function without requests takes no memory.
    """

    def __init__(
        self, in_flight: int = 1024, queue: int = 256, wait: float = 5.0, workers: int = 1
    ) -> None:
        """`in_flight` and `queue` are counts per function, `wait` is seconds.

        Args:
            workers: how many share what the processes of a function take at once.
        """
        self._in_flight = in_flight
        self._workers = workers
        self._queue = queue
        self._wait = wait
        self._functions: dict[str, _Places] = {}

    @asynccontextmanager
    async def slot(self, function: str, run: Run | None = None) -> AsyncIterator[None]:
        """Hold a place for as long as the block runs; `run` as for `try_acquire`.

        Raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        await self.acquire(function, run)
        try:
            yield
        finally:
            self.release(function)

    def try_acquire(self, function: str, run: Run | None = None) -> bool:
        """Take a place if that needs no waiting; `release` it in the end.

        Args:
            run: how the edge runs the function, where it does: there are no more places than all
                its processes together take requests at once.
        """
        places = self._functions.get(function)
        if places is None:
            places = self._functions[function] = _Places()
        if places.taken >= (self._in_flight if run is None else self._most(run)):
            return False
        places.taken += 1
        return True

    async def acquire(self, function: str, run: Run | None = None) -> None:
        """Take a place as `try_acquire` does, waiting for one if need be.

        Raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        if self.try_acquire(function, run):
            return
        places = self._functions[function]
        if len(places.waiters) >= self._queue:
            raise Overloaded(f"{places.taken} in flight and {self._queue} waiting")
        await self._queue_up(function, places)

    def release(self, function: str) -> None:
        """Give a place back; the longest waiter has it at once."""
        places = self._functions[function]
        while places.waiters:
            waiter = places.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        places.taken -= 1
        if places.taken == 0:
            del self._functions[function]

    @property
    def total(self) -> int:
        """Requests in flight, whatever the function."""
        return sum(places.taken for places in self._functions.values())

    def taken(self, function: str) -> int:
        """Requests in flight."""
        places = self._functions.get(function)
        return 0 if places is None else places.taken

    def waiting(self, function: str) -> int:
        """Requests waiting for a place."""
        places = self._functions.get(function)
        return 0 if places is None else len(places.waiters)

    def _most(self, run: Run) -> int:
        """This worker's places at a function that the edge runs."""
        if run.scale.concurrency is None:
            return self._in_flight
        return min(self._in_flight, run.scale.maximum * share(run.scale.concurrency, self._workers))

    async def _queue_up(self, function: str, places: _Places) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        places.waiters.append(waiter)
        try:
            async with asyncio.timeout(self._wait):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                # The place came together with the end of waiting: it is the next one's.
                self.release(function)
            else:
                with suppress(ValueError):  # a release passed it over already
                    places.waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"no place within {self._wait:g} s") from None
            raise
