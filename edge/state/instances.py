"""What a worker and the runner tell one another of the processes of functions.

The runner says which processes are up and which are leaving; the worker, which deployments its
requests wait for, how many are in flight, and where nothing is any more. Not here: which process
a request goes to (`edge/forwarding/fleet.py`).
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from edge.forwarding.fleet import Fleets
from edge.forwarding.limit import share
from edge.forwarding.process import Place
from edge.functions import Upstream
from edge.running.protocol import (
    LONGEST_LINE,
    Clear,
    Doubt,
    Failed,
    Gone,
    Hello,
    Leaving,
    Load,
    Message,
    Need,
    ProtocolError,
    Synced,
    Up,
    from_line,
    to_line,
)

TICK = 0.2
"""Seconds between two reports of what is in flight and what waits."""

PATIENCE = 5.0
"""Seconds for which a runner that is being replaced is waited for."""

SOON = 0.05
SELDOM = 1.0
"""Seconds between two tries to reach the runner: while it is waited for, and after."""

NO_RUNNER = "the process that runs functions does not answer"


class Instances:
    """One worker's end of its connection to the runner; `run` it.

    Args:
        path: the runner's socket.
        workers: how many share what a process takes at once.
    """

    def __init__(self, path: Path, fleets: Fleets, workers: int) -> None:
        self._path = path
        self._fleets = fleets
        self._workers = workers
        self._synced = asyncio.Event()
        self._absent = False
        self._waiting: dict[str, int] = {}
        self._active: dict[str, int] = {}
        self._clear: list[str] = []

    async def run(self) -> None:
        """Keep up with the runner, and with the one that replaces it, until cancelled."""
        loop = asyncio.get_running_loop()
        lost = loop.time()
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_LINE)
            except OSError:
                self._absent = loop.time() - lost >= PATIENCE
                if self._absent:
                    self._give_up()
                await self._stirred(SELDOM if self._absent else SOON)
            else:
                self._absent = False
                await self._follow(reader, writer)
                lost = loop.time()

    def address(self, deployment: str) -> Upstream | None:
        """Where a process of a deployment listens; None if none is up."""
        fleet = self._fleets.get(deployment)
        place = None if fleet is None else fleet.up
        return None if place is None else place.upstream

    def failed(self, deployment: str) -> bool:
        """Whether a deployment without a process would not be started, as far as is known."""
        fleet = self._fleets.get(deployment)
        return self._absent or (fleet is not None and bool(fleet.failure))

    # What the runner says.

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the connection ends: then its processes have ended too, or are told of anew."""
        self._synced.clear()
        self._waiting.clear()
        self._active.clear()
        self._clear.clear()
        writer.write(to_line(Hello(os.getpid())))
        telling = asyncio.create_task(self._tell(writer))
        try:
            # A ValueError is a line beyond the limit.
            with suppress(OSError, ValueError, ProtocolError):
                while line := await reader.readline():
                    self._heard(from_line(line))
        finally:
            telling.cancel()
            writer.close()
            for _, fleet in self._fleets:
                fleet.end_all()
            await asyncio.wait({telling})

    def _heard(self, message: Message) -> None:
        match message:
            case Up(deployment, instance, address, concurrency):
                limit = None if concurrency is None else share(concurrency, self._workers)
                self._fleets.of(deployment).joins(Place(instance, _upstream(address), limit))
                self._fleets.stirred.set()
            case Leaving(deployment, instance):
                fleet = self._fleets.get(deployment)
                if fleet is None or not fleet.leaves(instance):
                    self._clear.append(instance)
                self._fleets.stirred.set()
            case Gone(deployment, instance):
                fleet = self._fleets.get(deployment)
                if fleet is not None:
                    fleet.ends(instance)
            case Failed(deployment, reason):
                self._waiting.pop(deployment, None)
                self._fleets.of(deployment).fails(reason)
            case Synced():
                self._synced.set()
            case _:
                raise ProtocolError(f"{type(message).__name__} is not for a worker")

    # What it is told.

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        await self._synced.wait()
        due = loop.time()
        with suppress(OSError):
            while True:
                lines = [to_line(message) for message in self._urgent()]
                if loop.time() >= due:
                    lines += [to_line(message) for message in self._changed()]
                    due = loop.time() + TICK
                writer.writelines(lines)
                await writer.drain()
                await self._stirred(due - loop.time() if len(self._fleets) else None)

    def _urgent(self) -> Iterator[Message]:
        """What somebody begins to wait for, or nobody does any more."""
        for deployment, fleet in self._fleets:
            turned = bool(fleet.waiting) != (deployment in self._waiting)
            if turned and _differs(self._waiting, deployment, fleet.waiting):
                yield Need(deployment, fleet.waiting)
            for instance in fleet.suspects():
                yield Doubt(deployment, instance)
        for instance in self._clear:
            yield Clear(instance)
        self._clear.clear()

    def _changed(self) -> Iterator[Message]:
        """What is otherwise than it was reported last."""
        for deployment, fleet in self._fleets:
            if _differs(self._waiting, deployment, fleet.waiting):
                yield Need(deployment, fleet.waiting)
            # A request may have come and gone since: then the function was not idle.
            used = fleet.was_used()
            if _differs(self._active, deployment, fleet.active or int(used)):
                yield Load(deployment, self._active.get(deployment, 0))
            for instance in fleet.still():
                yield Clear(instance)
        self._fleets.tidy()

    def _give_up(self) -> None:
        for _, fleet in self._fleets:
            if fleet.waiting:
                fleet.fails(NO_RUNNER)

    async def _stirred(self, seconds: float | None) -> None:
        """Until there is something urgent to tell, or the time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._fleets.stirred.wait()
                self._fleets.stirred.clear()


def _differs(said: dict[str, int], deployment: str, value: int) -> bool:
    """Note a number; whether it is another one than before. Nothing and 0 are the same."""
    if said.get(deployment, 0) == value:
        return False
    if value:
        said[deployment] = value
    else:
        del said[deployment]
    return True


def _upstream(address: str) -> Upstream:
    """An address as the runner writes it."""
    if address.startswith("unix:"):
        return Upstream("unix", socket=address.removeprefix("unix:"))
    parts = urlsplit(address)
    return Upstream("http", host=parts.hostname or "", port=parts.port or 80)
