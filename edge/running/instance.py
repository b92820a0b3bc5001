"""One instance of a function: its process from the first look at its settings to its end.

Not here: when instances are wanted (`plan`), and who is told of them (`keeper`).
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge.config import Config
from edge.functions import Run
from edge.running.family import mark_of
from edge.running.launch import Code, Launch, Named, Place, Python, launch
from edge.running.output import Output, Stream
from edge.running.process import CannotStart, Process
from edge.running.protocol import LastExit
from edge.running.readiness import Readiness
from edge.running.rooms import Rooms
from edge.running.runs import RunFailed
from edge.running.system import Limits, Table, listens
from edge.running.users import NoSuchUser, User, can_read, own_user, python_needs, user_of
from tokens.errors import StoreError

LOG = logging.getLogger("edge.running")

ROOT = Path(__file__).parents[2]
"""The directory that holds the package `edge`."""

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an instance is of.

    Attributes:
        deployment: its id, or a trial's.
        code: the digest of its files.
    """

    slug: str
    deployment: str
    run: Run
    code: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What instances are made from; each may be asked for any function.

    Attributes:
        secrets_of: the secrets of a slug; may raise StoreError.
        code_of: the files of a digest, or None if they are not there.
        url_of: the published address of a slug.
        output_of: where the output of a slug goes.
        clock: Unix time, seconds.
    """

    secrets_of: Callable[[str], Mapping[str, str]]
    code_of: Callable[[str], Code | None]
    url_of: Callable[[str], str]
    output_of: Callable[[str], Output]
    clock: Callable[[], float]


class Instance:
    """See the module. `start` once, `exited` and `ended` while it is up, `end` in any case.

    Attributes:
        deployment: whose it is; a trial's until it is adopted.
        address: where it answers; empty before.
        started: Unix time, seconds.
        memory: bytes resident, of all its processes, when it was last looked at.
        processes: how many there were then.
        listener: told of its output while it is set.
    """

    def __init__(self, wanted: Wanted, config: Config, rooms: Rooms, sources: Sources) -> None:
        self.id = rooms.name()
        self.deployment = wanted.deployment
        self.slug = wanted.slug
        self.address = ""
        self.started = sources.clock()
        self.memory = 0
        self.processes = 0
        self.listener: Callable[[bytes], None] | None = None
        self._wanted = wanted
        self._config = config
        self._rooms = rooms
        self._sources = sources
        self._output = sources.output_of(wanted.slug)
        self._process: Process | None = None
        self._condemned = ""

    @property
    def pid(self) -> int:
        """Of its leader; 0 before it is started."""
        return self._process.pid if self._process else 0

    @property
    def is_ending(self) -> bool:
        """Whether its leader has ended, or is closing what it had open."""
        return self._process is not None and self._process.is_ending

    async def start(self) -> None:
        """Start it and wait until it answers. Raises RunFailed; `end` is due then too."""
        try:
            place, process = await self._spawn()
        except (CannotStart, NoSuchUser, StoreError) as error:
            raise RunFailed(str(error)) from None
        except OSError as error:
            raise RunFailed(f"It cannot be started: {error.strerror or error}") from None
        await self._until_ready(place, process)

    async def exited(self) -> None:
        """Wait until its leader has ended."""
        assert self._process is not None  # noqa: S101 — it has been started
        await self._process.exited.wait()

    async def ended(self) -> LastExit:
        """Wait until it has ended of itself, or because it had to; why."""
        assert self._process is not None  # noqa: S101 — it has been started
        await self._process.exited.wait()
        await self._process.last_words()
        return self.last_exit(f"It {self._process.how}.")

    def last_exit(self, reason: str) -> LastExit:
        """Its end for this reason, unless there was a better one."""
        lines = self._process.tail.lines() if self._process else ()
        return LastExit(self._sources.clock(), self._condemned or reason, lines)

    def say(self, reason: str) -> None:
        """Have the function's log say what the edge knows of it."""
        self._output.write("edge", f"{reason}\n".encode(), self.id, self.deployment)

    async def end(self, timeout: float) -> None:
        """End it, with all that came of it; nothing is left then."""
        if self._process is not None:
            await self._process.end(timeout)
            self._output.end(self.id)
        await asyncio.to_thread(self._rooms.remove, self.id)

    def look(self, table: Table, strays: Collection[int] = ()) -> None:
        """See what it takes; kill it if that is too much.

        Args:
            strays: the pids of processes that may be its own, by their marks.
        """
        if self._process is None:
            return
        alive = self._process.family.alive(table, strays)
        self.memory = sum(seen.memory for seen in alive)
        self.processes = len(alive)
        most = self._config.function_memory
        if most and self.memory > most and not self._condemned:
            used, allowed = self.memory // MIB, most / MIB
            self._condemned = f"It used {used} MiB of memory; function_memory is {allowed:g} MiB."
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, 9)

    async def _spawn(self) -> tuple[Place, Process]:
        code = self._sources.code_of(self._wanted.code)
        if code is None:
            raise CannotStart("Its files are not there any more; deploy it again")
        user = self._user(code)
        place = self._rooms.make(self.id, user)
        limits = Limits(
            self._config.function_descriptors,
            self._config.function_processes if user and user.is_own else None,
            mark_of(self.id),
        )
        launched = self._launch(code, place)
        self._process = Process(launched, user, limits)
        await self._process.read(self._take)
        return place, self._process

    def _user(self, code: Code) -> User | None:
        python = [*python_needs(), ROOT] if self._wanted.run.entrypoint else []
        setting, needed = self._config.function_user, [*python, code.directory]
        user = user_of(setting, self.slug, needed)
        if user is None and setting == "auto" and os.geteuid() == 0:
            _warn(
                self.slug, next(path for path in needed if not can_read(path, own_user(self.slug)))
            )
        return user

    def _launch(self, code: Code, place: Place) -> Launch:
        slug = self.slug
        return launch(
            self._wanted.run,
            Named(slug, self.deployment, self.id, self._sources.url_of(slug)),
            code,
            place,
            Python(sys.executable, ROOT),
            self._sources.secrets_of(slug),
            os.environ,
        )

    def _take(self, stream: Stream, data: bytes) -> None:
        self._output.write(stream, data, self.id, self.deployment)
        if self.listener is not None:
            self.listener(data)

    async def _until_ready(self, place: Place, process: Process) -> None:
        def is_ours() -> bool:
            alive = process.family.alive(Table.read())
            return listens(place.port, [seen.pid for seen in alive])

        readiness = Readiness(place, is_ours)
        ready = asyncio.create_task(readiness.wait())
        exited = asyncio.create_task(process.exited.wait())
        try:
            limit = self._config.start_timeout
            await asyncio.wait((ready, exited), timeout=limit, return_when="FIRST_COMPLETED")
            if exited.done():
                await process.last_words()
                raise RunFailed(f"It {process.how} before it answered GET /__health.")
            if not ready.done():
                raise RunFailed(_hanging(limit, readiness.accepted))
            self.address = ready.result()
        finally:
            for task in (ready, exited):
                task.cancel()
            await asyncio.gather(ready, exited, return_exceptions=True)


def explained(last: LastExit) -> str:
    """A reason with the last lines of output below it."""
    if not last.output:
        return f"{last.reason} It wrote nothing."
    return "\n".join((f"{last.reason} Its last output:", *(f"  {line}" for line in last.output)))


def _hanging(limit: float, accepted: bool) -> str:
    what = (
        "it takes connections, but sends no answer"
        if accepted
        else "it listens neither on LISTEN_SOCKET nor on PORT"
    )
    return f"It did not answer GET /__health within {limit:g} s: {what}."


@cache
def _warn(slug: str, directory: Path) -> None:
    """Say once that a function is not apart from the edge, and why."""
    LOG.warning(
        "function %s runs as the edge's own user: one of its own cannot read %s", slug, directory
    )
