"""All processes that came of one instance: forks too, and those that left its group and session.

A process belongs to an instance if it is in its leader's group or session, descends from it, once
did, or bears the instance's mark: a resource limit that is inherited, or what it has in its
environment. So a process that forks twice, leads a session of its own and starts a program with an
empty environment is still found.
"""

import asyncio
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from edge.running import system
from edge.running.launch import MARKER
from edge.running.system import Seen, Table

ROUNDS = 200
"""Looks, `PAUSE` seconds apart, until nothing is left or the kernel does not let go of it."""

PAUSE = 0.01

QUIET = 2
"""Looks that find nobody alive, one after the other, before all are taken to have ended."""

_OWN_BITS = 36
"""Of a mark, for what is the instance's own."""


def mark_of(instance: str) -> int:
    """The number that the processes of an instance bear; those of one data directory are close.

    Args:
        instance: an id that begins as all of a data directory do (`edge/running/rooms.py`).
    """
    directory, _, own = instance.partition(".")
    return (int(directory[:6], 16) << _OWN_BITS) + int(own or "0", 16)


@dataclass(slots=True)
class Family:
    """Those of one instance.

    Attributes:
        leader: the pid of the process that was started. Its zombie is kept until all have ended,
            so that the number names nobody else.
        instance: the id: the value of `MARKER`.
    """

    leader: int
    instance: str
    _known: dict[int, int] = field(default_factory=dict)

    def alive(self, table: Table, strays: Collection[int] = ()) -> list[Seen]:
        """Its processes among those there are, zombies apart.

        Args:
            strays: the pids of those whose marks are looked at.
        """
        return [seen for seen in self._members(table, strays) if not seen.is_zombie]

    def _members(self, table: Table, strays: Collection[int]) -> list[Seen]:
        pids = table.led_by(self.leader) | {pid for pid in self._known if self._is_here(pid, table)}
        pids |= table.below(pids)
        pids |= {pid for pid in strays if pid not in pids and self._is_marked(pid)}
        self._known = {pid: table.seen[pid].started for pid in pids}
        return [table.seen[pid] for pid in pids]

    def _is_here(self, pid: int, table: Table) -> bool:
        seen = table.seen.get(pid)
        return seen is not None and seen.started == self._known[pid]

    def _is_marked(self, pid: int) -> bool:
        entry = f"{MARKER}={self.instance}".encode()
        return system.mark_of(pid) == mark_of(self.instance) or system.environment_holds(pid, entry)

    async def kill(self) -> None:
        """SIGKILL until none is left."""
        await _until_quiet(self._kill_once)

    def _kill_once(self, table: Table) -> bool:
        members = self._members(table, table.below((os.getpid(),)))
        system.kill(members, self.leader)
        system.reap(seen.pid for seen in members if seen.pid != self.leader)
        return any(not seen.is_zombie for seen in members)


async def end_descendants() -> None:
    """SIGKILL whatever descends from this process until nothing does: what hid from its family."""

    def kill_once(table: Table) -> bool:
        rest = table.below((os.getpid(),))
        system.kill(table.seen[pid] for pid in rest)
        system.reap(table.children(os.getpid()))
        return bool(rest)

    await _until_quiet(kill_once)


async def _until_quiet(look: Callable[[Table], bool]) -> None:
    """Look again and again, until nobody was found for a while."""
    quiet = 0
    for _ in range(ROUNDS):
        quiet = 0 if look(Table.read()) else quiet + 1
        if quiet == QUIET:
            return
        await asyncio.sleep(PAUSE)


def sweep(directory: str) -> None:
    """SIGKILL all processes of a data directory's instances: what a killed runner has left.

    Args:
        directory: what the ids of its instances begin with.
    """
    quiet = 0
    for _ in range(ROUNDS):
        table = Table.read()
        found = {pid for pid in table.seen.keys() - {os.getpid()} if _is_of(directory, pid)}
        found = {pid for pid in found | table.below(found) if not table.seen[pid].is_zombie}
        system.kill(table.seen[pid] for pid in found)
        quiet = 0 if found else quiet + 1
        if quiet == QUIET:
            return


def _is_of(directory: str, pid: int) -> bool:
    mark, first = system.mark_of(pid), mark_of(directory)
    is_marked = first <= mark < first + (1 << _OWN_BITS)
    return is_marked or system.environment_holds(pid, f"{MARKER}={directory}.".encode())
