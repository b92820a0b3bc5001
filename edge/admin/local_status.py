"""How an edge is, gathered from its store, its workers and its runner."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.admin.deploying import Place
from edge.admin.local_observed import nothing_counted
from edge.admin.observed_operations import Observed
from edge.admin.running import Running
from edge.admin.status_operations import EdgeStatus, ErrorInfo, FailingInfo, WorkerInfo
from edge.config import ADMIN_SOCKET
from edge.functions import Function
from edge.registry.store import Registry
from edge.state.roster import Roster, Seat
from tokens.database import Database

UPSTREAM = "upstream"
"""The state of a function that runs elsewhere."""

_ERRORS = 5
_FAILING = ("failed", "backing off")


@dataclass(frozen=True, slots=True)
class Looks:
    """What can be seen of an edge's workers; the defaults are for where none runs.

    Attributes:
        roster: asks all of them; see `edge.state.roster.Workers.look`.
        observed: what they have counted. Blocks.
    """

    roster: Callable[[], Roster] = Roster
    observed: Callable[[], Observed] = nothing_counted


class LocalStatus:
    """Raises StoreError."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        running: Running,
        place: Place,
        version: str,
        looks: Looks,
    ) -> None:
        self._database = database
        self._registry = registry
        self._running = running
        self._place = place
        self._version = version
        self._looks = looks

    def status(self) -> EdgeStatus:
        """See StatusOperations."""
        roster, generation = self._looks.roster(), self._database.generation()
        functions = sorted(self._registry.functions(), key=lambda function: function.slug)
        states, failing = self._functions(functions)
        return EdgeStatus(
            running=self._place.running,
            version=self._version,
            url=self._place.base,
            since=self._since(),
            workers=tuple(
                WorkerInfo(seat.slot, seat.pid, seat.since, seat.generation)
                for seat in roster.seats
            ),
            silent=roster.silent,
            generation=generation,
            functions=len(functions),
            states=states,
            failing=failing,
            store_bytes=self._size(),
            errors=_errors(roster.seats),
        )

    def observed(self) -> Observed:
        """See ObservedOperations."""
        return self._looks.observed()

    def _functions(
        self, functions: Iterable[Function]
    ) -> tuple[dict[str, int], tuple[FailingInfo, ...]]:
        states: Counter[str] = Counter()
        failing = []
        for function in functions:
            told = self._running.told(function.live)
            states[told.state if told is not None else UPSTREAM] += 1
            if told is not None and told.state in _FAILING:
                reason = told.last_exit.reason if told.last_exit is not None else ""
                failing.append(FailingInfo(function.slug, told.state, reason))
        return dict(states), tuple(failing)

    def _since(self) -> float | None:
        """The edge binds its socket when it starts, and removes it when it ends."""
        if not self._place.running:
            return None
        return (self._database.path.parent / ADMIN_SOCKET).stat().st_mtime

    def _size(self) -> int:
        path = self._database.path
        both = (path, path.with_name(f"{path.name}-wal"))
        return sum(each.stat().st_size for each in both if each.exists())


def _errors(seats: Iterable[Seat]) -> tuple[ErrorInfo, ...]:
    found = [
        ErrorInfo(met.at, seat.slot, met.error, met.request_id)
        for seat in seats
        for met in seat.errors
    ]
    return tuple(sorted(found, key=lambda error: -error.at)[:_ERRORS])
