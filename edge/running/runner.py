"""The runner at work: its socket, its look at the store, its rhythm.

Workers keep a connection each; an operation has one of its own. Not here: what follows from what
they say (`keeper`, `trials`), and the process (`main`).
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.child import pause
from edge.functions import Function
from edge.running import system
from edge.running.family import end_descendants
from edge.running.keeper import Keeper
from edge.running.protocol import (
    LONGEST_LINE,
    Adopt,
    AskStatus,
    AwaitEnd,
    Clear,
    Done,
    Doubt,
    Drop,
    Failed,
    Hello,
    Load,
    Message,
    Need,
    ProtocolError,
    Ready,
    Restart,
    Said,
    StartTrial,
    Status,
    Synced,
    ToWorker,
    from_line,
    to_line,
)
from edge.running.runs import RunFailed
from edge.running.system import Table
from edge.running.trials import Trials
from tokens.database import Changes
from tokens.errors import StoreError

LOG = logging.getLogger("edge.running")

RHYTHM = 0.25
"""Seconds between two looks at the store and at what is due."""

LOOKS = 4
"""Rhythms between two looks at what processes take."""

MOST_SAID = 1024 * 1024
"""Bytes of a trial's output that are passed on."""

MOST_UNREAD = 16 * 1024 * 1024
"""Bytes that a worker may leave unread before its connection is given up."""


class Source(Protocol):
    """The store as the runner reads it. Every call may raise StoreError."""

    def generation(self) -> int:
        """As it is published: no I/O."""
        ...

    def changes_since(self, generation: int) -> Changes:
        """What has changed since."""
        ...

    def function(self, slug: str) -> Function | None:
        """A live function."""
        ...

    def functions(self) -> list[Function]:
        """All of them."""
        ...


@dataclass(slots=True, eq=False)
class Connection:
    """Someone who asks or is told."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> Message | None:
        """The next message; None at the end. Raises ProtocolError."""
        try:
            line = await self.reader.readline()
        except (ValueError, ConnectionError) as error:
            raise ProtocolError(str(error)) from None
        return from_line(line) if line else None

    def send(self, message: Message) -> None:
        """Send, without waiting; who does not read is cut off."""
        transport = self.writer.transport
        if transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()
        elif not transport.is_closing():
            self.writer.write(to_line(message))


class Broadcast:
    """The connections of the workers, by process id."""

    def __init__(self) -> None:
        self.workers: dict[int, Connection] = {}

    def __call__(self, message: ToWorker) -> None:
        """Tell every worker."""
        for connection in self.workers.values():
            connection.send(message)


class Runner:
    """See the module.

    Args:
        tell: what the keeper tells the workers by.
    """

    def __init__(
        self,
        source: Source,
        keeper: Keeper,
        trials: Trials,
        tell: Broadcast,
    ) -> None:
        self._source = source
        self._keeper = keeper
        self._trials = trials
        self.patience = 0.0
        """Seconds for which functions still answer once it is told to stop, while workers are
        connected: for an edge whose supervisor is gone."""
        self._tell = tell
        self._has_orphans = False
        self._generation = -1
        self._trouble = ""
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self, path: Path, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Listen at a Unix socket and work until told to stop; no process is left then."""
        system.become_subreaper()
        _unlink(path)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._connected, path, limit=LONGEST_LINE)
        finally:
            os.umask(before)
        try:
            ready()  # thousands of functions are read while the workers start
            self._catch_up()
            await self._work(stop)
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await asyncio.gather(self._keeper.stop(), self._trials.stop())
            await end_descendants()
            _unlink(path)

    async def _work(self, stop: asyncio.Event) -> None:
        beat = 0
        told = 0.0
        while not stop.is_set() or (self._tell.workers and told < self.patience):
            if stop.is_set():
                told += RHYTHM
                await asyncio.sleep(RHYTHM)
            else:
                await pause(stop, RHYTHM)
            beat += 1
            self._catch_up()
            self._keeper.step_all()
            if beat % LOOKS == 0:
                self._look()

    def _look(self) -> None:
        """See what each instance takes, and reap the orphans that have ended."""
        instances = self._keeper.instances() + self._trials.instances()
        if not (instances or self._has_orphans):
            return
        table = Table.read()
        orphans = table.children(os.getpid()) - {instance.pid for instance in instances}
        for instance in instances:
            instance.look(table, orphans)
        system.reap(pid for pid in orphans if table.seen[pid].is_zombie)
        self._has_orphans = bool(instances or orphans)

    # The store.

    def _catch_up(self) -> None:
        try:
            if self._source.generation() != self._generation:
                self._apply(self._source.changes_since(self._generation))
        except StoreError as error:
            if str(error) != self._trouble:
                LOG.warning("the store cannot be read: %s", error)
            self._trouble = str(error)
        else:
            self._trouble = ""

    def _apply(self, changes: Changes) -> None:
        if changes.keys is None:
            functions = {function.slug: function for function in self._source.functions()}
            for slug in functions.keys() | set(self._keeper.slugs()):
                self._set_live(slug, functions.get(slug))
        for kind, slug in changes.keys or ():
            if kind == "function":
                self._set_live(slug, self._source.function(slug))
        self._generation = changes.generation

    def _set_live(self, slug: str, function: Function | None) -> None:
        kept = self._keeper.set_live(slug, function)
        if kept is not None:
            self._trials.adopt_fitting(kept)
            self._keeper.step(kept)

    # Connections.

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 — this is one
        self._connections.add(task)
        connection = Connection(reader, writer)
        try:
            first = await connection.read()
            if isinstance(first, Hello):
                await self._serve_worker(connection, first.worker)
            elif first is not None:
                await self._serve_operation(connection, first)
        except ProtocolError as error:
            LOG.warning("a connection said something that is no message: %s", error)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_worker(self, connection: Connection, worker: int) -> None:
        former = self._tell.workers.get(worker)
        if former is not None:
            former.writer.transport.abort()
        self._keeper.lost(worker)
        self._tell.workers[worker] = connection
        self._keeper.workers.add(worker)
        for up in self._keeper.ups():
            connection.send(up)
        connection.send(Synced())
        try:
            while (message := await connection.read()) is not None:
                self._hear(worker, message)
        finally:
            if self._tell.workers.get(worker) is connection:
                del self._tell.workers[worker]
                self._keeper.lost(worker)

    def _hear(self, worker: int, message: Message) -> None:
        match message:
            case Need(deployment, waiting):
                self._catch_up()
                self._keeper.need(worker, deployment, waiting)
            case Load(deployment, active):
                self._keeper.load(worker, deployment, active)
            case Clear(instance):
                self._keeper.clear(worker, instance)
            case Doubt(deployment, instance):
                verdict = self._keeper.verdict(deployment, instance)
                if verdict is not None:
                    self._tell.workers[worker].send(verdict)
            case _:
                raise ProtocolError(f"a worker does not say {type(message).__name__}")

    async def _serve_operation(self, connection: Connection, first: Message) -> None:
        trial = first.trial if isinstance(first, StartTrial) else None
        message: Message | None = first
        try:
            while message is not None:
                connection.send(await self._until_gone(connection, message))
                message = await connection.read()
        finally:
            if trial is not None:
                await asyncio.shield(asyncio.create_task(self._trials.drop(trial)))

    async def _until_gone(self, connection: Connection, message: Message) -> Message:
        """The answer to an operation; the end of its connection cancels what it asks for."""
        answering = asyncio.create_task(self._answer(connection, message))
        hearing = asyncio.create_task(connection.reader.read(1))
        await asyncio.wait((answering, hearing), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            raise ProtocolError("the connection has ended before it was answered")
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        return answering.result()

    async def _answer(self, connection: Connection, message: Message) -> Message:
        try:
            self._catch_up()
            match message:
                case StartTrial():
                    return Ready(await self._trials.start(message, _passer(connection)))
                case Adopt(trial, deployment):
                    self._trials.adopt(trial, deployment)
                case Drop(trial):
                    await self._trials.drop(trial)
                case AskStatus(slug):
                    self._look()
                    return Status(self._keeper.status(slug))
                case Restart(slug):
                    await self._keeper.restart(slug)
                case AwaitEnd(slug):
                    await self._keeper.ended(slug)
                case _:
                    raise ProtocolError(f"an operation does not say {type(message).__name__}")
        except RunFailed as error:
            return Failed("", error.reason)
        return Done()


def _passer(connection: Connection) -> Callable[[bytes], None]:
    """Passes a trial's output on, within bounds."""
    left = MOST_SAID

    def said(data: bytes) -> None:
        nonlocal left
        if left > 0:
            connection.send(Said(data[:left].decode(errors="replace")))
        left -= len(data)

    return said


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
