"""Trials without a running edge, for one command: started here, ended when it is done with them.

See `edge/running/client.py` for those of a running edge.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge.config import Config
from edge.running.instance import Instance, Sources, Wanted, explained
from edge.running.protocol import StartTrial
from edge.running.rooms import Rooms
from edge.running.runs import RunFailed, Said
from edge.running.system import Table
from edge.running.trials import run_of

LOOK_EVERY = 1.0
"""Seconds between two looks at the memory that a trial takes."""


@dataclass(frozen=True, slots=True)
class LoneTrial:
    """See `edge.running.runs.Trial`."""

    address: str

    def adopt(self, deployment: str) -> None:
        """Nobody is there to keep it: the deployment's processes start with the edge."""
        del deployment


class InProcess:
    """See `edge.running.runs.Runs`."""

    def __init__(self, config: Config, sources: Sources) -> None:
        self._config = config
        self._sources = sources

    @contextmanager
    def trial(
        self, slug: str, project: str, code: str, said: Said | None = None, deployment: str = ""
    ) -> Iterator[LoneTrial]:
        """See `Runs.trial`."""
        run = run_of(StartTrial("", slug, project, code, deployment))
        wanted = Wanted(slug, deployment or "trial", run, code)
        try:
            rooms = Rooms(self._config.data_dir, owner=f"alone {os.getpid()}")
        except OSError as error:
            raise RunFailed(f"It cannot be started: {error.strerror or error}") from None
        with _loop() as loop:
            try:
                living = _Living(self._config, rooms, self._sources, wanted, said)
                _wait(loop, living)
                yield LoneTrial(living.instance.address)
            finally:
                asyncio.run_coroutine_threadsafe(living.end(), loop).result()
                rooms.close()

    def status(self, slug: str) -> None:
        """See `Runs.status`."""
        del slug

    def restart(self, slug: str) -> None:
        """See `Runs.restart`: nothing runs."""
        del slug

    def ended(self, slug: str) -> None:
        """See `Runs.ended`: nothing runs."""
        del slug


class _Living:
    """One trial's instance, on its loop."""

    def __init__(
        self, config: Config, rooms: Rooms, sources: Sources, wanted: Wanted, said: Said | None
    ) -> None:
        self.instance = Instance(wanted, config, rooms, sources)
        self._stop_timeout = config.stop_timeout
        self._watch: asyncio.Task[None] | None = None
        if said is not None:
            self.instance.listener = lambda data: said(data.decode(errors="replace"))

    async def start(self) -> None:
        """Start it; RunFailed says why not."""
        self._watch = asyncio.create_task(self._look())
        try:
            await self.instance.start()
        except RunFailed as error:
            raise RunFailed(explained(self.instance.last_exit(error.reason))) from None

    async def end(self) -> None:
        """Leave nothing of it."""
        if self._watch is not None:
            self._watch.cancel()
        await self.instance.end(self._stop_timeout if self.instance.address else 0.0)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.instance.look(Table.read())


def _wait(loop: asyncio.AbstractEventLoop, living: _Living) -> None:
    """Wait for the start, also where somebody presses Ctrl-C meanwhile."""
    starting = asyncio.run_coroutine_threadsafe(living.start(), loop)
    try:
        starting.result()
    except BaseException:
        starting.cancel()
        raise


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread that lives as long: processes end with the thread they came of."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
