"""A whole edge amid traffic of every kind, while all that can change does."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic

from edge.admin.audit_operations import RECORDS_AT_ONCE
from edge.admin.deploying import FIRST_TOKEN
from edge.admin.token_operations import all_tokens
from tests.load import lasting, plain
from tests.load.echoing import Echoing
from tests.load.history import History, Life, Token
from tests.load.load import FLAKY, SHOP, Door, Load
from tests.load.managers import Deployments, Tokens, comes_and_goes, kill_a_worker
from tests.support.open_files import open_files, sockets
from tests.support.origin import serving as serving_function
from tests.support.whole_edge import Edge, serving
from tests.support.whole_processes import memory, settled
from tokens.database import FILE

SEED = 20261124
WARM_UP = 1.0
LINGERS = 2.0
"""Seconds after which no connection of a client that has gone is left."""

DEPLOY = 10
"""Changes of tokens for each deploy."""

CALLERS = (
    *(plain.keeps_alive,) * 3,
    plain.calls_a_flaky_one,
    plain.pipelines,
    plain.leaves,
    plain.multiplexes,
    *(lasting.calls_tools,) * 2,
    lasting.holds_events,
    lasting.holds_changes,
    lasting.holds_a_socket,
)


@dataclass(frozen=True)
class Measure:
    """How much, and how long; times are seconds.

    Attributes:
        each: callers of each kind.
        pace: for which each rests after a request, on average.
        hold: for which a stream is held at most.
        change, kill: between two changes of tokens, and two kills.
        up, down: for which the function that dies is there, and is not.
    """

    seconds: float
    each: int
    pace: float
    hold: float
    change: float
    kill: float
    up: float
    down: float


@dataclass(frozen=True)
class Rest:
    """What each worker holds when nobody calls.

    Attributes:
        descriptors: how many of what, but for the store's: each thread that has used it keeps two.
        memory: resident, bytes.
    """

    descriptors: list[dict[str, int]]
    memory: list[int]


@dataclass
class Mixed:
    """An edge with its functions, and who changes what."""

    edge: Edge
    measure: Measure
    load: Load
    functions: tuple[Echoing, ...]
    tokens: Tokens
    deployments: Deployments
    acknowledged: list[tuple[str, str]]

    async def traffic(self, seconds: float) -> None:
        """Callers of every kind, for so long."""
        self.load.over = False

        async def goes_on(kind: Callable[[Load], Awaitable[None]]) -> None:
            while not self.load.over:
                await kind(self.load)

        async with asyncio.TaskGroup() as tasks:
            for kind in CALLERS * self.measure.each:
                tasks.create_task(goes_on(kind))
            await asyncio.sleep(seconds)
            self.load.over = True

    async def trouble(self) -> None:
        """Changes and kills, for as long as is measured."""
        until = monotonic() + self.measure.seconds

        async def again(change: Callable[[], Awaitable[None]], pause: float) -> None:
            while monotonic() + pause < until:
                await asyncio.sleep(pause)
                await change()

        change, kill = self.measure.change, self.measure.kill
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(again(self.tokens.change, change))
            tasks.create_task(again(self.deployments.change, change * DEPLOY))
            tasks.create_task(again(self._kill, kill))

    async def at_rest(self) -> Rest:
        """What is left once each worker has served, everybody has gone, and functions hang up."""
        await self.traffic(WARM_UP)
        for function in self.functions:
            function.hang_up()
        workers = self.edge.workers
        await asyncio.to_thread(settled, lambda: sum(map(sockets, workers)), LINGERS)
        held = [self._descriptors(worker) for worker in workers]
        return Rest(held, [memory(worker)[0] for worker in workers])

    def lost(self) -> list[str]:
        """What was acknowledged and is not so; blocking."""
        return [*self._lost_tokens(), *self._lost_deployments(), *self._lost_records()]

    def _descriptors(self, worker: int) -> Counter[str]:
        store = str(self.edge.data_dir / FILE)
        kinds = (name.partition("[")[0] for name in open_files(worker) if store not in name)
        return Counter("its lock" if "cron-" in kind else kind for kind in kinds)

    async def _kill(self) -> None:
        await kill_a_worker(self.edge, self.load.history, self.load.dice)

    def _lost_tokens(self) -> list[str]:
        operations, tokens = self.edge.operations, self.tokens
        listed = {each.id: each.name for each in all_tokens(operations, SHOP) if not each.expires}
        good = {each.id for each in tokens.good if each.life.end_asked == inf}
        over = [each for each in tokens.every if each.life.ended < monotonic()]
        return [
            *(f"no token {id_}" for id_ in good - {*listed}),
            *(
                f"nobody made the token {id_}"
                for id_, name in listed.items()
                if id_ not in good and name not in tokens.undecided
            ),
            *(f"good again: {each}" for each in over if operations.check_token(each.secret).valid),
        ]

    def _lost_deployments(self) -> list[str]:
        kept = {each.id: each.live for each in self.edge.operations.deployments(SHOP)}
        return [f"{id_} is not there" for id_ in self.deployments.last if id_ not in kept] + [
            f"{id_} is live" for id_, live in kept.items() if live != (id_ == self.deployments.live)
        ]

    def _lost_records(self) -> list[str]:
        operations, found = self.edge.operations, Counter[tuple[str, str | None]]()
        before = None
        while page := operations.audit(limit=RECORDS_AT_ONCE, before=before):
            found.update((each.event, each.subject) for each in page)
            before = page[-1].number
        missing = Counter(self.acknowledged) - found
        broken = [] if operations.verify_audit().intact else ["the audit trail is not intact"]
        return [*map(str, missing), *broken]


@asynccontextmanager
async def mixed(directory: Path, measure: Measure) -> AsyncIterator[Mixed]:
    """An edge of two workers with a function that changes, and one that comes and goes."""
    history, dice = History(), random.Random(SEED)
    one, two, flaky = (Echoing(tool, history.arrivals) for tool in ("one", "two", "three"))
    path = directory / "flaky.sock"
    with serving(directory / "data", "--auth-failures", "off", workers=2) as edge:
        async with serving_function(one) as first, serving_function(two) as second:
            going = asyncio.create_task(
                comes_and_goes(flaky, path, history, measure.up, measure.down)
            )
            acknowledged: list[tuple[str, str]] = []
            made = await asyncio.to_thread(edge.deploy, FLAKY, f"unix:{path}")
            history.deployments[made.id or ""].append(Life())
            [known] = edge.operations.tokens(FLAKY)
            tokens = Tokens(
                edge, dice, Token("flaky", Life(), made.token or "", known.id), acknowledged
            )
            urls = (first.url, second.url)
            deployments = Deployments(edge, dice, history, urls, acknowledged)
            await deployments.change()
            edge.operations.revoke_token(SHOP, FIRST_TOKEN)
            await tokens.create()
            door = Door(edge.port)
            load = Load(door, history, tokens.pick, measure.pace, measure.hold, dice)
            try:
                functions = (one, two, flaky)
                yield Mixed(edge, measure, load, functions, tokens, deployments, acknowledged)
            finally:
                going.cancel()
                await asyncio.gather(going, return_exceptions=True)
