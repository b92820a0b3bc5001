"""Workers that have served long enough, by age or by memory, give their place to fresh ones.

As with a takeover the next one serves on the same sockets before the one before is told to leave;
that finishes what it has begun and still answers on its open connections. One at a time. Not here:
what a worker does when it leaves (`worker`), starting and signalling (`supervisor`).
"""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from random import random
from time import monotonic

from edge.child import READY
from edge.config import Config
from edge.server.children import Child
from edge.server.orders import MARGIN, SUCCEEDED

Spawn = Callable[[], Awaitable[Child]]

LOOK = 1.0
"""Seconds between two looks at a worker."""

SETTLED = 10.0
"""Seconds that a worker serves at least: one that begins beyond the limit would end for ever."""

SPREAD = 0.1
"""Part of a lifetime by which workers end apart, so that they do not all end at once."""

START = 60.0
"""Seconds for the next one to start, and until another try after it has not."""


@dataclass(frozen=True, slots=True)
class Wear:
    """Until when a worker is good.

    Attributes:
        ends: the time at which it is too old.
        memory: bytes resident that are too many, from the time `settled` on.
    """

    ends: float
    settled: float
    memory: float

    @classmethod
    def of(cls, config: Config, now: float, chance: float) -> "Wear":
        """That of a worker which begins now; `chance` is from 0 to 1."""
        lifetime = inf if config.worker_lifetime is None else config.worker_lifetime
        memory = inf if config.worker_memory is None else config.worker_memory
        return cls(now + lifetime * (1 - SPREAD * chance), now + SETTLED, memory)

    def said(self, now: float, resident: int) -> str:
        """Why it is good no more; empty if it is."""
        if now >= self.ends:
            return "its lifetime is over"
        if now >= self.settled and resident >= self.memory:
            return f"it takes {resident / 1024**2:.0f} MiB"
        return ""


@dataclass(slots=True)
class Recycling:
    """The workers of one edge as they wear out.

    Attributes:
        children: the processes by name, as the supervisor signals them.
        resident: the memory of a process, by its id.
        say: tells the operator.
    """

    config: Config
    children: dict[str, Process]
    resident: Callable[[int], int]
    say: Callable[[str], None]
    _amid: bool = False
    _leaving: asyncio.Future[None] | None = None

    async def last(self, name: str, worker: Process, spawn: Spawn, enough: asyncio.Event) -> int:
        """Wait for the end of a worker, or of the last one that took its place: its exit status."""
        if self.config.worker_lifetime is None and self.config.worker_memory is None:
            return await worker.wait()
        wear, not_before = self._begins(), 0.0
        while not await _ended(worker):
            now = monotonic()
            why = wear.said(now, self.resident(worker.pid))
            if not why or now < not_before or self._amid or enough.is_set():
                continue
            self._amid = True
            fresh = await self._started(f"{name}, coming", spawn, enough)
            if fresh is None:
                self.say(f"no worker has started in the place of {name}, which stays")
                self._amid, not_before = False, monotonic() + START
            else:
                self.say(f"{name} gives its place to another: {why}")
                self.children[name] = fresh
                self._leaving = asyncio.ensure_future(self._see_off(f"{name}, leaving", worker))
                worker, wear = fresh, self._begins()
        return worker.returncode or 0

    async def over(self) -> None:
        """Wait until nobody is leaving."""
        if self._leaving is not None:
            await self._leaving

    def _begins(self) -> Wear:
        return Wear.of(self.config, monotonic(), random())  # noqa: S311 — no secret

    async def _started(self, name: str, spawn: Spawn, enough: asyncio.Event) -> Process | None:
        fresh, status = await spawn()
        self.children[name] = fresh
        if enough.is_set():
            fresh.terminate()
        said = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(START):
                said = (await status.readline()).strip()
        del self.children[name]
        if said == READY.encode():
            return fresh
        await _killed(fresh)
        return None

    async def _see_off(self, name: str, worker: Process) -> None:
        self.children[name] = worker
        with suppress(TimeoutError, ProcessLookupError):
            worker.send_signal(SUCCEEDED)
            async with asyncio.timeout(self.config.drain_timeout + MARGIN):
                await worker.wait()
        await _killed(worker)
        del self.children[name]
        self._amid = False


async def _ended(worker: Process) -> bool:
    """Whether it has, after some time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK):
            await worker.wait()
    return worker.returncode is not None


async def _killed(process: Process) -> None:
    """Have it ended, if it has not."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
