"""Puts together what one worker has to do with schedules: constructor calls, nothing else."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from edge.config import Config
from edge.cron.firing import Firing
from edge.cron.loop import CronLoop
from edge.cron.manual import FireNow
from edge.cron.presence import Presence
from edge.cron.signing_secrets import SigningSecrets
from edge.cron.store import CronStore
from edge.doors.http import WorkerState
from edge.events import Observe
from edge.forwarding.forwarder import Forwarder
from edge.functions import Function
from edge.observe.log import log_error
from edge.state.view import WorkerView
from tokens.database import Database


@dataclass(frozen=True, slots=True)
class Live:
    """What the worker knows of functions.

    Attributes:
        refresh: catches up with the store; whether it could.
        state: whether the worker is ending.
    """

    view: WorkerView
    refresh: Callable[[], Awaitable[bool]]
    state: WorkerState

    async def function(self, slug: str) -> tuple[Function | None, int]:
        """A function as it is live now, or None, and the generation of which it is."""
        await self.refresh()
        return self.view.by_slug(slug), self.view.generation


@dataclass(frozen=True, slots=True)
class ComposedCron:
    """Schedules: their runs, and in one of the workers the loop that fires them."""

    presence: Presence
    firing: Firing
    fire_now: FireNow
    loop: CronLoop | None


def composed_cron(
    config: Config,
    database: Database,
    live: Live,
    forwarder: Forwarder,
    url_of: Callable[[str], str],
    observe: Observe,
    slot: int,
) -> ComposedCron:
    """What the worker in a slot has to do with schedules; it has to be present and run."""
    presence = Presence(config.data_dir, os.urandom)
    firing = Firing(
        forwarder=forwarder,
        database=database,
        store=CronStore(database, os.urandom, config.cron_runs),
        secrets=SigningSecrets(database, os.urandom),
        owner=presence.id,
        url_of=url_of,
        max_timeout=config.max_timeout,
        drain_timeout=config.drain_timeout,
        clock=time.time,
        monotonic=time.monotonic,
        random=os.urandom,
        log=log_error,
        observe=observe,
    )
    loop = CronLoop(
        functions=live.view.functions,
        generation=lambda: live.view.generation,
        refresh=live.refresh,
        firing=firing,
        clock=time.time,
        sleep=anyio.sleep,
        draining=lambda: live.state.draining,
        log=log_error,
    )
    fire_now = FireNow(firing, live.function)
    return ComposedCron(presence, firing, fire_now, loop if slot == 0 else None)
