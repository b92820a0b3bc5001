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
        table, places, standings, longest = self._table, [], [], 0
        held = table.lock()
        try:
            now = self._clock()
            for limit in applying:
                place = table.find(_key(limit.policy, limit.whose))
                standing = gcra.standing(table.read(place), now, limit.rate)
                longest = max(longest, gcra.wait(standing, now, limit.rate))
                places.append(place)
                standings.append(standing)
            if longest <= 0:
                standings = [
                    standing + limit.rate.interval
                    for standing, limit in zip(standings, applying, strict=True)
                ]
            for place, standing in zip(places, standings, strict=True):
                table.write(place, standing)
        finally:
            if held:
                table.unlock()
        every = tuple([_left(at, now, each) for at, each in zip(standings, applying, strict=True)])
        return every if longest <= 0 else limits.exceeded(every)

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
