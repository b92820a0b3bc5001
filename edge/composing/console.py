"""What a worker serves of the console: constructor calls, and the rhythm of its samples."""

import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from edge.admin.api import AdminApi
from edge.admin.callers import Callers
from edge.admin.failed_logins import FailedLogins
from edge.admin.local import LocalOperations
from edge.composing.observing import ComposedObserving
from edge.composing.store import Store
from edge.config import Config
from edge.observe.log import log_error
from edge.observe.pages import Page
from edge.observe.series import EVERY, Sample
from edge.observe.series_file import Sampler, SeriesFile
from edge.server.hypercorn_connection import App


@dataclass(frozen=True, slots=True)
class ComposedConsole:
    """One worker's.

    Attributes:
        app: what the admin address serves: the console in front of the API, or that alone.
        run: takes samples until cancelled, in one worker; None in the others.
    """

    app: App
    run: Callable[[], Coroutine[None, None, None]] | None


def composed_console(
    config: Config,
    store: Store,
    operations: LocalOperations,
    failed: FailedLogins,
    bound: Sequence[str],
    observing: ComposedObserving,
    slot: int,
) -> ComposedConsole:
    """The API with the console, where the edge has an admin address and wants one."""
    api = AdminApi(operations, operations.authenticate, failed, observing.text)
    if config.admin is None or not config.console:
        return ComposedConsole(api, None)
    series = SeriesFile(config.data_dir, os.getppid(), config.turn)
    seen = partial(_newest, observing.pages), series.samples
    app = _console(config, store, operations, failed, bound, seen, api)
    sampler = Sampler(observing.pages, series, time.time)
    return ComposedConsole(app, _rhythm(sampler) if slot == 0 else None)


_Seen = tuple[Callable[[], Sequence[dict[str, Any]]], Callable[[], Sequence[Sample]]]


def _console(
    config: Config,
    store: Store,
    operations: LocalOperations,
    failed: FailedLogins,
    bound: Sequence[str],
    seen: _Seen,
    api: AdminApi,
) -> App:
    """The console, imported now: its templates' library costs a worker 3 MiB."""
    from edge.console.app import Console, Surroundings  # noqa: PLC0415
    from edge.console.desk import Seen  # noqa: PLC0415
    from edge.console.sessions import Sessions  # noqa: PLC0415
    from edge.console.trying import Tries  # noqa: PLC0415

    clock = store.database.clock
    around = Surroundings(
        operations=operations,
        callers=Callers(operations.authenticate, failed),
        known=operations.known,
        sessions=Sessions(store.sealing.keys, store.ended, clock, os.urandom),
        seen=Seen(*seen),
        tries=Tries(config, bound),
        clock=clock,
        random=os.urandom,
    )
    return Console(around, api)


def _newest(pages: Callable[[], Sequence[Page]]) -> list[dict[str, Any]]:
    """The last lines of the access log of all workers, newest first. Blocks."""
    lines = [line for page in pages() for line in page.recent]
    return sorted(lines, key=lambda line: str(line.get("time", "")), reverse=True)


def _rhythm(sampler: Sampler) -> Callable[[], Coroutine[None, None, None]]:
    async def run() -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(sampler.take)
            except OSError as error:
                log_error(error, b"-")
            await anyio.sleep(EVERY)

    return run
