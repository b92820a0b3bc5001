"""Rate limits counted exactly, whichever worker of the node a request reaches.

A request takes one from each limit that applies to it, or none from any; a refused one takes
nothing, so that who keeps asking does not wait longer. Not here: which limits apply
(`edge.limits`), and where the numbers stand (`edge.state.rate_table`).
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

from edge import limits
from edge.errors import Refusal
from edge.limits import Left, Limit
from edge.state import gcra

REMEMBERED = 16_384
"""Limits whose keys are kept."""


class Table(Protocol):
    """Where the numbers stand; `edge.state.rate_table` has the one that workers share."""

    def lock(self) -> bool: ...

    def unlock(self) -> None: ...

    def find(self, key: int) -> int: ...

    def read(self, at: int) -> int: ...

    def write(self, at: int, number: int) -> None: ...

    def close(self) -> None: ...


class Rates:
    """One worker's; `clock` gives nanoseconds, alike in all workers: of a monotonic clock."""

    def __init__(self, table: Table, clock: Callable[[], int]) -> None:
        self._table = table
        self._clock = clock

    def take(self, applying: tuple[Limit, ...]) -> tuple[Left, ...] | Refusal:
        """Count one request; what is then left, or the refusal of it."""
        table = self._table
        held = table.lock()
        try:
            now = self._clock()
            places = [table.find(_key(each.policy, each.whose)) for each in applying]
            stand = [
                gcra.standing(table.read(at), now, each.rate)
                for at, each in zip(places, applying, strict=True)
            ]
            waits = [
                gcra.wait(at, now, each.rate) for at, each in zip(stand, applying, strict=True)
            ]
            if max(waits) <= 0:
                stand = [at + each.rate.interval for at, each in zip(stand, applying, strict=True)]
            for place, number in zip(places, stand, strict=True):
                table.write(place, number)
        finally:
            if held:
                table.unlock()
        every = tuple(_left(at, now, each) for at, each in zip(stand, applying, strict=True))
        return every if max(waits) <= 0 else limits.exceeded(every)

    def close(self) -> None:
        """Let the table go."""
        self._table.close()


def _left(standing: int, now: int, limit: Limit) -> Left:
    requests = gcra.left(standing, now, limit.rate)
    owed = standing - now if requests else gcra.wait(standing, now, limit.rate)
    return Left(limit, requests, gcra.seconds(owed))


@lru_cache(maxsize=REMEMBERED)
def _key(policy: str, whose: str) -> int:
    """The same in every process, as `hash` is not."""
    digest = blake2b(f"{policy} {whose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1
