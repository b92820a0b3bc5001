"""The processes of functions that the edge runs, as connections see them: which takes a request.

In the pool a `Fleet` stands where a plain address has its list of idle connections. Not here: how
processes come to be; `edge/state/instances.py` says which are up, and passes on what is wanted.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator, MutableMapping
from math import inf

from edge.forwarding.connection import Connection
from edge.forwarding.homes import short
from edge.forwarding.process import Place, Process
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Upstream

DOUBT = 0.5
"""Seconds for which a process that is doubted is offered nothing, unless more is known sooner."""

FAILURES = 4096
"""Deployments of which it is remembered that they could not be started."""


class Fleet:
    """The processes of one deployment; of one event loop.

    Attributes:
        key: what connections to all its processes are kept by in the pool.
        failure: why none could be started the last time, or empty.
    """

    __slots__ = (
        "_forsaken",
        "_next",
        "_particular",
        "_processes",
        "_stirred",
        "_suspects",
        "_used",
        "_waiters",
        "failure",
        "key",
    )

    def __init__(self, key: str, stirred: asyncio.Event) -> None:
        """`stirred` is set when there is something to tell whoever starts processes."""
        self.key = key
        self._stirred = stirred
        self._processes: dict[str, Process] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._suspects: list[str] = []
        self._used = False
        self._forsaken = False
        self._particular = 0
        self._next: Process | None = None
        self.failure = ""

    # As a list of idle connections.

    def __bool__(self) -> bool:
        """Whether `pop` has one: at the process whose turn it is, if nobody waits for that."""
        best = None if self._waiters else self._best()
        if best is None or not best.idle:
            return False
        self._next = best
        return True

    def __len__(self) -> int:
        return sum([len(process.idle) for process in self._processes.values()])

    def pop(self) -> Connection:
        """An idle connection to the process with the fewest requests in flight.

        Asked right behind `bool`, which has found it; IndexError if there is none.
        """
        process, self._next = self._next, None
        if process is None:
            raise IndexError("no process takes a request")
        self._used = True
        return process.idle.pop()

    def pop_at(self, name: str) -> Connection | None:
        """An idle connection to one process, if it has one and takes requests."""
        process = self._named(name)
        if process is None or not process.takes_more or not process.idle:
            return None
        self._used = True
        return process.idle.pop()

    def append(self, connection: Connection) -> None:
        """A connection is idle from now on."""
        self._processes[connection.instance].idle.append(connection)
        if self._waiters:
            self._wake_next()

    # For the pool.

    async def reserve(self, patience: float, wanted: str = "") -> Process:
        """The process that a new connection is to be opened to; counts as a request in flight.

        Behind it comes `opened` or `missed`. With as few requests in flight at several, the first.

        Args:
            patience: seconds to wait for a process to start, or to take one more request.
            wanted: the name of the process that it must be while that takes requests at all.

        Raises:
            UpstreamFailure: `unreachable`, none could be started; `overloaded`, those that are up
                had too much to do.
        """
        self._particular += bool(wanted)
        try:
            async with asyncio.timeout(patience):
                while (process := self._chosen(wanted)) is None:
                    await self._wait()
        except TimeoutError:
            if any(not process.ended for process in self._processes.values()):
                raise UpstreamFailure("overloaded", "its processes took no request") from None
            raise UpstreamFailure("unreachable", f"not started within {patience:g} s") from None
        finally:
            self._particular -= bool(wanted)
        self._used = True
        process.connecting += 1
        return process

    def opened(self, process: Process, connection: Connection) -> None:
        """The connection that a process was reserved for stands."""
        process.connecting -= 1
        process.open.add(connection)
        connection.instance = process.place.instance
        if process.leaving or process.ended:
            connection.born = -inf

    def missed(self, process: Process, *, refused: bool) -> None:
        """There is no connection after all; `refused` if the process did not take it."""
        process.connecting -= 1
        if refused and not process.ended:
            self._doubt(process)
        self._freed(process)

    def doubt(self, instance: str) -> None:
        """A process has cut a request off: perhaps it is dying, and takes connections yet.

        See `suspects`; until something is known of it, it is given nothing.
        """
        process = self._processes.get(instance)
        if process is not None and not process.doubted and not process.ended:
            self._doubt(process)
            self._suspects.append(instance)
            self._stirred.set()

    async def settled(self, instance: str) -> None:
        """Wait until a process that is doubted has ended, or is known to live, or for DOUBT."""
        process = self._processes.get(instance)
        if process is not None and process.doubted:
            await process.judged.wait()

    def gone(self, connection: Connection) -> None:
        """A connection is closed."""
        process = self._processes.get(connection.instance)
        if process is None:
            return  # it was closed before it stood
        process.open.discard(connection)
        if connection in process.idle:
            process.idle.remove(connection)
        self._freed(process)

    # For whoever knows which processes there are.

    @property
    def waiting(self) -> int:
        """Requests that no process takes yet."""
        return len(self._waiters)

    @property
    def active(self) -> int:
        """Requests and streams in flight."""
        return sum(process.in_use for process in self._processes.values())

    @property
    def over(self) -> bool:
        """Whether there is nothing to remember."""
        return not self._processes and not self._waiters and not self.failure

    @property
    def up(self) -> Place | None:
        """Where a process is that takes requests, whatever it has to do."""
        for process in self._processes.values():
            if not process.leaving and not process.ended:
                return process.place
        return None

    def was_used(self) -> bool:
        """Whether a request was begun since the last call."""
        used, self._used = self._used, False
        return used

    def joins(self, place: Place) -> None:
        """A process is up."""
        self.failure, self._forsaken = "", False
        process = self._processes.setdefault(place.instance, Process(place, short(place.instance)))
        process.place = place
        process.leaving = process.ended = process.doubted = False
        process.judged.set()
        self._wake(len(self._waiters))

    def leaves(self, instance: str) -> bool:
        """A process is to be given nothing new; see `still`. False if it is not known."""
        process = self._processes.get(instance)
        if process is None or process.ended:
            return False
        process.leaving, process.still = True, False
        process.judged.set()
        process.retire()
        return True

    def ends(self, instance: str) -> None:
        """A process is no more."""
        process = self._processes.get(instance)
        if process is not None:
            process.ended = True
            process.judged.set()
            process.retire()
            self._freed(process)

    def end_all(self) -> None:
        """No process is known to be up any more."""
        for instance in list(self._processes):
            self.ends(instance)

    def fails(self, reason: str) -> None:
        """None could be started: whoever waits is refused, unless one that is leaving takes it.

        Where one is up, it is waited for as before.
        """
        if self.up is not None:
            return
        self.failure = reason
        self._forsaken = True
        if self._best() is not None:
            self._wake(len(self._waiters))
            return
        waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(UpstreamFailure("unreachable", reason))

    def suspects(self) -> list[str]:
        """The processes of which is to be found out whether they live; each is told once."""
        suspects, self._suspects = self._suspects, []
        return suspects

    def still(self) -> list[str]:
        """The leaving processes at which nothing was in flight at this look and the one before.

        They are given nothing any more. A request that has found its function, and is on its way
        to a connection, is given the time between two looks.
        """
        found = []
        for process in self._processes.values():
            quiet = process.leaving and not process.in_use and not self._waiters
            if quiet and process.still and not process.ended:
                found.append(process.place.instance)
            process.still = quiet
        for instance in found:
            self.ends(instance)
        return found

    def _named(self, name: str) -> Process | None:
        """A process that has not been told to leave."""
        for process in self._processes.values():
            if process.name == name and not process.leaving and not process.ended:
                return process
        return None

    def _chosen(self, wanted: str) -> Process | None:
        process = self._named(wanted) if wanted else None
        if process is None:
            return self._best()
        return process if process.takes_more else None

    def _best(self) -> Process | None:
        """The process for the next request: fewest in flight, then one with an idle connection.

        One that is leaving only if no other can be started.
        """
        best, least = None, 0
        for process in self._processes.values():
            if (self._forsaken or not process.leaving) and process.takes_more:
                if len(self._processes) == 1:
                    return process
                rank = 2 * process.in_use - bool(process.idle)
                if best is None or rank < least:
                    best, least = process, rank
        return best

    async def _wait(self) -> None:
        """Until the world has changed for the longest waiter; raises what `fails` says."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if len(self._waiters) == 1:
            self._stirred.set()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.remove(waiter)
            else:
                self._wake_next()  # what it was woken for is the next one's
            raise

    def _wake_next(self) -> None:
        """One more request may be taken: by the longest waiter, unless that wants it elsewhere."""
        self._wake(len(self._waiters) if self._particular else 1)

    def _wake(self, count: int) -> None:
        while count and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def _doubt(self, process: Process) -> None:
        process.doubted = True
        process.judged.clear()
        asyncio.get_running_loop().call_later(DOUBT, self._trust, process)

    def _trust(self, process: Process) -> None:
        process.doubted = False
        process.judged.set()
        self._wake(len(self._waiters))

    def _freed(self, process: Process) -> None:
        """Something that was in flight at a process is over."""
        if process.over and self._processes.get(process.place.instance) is process:
            del self._processes[process.place.instance]
        self._wake_next()


class Fleets:
    """The fleets of one worker, by deployment.

    Attributes:
        stirred: set when a request begins to wait for a process, or a fleet comes to be.
    """

    def __init__(self, table: MutableMapping[Hashable, list[Connection] | Fleet]) -> None:
        """`table` is where the pool looks for idle connections, by `Upstream.key`."""
        self.stirred = asyncio.Event()
        self._table = table
        self._fleets: dict[str, Fleet] = {}

    def __iter__(self) -> Iterator[tuple[str, Fleet]]:
        return iter(list(self._fleets.items()))

    def __len__(self) -> int:
        return len(self._fleets)

    def of(self, deployment: str) -> Fleet:
        """The fleet of a deployment, perhaps without a process yet."""
        fleet = self._fleets.get(deployment)
        if fleet is None:
            key = Upstream("run", host=deployment).key
            fleet = self._fleets[deployment] = self._table[key] = Fleet(key, self.stirred)
            self.stirred.set()
        return fleet

    def get(self, deployment: str) -> Fleet | None:
        """The fleet of a deployment if anything is known of it."""
        return self._fleets.get(deployment)

    def tidy(self) -> None:
        """Forget fleets of which there is nothing to remember."""
        failures = [each for each, fleet in self if fleet.failure]
        for deployment in failures[: max(0, len(failures) - FAILURES)]:
            self._fleets[deployment].failure = ""
        for deployment, fleet in self:
            if fleet.over:
                del self._fleets[deployment], self._table[fleet.key]
