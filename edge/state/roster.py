"""Which workers are there and how far each is: asked of all of them when somebody wants to know.

Not here: who wants to know (`edge.admin.local_status`), and messages between workers as such
(`edge.state.peers`).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.state.peers import Peers

ASK, TELL = "status?", "status"
"""The topics."""

MOST_ERRORS = 5
LONGEST_ERROR = 300
"""Errors of one worker that are told, and characters of each."""


@dataclass(frozen=True, slots=True)
class Met:
    """An error that a worker has met; `at` is Unix seconds."""

    at: float
    error: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker, as it tells of itself.

    Attributes:
        since: when it began, Unix seconds.
        generation: of the store that it has applied.
    """

    slot: int
    pid: int
    since: float
    generation: int
    errors: tuple[Met, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """What one look has shown.

    Attributes:
        silent: slots of which nobody has answered.
    """

    seats: tuple[Seat, ...] = ()
    silent: tuple[int, ...] = ()


@dataclass(slots=True)
class _Round:
    """One look on its way."""

    awaited: frozenset[int]
    told: dict[int, Seat] = field(default_factory=dict)
    whole: threading.Event = field(default_factory=threading.Event)

    def take(self, seat: Seat) -> None:
        if seat.slot in self.awaited:
            self.told[seat.slot] = seat
        if self.told.keys() == self.awaited:
            self.whole.set()


class Workers:
    """The workers of this edge, as one of them sees them."""

    def __init__(
        self, peers: Peers, me: Callable[[], Seat], random: Callable[[int], bytes]
    ) -> None:
        """Answer the others from now on.

        Args:
            me: this worker now.
        """
        self._peers = peers
        self._me = me
        self._random = random
        self._rounds: dict[str, _Round] = {}
        peers.hear(ASK, self._asked)
        peers.hear(TELL, self._told)

    def look(self, timeout: float = 0.5) -> Roster:
        """All of them. Blocks at most so many seconds; never on the event loop."""
        name, round_ = self._random(8).hex(), _Round(self._peers.others)
        if not round_.awaited:
            return Roster((self._me(),))
        self._rounds[name] = round_
        try:
            self._peers.tell(ASK, [name, self._peers.slot])
            round_.whole.wait(timeout)
        finally:
            del self._rounds[name]
        told = dict(round_.told)
        seats = sorted((self._me(), *told.values()), key=lambda seat: seat.slot)
        return Roster(tuple(seats), tuple(sorted(round_.awaited - told.keys())))

    def _asked(self, value: Any) -> None:
        match value:
            case [str(name), int(slot)]:
                self._peers.tell(TELL, [name, _plain(self._me())], to=slot)

    def _told(self, value: Any) -> None:
        match value:
            case [str(name), [int(slot), int(pid), float(since), int(generation), list(errors)]]:
                round_ = self._rounds.get(name)
                if round_ is not None:
                    round_.take(Seat(slot, pid, since, generation, _met(errors)))


def _plain(seat: Seat) -> list[Any]:
    errors = [
        [met.at, met.error[:LONGEST_ERROR], met.request_id[:128]]
        for met in seat.errors[-MOST_ERRORS:]
    ]
    return [seat.slot, seat.pid, float(seat.since), seat.generation, errors]


def _met(errors: Sequence[Any]) -> tuple[Met, ...]:
    found = []
    for error in errors:
        match error:
            case [int() | float() as at, str(text), str(request_id)]:
                found.append(Met(at, text, request_id))
    return tuple(found)
