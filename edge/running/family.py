"""All processes that came of one instance: forks too, and those that left its group and session.

A process belongs to an instance if it is in its leader's group or session, descends from it, once
did, or has the instance's marker in the environment it was started with.
"""

import asyncio
import os
from dataclasses import dataclass, field

from edge.running import system
from edge.running.launch import MARKER
from edge.running.system import Seen, Table

ROUNDS = 200
"""Looks, `PAUSE` seconds apart, until nothing is left or the kernel does not let go of it."""

PAUSE = 0.01


@dataclass(slots=True)
class Family:
    """Those of one instance.

    Attributes:
        leader: the pid of the process that was started. Its zombie is kept until all have ended,
            so that the number names nobody else.
        marker: the value of `MARKER`.
    """

    leader: int
    marker: str
    _known: dict[int, int] = field(default_factory=dict)

    def alive(self, table: Table, *, thorough: bool = False) -> list[Seen]:
        """Its processes among those there are, zombies apart.

        Args:
            thorough: whether environments are read too.
        """
        pids = table.led_by(self.leader) | {pid for pid in self._known if self._is_here(pid, table)}
        pids |= table.below(pids)
        if thorough:
            entry = f"{MARKER}={self.marker}".encode()
            near = table.below((os.getpid(),)) - pids
            pids |= {pid for pid in near if system.environment_holds(pid, entry)}
        self._known = {pid: table.seen[pid].started for pid in pids}
        return [table.seen[pid] for pid in pids if not table.seen[pid].is_zombie]

    def _is_here(self, pid: int, table: Table) -> bool:
        seen = table.seen.get(pid)
        return seen is not None and seen.started == self._known[pid]

    async def kill(self) -> None:
        """SIGKILL until none is left."""
        for _ in range(ROUNDS):
            found = self.alive(Table.read(), thorough=True)
            if not found:
                return
            system.kill(seen.pid for seen in found)
            await asyncio.sleep(PAUSE)


def sweep(prefix: str) -> None:
    """SIGKILL all whose marker begins so, whoever's children: what a killed runner has left."""
    entry = f"{MARKER}={prefix}".encode()
    for _ in range(ROUNDS):
        table = Table.read()
        found = {p for p, s in table.seen.items() if not s.is_zombie and p != os.getpid()}
        found = {pid for pid in found if system.environment_holds(pid, entry)}
        if not found:
            return
        system.kill(found | table.below(found))
