"""Runs carried out: signed, sent over the same limits and connections as any call, written down.

Not here: which runs there are to carry out (`loop`), and who claims them (`store`).
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from edge.cron.schedule import Schedule
from edge.cron.signature import run_fields, signed
from edge.cron.signing_secrets import SigningSecretLost, SigningSecrets
from edge.cron.store import Claimed, CronStore, Due, Ended, State
from edge.errors import EdgeError
from edge.events import CronRan, Observe
from edge.forwarding import plan
from edge.forwarding.forwarder import Call, Forwarder
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Function
from edge.keys import KeysError
from tokens.database import Database
from tokens.errors import StoreError

RETRY_SECONDS = 1.0
"""Between two tries to write down what became of a run."""

LAST_WORD_SECONDS = 2.0
"""For which a run that is cut off may write that down."""

DRAIN_LOOK = 0.05
"""Seconds between two looks at whether all runs have ended."""

METHOD = b"POST"


@dataclass(frozen=True, slots=True)
class Order:
    """A claimed run, with all that it takes to carry it out."""

    claimed: Claimed
    function: Function
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Outcome:
    state: State
    status: int | None = None
    code: str | None = None


@dataclass(slots=True)
class Firing:
    """Carries out the runs of one process.

    Attributes:
        owner: this process, as its `Presence` names it.
        url_of: a function's published address, which a run is as if sent to.
        max_timeout: milliseconds that no function's own timeout exceeds.
        drain_timeout: seconds that runs may take to end once the process is to end.
        clock: Unix time, seconds.
        monotonic: seconds, for durations.
        log: told of what is the edge's own fault.
        observe: told of every run that is over.
    """

    forwarder: Forwarder
    database: Database
    store: CronStore
    secrets: SigningSecrets
    owner: str
    url_of: Callable[[str], str]
    max_timeout: int
    drain_timeout: float
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    random: Callable[[int], bytes]
    log: Callable[[BaseException, bytes], None]
    observe: Observe
    _tasks: TaskGroup | None = None
    _going: int = 0
    _until: float | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Accept orders in the block; at its end what still runs is cut off and written down so."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    def claim(self, due: Iterable[tuple[Due, Function]], generation: int) -> list[Order]:
        """Claim runs, blocking; those that are to be carried out. As `CronStore.claim`.

        The secrets are read in the same transaction, or a function that is deleted meanwhile would
        leave one behind.
        """
        found = list(due)
        functions = {one.schedule.function: function for one, function in found}
        now = self.clock()
        with self.database.write():
            claimed = self.store.claim([one for one, _ in found], now, generation, self.owner)
            return [self._order(one, functions, now) for one in claimed]

    def _order(self, one: Claimed, functions: dict[str, Function], now: float) -> Order:
        slug = one.due.schedule.function
        try:
            secrets = self.secrets.of(slug, now) if not one.skipped else ()
        except (SigningSecretLost, KeysError):
            secrets = ()  # nothing is sent unsigned
        return Order(one, functions[slug], secrets)

    def start(self, order: Order) -> None:
        """Carry out an order beside everything else."""
        if order.claimed.skipped:
            return
        if self._tasks is None:
            raise RuntimeError("orders are accepted while running() is")
        self._going += 1
        self._tasks.start_soon(self._carry_out, order)

    def begin_drain(self) -> None:
        """The process is to end: from now on, runs may take so long to end too."""
        self._until = self.monotonic() + self.drain_timeout

    async def drained(self) -> None:
        """Wait until nothing is under way, or the time for that is over."""
        left = 0.0 if self._until is None else self._until - self.monotonic()
        with anyio.move_on_after(max(left, 0.0)):
            while self._going:  # noqa: ASYNC110 — many tasks, and it is waited for once
                await anyio.sleep(DRAIN_LOOK)

    async def _carry_out(self, order: Order) -> None:
        began = self.monotonic()
        try:
            outcome = await self._outcome(order)
            await self._write_down(order, outcome, began)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(LAST_WORD_SECONDS):
                await self._write_down(order, _Outcome("unknown"), began)
            raise
        finally:
            self._going -= 1

    async def _outcome(self, order: Order) -> _Outcome:
        try:
            return await self._sent(order)
        except Exception as error:
            self.log(error, order.claimed.id.encode())
            return _Outcome("error", code="internal")

    async def _write_down(self, order: Order, outcome: _Outcome, began: float) -> None:
        """Until it is written: a run that seems to go on keeps the next from starting."""
        duration = self.monotonic() - began
        ended = Ended(outcome.state, outcome.status, outcome.code, self.clock(), duration)
        slug, run = order.claimed.due.schedule.function, order.claimed.id
        self.observe(CronRan(slug, run, ended.state, ended.status, ended.code or "", duration))
        while True:
            try:
                await anyio.to_thread.run_sync(self.store.end, order.claimed.id, ended)
            except StoreError:
                await anyio.sleep(RETRY_SECONDS)
            else:
                return

    async def _sent(self, order: Order) -> _Outcome:
        schedule = order.claimed.due.schedule
        if schedule.target is None:
            return _Outcome("error", code="no_route")
        if not order.secrets:
            return _Outcome("error", code="no_signing_secret")
        call = self._call(order, schedule, schedule.target)
        try:
            async with self.forwarder.send(call) as relayed:
                async for _ in relayed.answer.body:
                    pass
                status = relayed.status
        except EdgeError as error:
            return _Outcome("error", error.refusal.kind.status, error.refusal.kind.code)
        except UpstreamFailure as failure:
            late = failure.kind == "idle"
            code = "upstream_timeout" if late else "upstream_invalid"
            return _Outcome("error", relayed.status, code)
        return _Outcome("ok" if status < 400 else "error", status)

    def _call(self, order: Order, schedule: Schedule, target: bytes) -> Call:
        fields = run_fields(schedule.cron, order.claimed.id)
        return Call(
            function=order.function,
            principal=None,
            caller=self._caller(schedule.function),
            ids=plan.ids((), self.random(40)),
            trigger="cron",
            method=METHOD.decode(),
            target=target,
            headers=(),
            body=b"",
            length=0,
            checked=False,
            timeout=min(schedule.timeout, self.max_timeout),
            signed=partial(signed, fields, order.secrets, self.clock(), METHOD),
        )

    def _caller(self, slug: str) -> plan.Caller:
        """The edge itself, at the function's published address."""
        address = urlsplit(self.url_of(slug))
        return plan.Caller(
            authority=address.netloc.encode(),
            prefix=address.path.rstrip("/").encode(),
            chain=(),
            client="",
            proto=address.scheme.encode(),
        )
