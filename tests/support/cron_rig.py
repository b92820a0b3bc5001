"""Processes that fire schedules on one store, with a clock that a test moves."""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson

from edge.cron.firing import Firing
from edge.cron.loop import CronLoop
from edge.cron.manual import FireNow
from edge.cron.presence import Presence
from edge.cron.signing_secrets import SigningSecrets
from edge.cron.store import CronStore, Run
from edge.events import unobserved
from edge.forwarding.forwarder import Forwarder
from edge.forwarding.limit import InFlight
from edge.forwarding.pool import Pool
from edge.functions import Deployment, Function, Upstream
from edge.project_file import catalogs
from edge.project_file.parse import parse_project
from edge.registry.sqlite import SqliteRegistry
from tests.support.origin import Seen, Visit
from tokens.database import Database

SLUG = "shop"
URL = "https://shop.fn.example"
START = "2026-01-05 08:59:30"  # a Monday
NOON = "0 12 * * *"


def unix(text: str) -> float:
    """A time in UTC as Unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class FastClock:
    """Unix time that runs so many times as fast as everybody else's; processes may share it.

    Attributes:
        start: its time at `origin`, Unix seconds of the true clock.
    """

    start: float
    origin: float
    speed: float

    def __call__(self) -> float:
        """Now."""
        return self.start + (time.time() - self.origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        """For so many of its seconds."""
        await anyio.sleep(seconds / self.speed)


@dataclass
class Clock:
    """Unix time that stands still until it is set; whoever sleeps looks again whenever it is."""

    now: float = field(default_factory=lambda: unix(START))
    sleeping: int = 0
    _moved: anyio.Event = field(default_factory=anyio.Event)

    def __call__(self) -> float:
        """Now."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Until the clock is set, however long was asked for."""
        self.sleeping += 1
        await self._moved.wait()

    async def set(self, time: str | float, loops: int = 1) -> None:
        """Set the clock, and wait until every loop has done what that calls for."""
        await self.asleep(loops)
        self.now = unix(time) if isinstance(time, str) else time
        moved, self._moved, self.sleeping = self._moved, anyio.Event(), 0
        moved.set()
        await self.asleep(loops)

    async def asleep(self, loops: int = 1) -> None:
        """Wait until so many loops have nothing to do."""
        with anyio.fail_after(10):
            while self.sleeping < loops:  # noqa: ASYNC110
                await anyio.sleep(0.002)


@dataclass
class Process:
    """What one edge process has to do with schedules."""

    database: Database
    store: CronStore
    secrets: SigningSecrets
    firing: Firing
    fire_now: FireNow
    loop: CronLoop
    presence: Presence
    registry: SqliteRegistry

    def deploy(self, upstream: Upstream, *cron: dict[str, Any] | str, **keys: Any) -> Deployment:
        """Make a function live with these schedules; `keys` are those of the project file."""
        schedules = [{"expression": one} if isinstance(one, str) else one for one in cron]
        config = {"cron": schedules, **keys.pop("config", {})}
        slug = keys.pop("function", SLUG)
        document = keys.pop("document", None)
        written = {"function": slug, "upstream": upstream.url, "config": config, **keys}
        parsed = parse_project(orjson.dumps(written).decode())
        assert parsed.project is not None, parsed.problems
        raw = None if document is None else orjson.dumps(document)
        routes = catalogs.routes(parsed.project, catalogs.catalog(parsed.project, raw))
        now = self.firing.clock()
        return self.registry.deploy(parsed.project, raw, routes, "deploy", now).deployment

    def delete(self, slug: str = SLUG) -> None:
        """Delete a function, as the operation does."""
        with self.database.write():
            self.registry.delete(slug)
            self.store.forget(slug)
            self.secrets.forget(slug)

    def runs(self, slug: str = SLUG) -> list[Run]:
        """Its runs, oldest first."""
        self.store.settle()
        return self.store.runs(slug, None, -1)[::-1]

    def ticks(self, slug: str = SLUG) -> list[str]:
        """The ticks of its runs in UTC."""
        moments = [datetime.fromtimestamp(run.tick or 0, UTC) for run in self.runs(slug)]
        return [moment.strftime("%m-%d %H:%M") for moment in moments]

    async def ended(self, count: int, slug: str = SLUG) -> list[Run]:
        """Wait until so many runs have ended; all of them."""
        with anyio.fail_after(10):
            while sum(run.state != "running" for run in self.runs(slug)) < count:  # noqa: ASYNC110
                await anyio.sleep(0.002)
        return self.runs(slug)


@asynccontextmanager
async def process(
    directory: Path,
    clock: Clock | FastClock,
    *,
    looping: bool = True,
    kept: int = 1000,
    patience: float = 5.0,
) -> AsyncIterator[Process]:
    """A process; it ends with the block. `patience` as for `Database.open`."""
    async with AsyncExitStack() as stack:
        database = Database.open(directory, create=True, patience=patience, wall_clock=clock)
        stack.callback(database.close)
        registry = SqliteRegistry(database, os.urandom)
        presence = Presence(directory, os.urandom)
        stack.enter_context(presence.held())
        pool = Pool()
        stack.push_async_callback(pool.aclose)
        store = CronStore(database, os.urandom, kept)
        secrets = SigningSecrets(database, os.urandom)
        firing = Firing(
            forwarder=Forwarder(pool, InFlight(100, 100, 5.0), "test", 5.0, 10.0),
            database=database,
            store=store,
            secrets=secrets,
            owner=presence.id,
            url_of=lambda _: URL,
            max_timeout=120_000,
            drain_timeout=1.0,
            clock=clock,
            monotonic=time.monotonic,
            random=os.urandom,
            log=_fail,
            observe=unobserved,
        )
        loop = CronLoop(
            functions=registry.functions,
            generation=database.generation,
            refresh=_current,
            firing=firing,
            clock=clock,
            sleep=clock.sleep,
            draining=lambda: False,
            log=_fail,
        )

        async def live(slug: str) -> tuple[Function | None, int]:
            return registry.function(slug), database.generation()

        await stack.enter_async_context(firing.running())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        if looping:
            tasks.start_soon(loop.run)
        made = Process(
            database, store, secrets, firing, FireNow(firing, live), loop, presence, registry
        )
        yield made


@dataclass
class Receiver:
    """A function: it notes what comes, and answers with `status`, once `open` is set."""

    seen: list[Seen] = field(default_factory=list)
    status: int = 200
    open: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        """Answer at once, until a test closes it."""
        self.open.set()

    def close(self) -> None:
        """Hold what comes from now on."""
        self.open = anyio.Event()

    async def behave(self, visit: Visit) -> None:
        """See `origin.Behaviour`."""
        while True:
            self.seen.append(await visit.request())
            await self.open.wait()
            answer = b"HTTP/1.1 %d So\r\ncontent-length: 2\r\n\r\nok" % self.status
            await visit.send(answer)

    async def came(self, count: int) -> list[Seen]:
        """Wait until so many requests have come; all of them."""
        await until(lambda: len(self.seen) >= count)
        return self.seen


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.002)


async def _current() -> bool:
    return True


def _fail(error: BaseException, _: bytes) -> None:
    raise AssertionError from error
