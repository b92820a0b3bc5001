"""The parent process: binds, starts one worker per slot, replaces those that die, ends them all.

The runner, which keeps the functions' processes, is one more child: it ends after the workers. The
parent serves nothing itself, so that nothing a client sends can bring it down. Not here: what a
worker does (`edge/server/worker.py`).
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from edge.child import READY, Orders, pause
from edge.config import Config, as_plain
from edge.exits import signal_name
from edge.functions import CONSOLE
from edge.observe.pages import Pages
from edge.running.family import sweep
from edge.running.rooms import OWNERS, mark_of
from edge.running.system import memory_of
from edge.server import http3
from edge.server.certificates import CertificateError, check
from edge.server.children import Child, Follower, spawn
from edge.server.handover import HandoverError, Offer, Predecessor
from edge.server.http3 import Http3Missing
from edge.server.mailboxes import Mailbox
from edge.server.orders import MARGIN, RELOAD, SUCCEEDED, WorkerOrders
from edge.server.recycling import Recycling, Spawn
from edge.server.service_manager import Manager, PassedError, passed_sockets
from edge.server.sockets import BindError, Bound, Slot, bind_all
from edge.settings import parse_address

FACTORY = "edge.compose:build"
"""The composition of the real edge."""

WORKER = "edge.server.worker_main"
RUNNER = "edge.running.main"
"""The programs of the children; the second one runs functions."""

LONGEST_BACKOFF = 5.0
RUNNING = "runner"
"""What the runner is called among the children."""

Ready = Callable[[Bound], Awaitable[None]]
Last = Callable[[Process], Awaitable[int]]
"""Waits until nobody has a child's place any more: the exit status of the last one."""


async def _no_more(bound: Bound) -> None:
    """Nothing follows readiness."""
    del bound


def serve(
    config: Config,
    *,
    factory: str = FACTORY,
    runner: str | None = RUNNER,
    on_ready: Ready = _no_more,
    takeover: bool = False,
    follower: Sequence[str] = (),
) -> int:
    """Run the edge until SIGTERM or SIGINT; a second one ends it at once.

    Where a service manager passes sockets, they are served on instead of `config.bind`.

    Args:
        factory: `module:name` of an `edge.server.worker.Factory`, imported by each worker.
        runner: the module of the process that runs functions, or None for an edge without one.
        on_ready: awaited after the ready line, with what was bound; for deploys at start. What
            it raises ends the edge, its text said on stderr.
        takeover: take the addresses of the edge that runs on the data directory, if one does; it
            ends once this one is ready, and goes on as it was if this one fails before.
        follower: the words of `jelou` with which SIGUSR2 starts an edge that takes over from this
            one; none for an edge that cannot be followed so.

    Returns:
        The exit status: 0 after a drain, 1 if the edge could not start (said on stderr).
    """
    try:
        http3.check(config)
        check(config)
        before = Predecessor.ask(config.data_dir) if takeover else None
        config = replace(config, turn=0 if before is None else 1 - before.turn)
        config, bound = _bound(config, before)
    except (Http3Missing, CertificateError, HandoverError, PassedError) as error:
        _complain(f"The edge cannot start: {error}")
        return 1
    except BindError as error:
        _complain(str(error))
        return 1
    with ExitStack() as stack:
        mailboxes = [stack.enter_context(closing(Mailbox.open())) for _ in bound.slots]
        manager = _manager(before)
        supervisor = Supervisor(
            *(config, bound, mailboxes, factory, runner, on_ready),
            *(manager, Follower.of(follower), before),
        )
        stack.callback(Pages(config.data_dir, os.getpid(), config.turn).clear)
        stack.callback(supervisor.close)
        return asyncio.run(supervisor.run())


def _bound(config: Config, before: Predecessor | None) -> tuple[Config, Bound]:
    """The configuration with the addresses that are served, and what is bound for them."""
    taken = {} if before is None else before.sockets
    passed = passed_sockets(os.environ)
    if before is not None and not passed:  # what it was passed is served on
        passed = {text: taken.pop(text) for text in before.passed}
    if passed:
        config = replace(config, bind=tuple(passed))
    return config, bind_all(config, taken, passed)


def _manager(before: Predecessor | None) -> Manager:
    """Whom this edge tells of itself: who started it, else who started the one before it."""
    own = Manager.of(os.environ)
    return before.manager if before is not None and not own.address else own


@dataclass(slots=True)
class Supervisor:
    """Keeps one worker alive per slot, and the runner.

    Attributes:
        mailboxes: of the slots, in their order.
        manager: the service manager, which is told what this edge does.
        follower: what SIGUSR2 starts.
        before: the edge whose addresses these were, until it has ended.
    """

    config: Config
    bound: Bound
    mailboxes: Sequence[Mailbox]
    factory: str
    runner: str | None
    on_ready: Ready
    manager: Manager
    follower: Follower | None
    before: Predecessor | None = None
    _holds_paths: bool = field(init=False)
    _succeeded: bool = False
    _told_to_end: bool = False
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _workers_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _children: dict[str, Process] = field(default_factory=dict)
    _ready: set[str] = field(default_factory=set)
    _all_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _in_charge: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: str = ""
    _recycling: Recycling = field(init=False)

    def __post_init__(self) -> None:
        self._holds_paths = self.before is None
        self._recycling = Recycling(self.config, self._children, memory_of, _complain)

    def close(self) -> None:
        """Close what was bound, and remove it from the file system if it is no other edge's."""
        self.bound.close(remove=self._holds_paths)
        self._holds_paths = False

    async def run(self) -> int:
        """Run until told to end; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup, os.isatty(0))
        loop.add_signal_handler(signal.SIGUSR1, _files_are_followed)
        loop.add_signal_handler(signal.SIGUSR2, self._on_follow)
        async with asyncio.TaskGroup() as group:
            aside = (self._announce(), self._take_turns(), self._show_life())
            others = [group.create_task(call) for call in aside]
            keepers = [group.create_task(self._keep(i, s)) for i, s in enumerate(self.bound.slots)]
            running = group.create_task(self._keep_runner())
            await asyncio.wait(keepers)
            await self._recycling.over()
            self.close()  # or who connects now, a thread of ours too, would wait for nobody
            self._workers_ended.set()
            self._end_runner()
            await running
            for task in others:
                task.cancel()
        if self._failure:
            _complain(self._failure)
            return 1
        return 0

    def _on_signal(self) -> None:
        if self._told_to_end:
            self._signal(signal.SIGKILL, *self._children)
        elif not self._stopping.is_set():
            self._stop()
        self._told_to_end = True

    def _on_hangup(self, began_on_terminal: bool) -> None:
        """Certificates are read anew; but a terminal that is gone takes its edge along."""
        if began_on_terminal and not os.isatty(0):
            self._on_signal()
        else:
            self.manager.tell_reloading()
            self._signal(RELOAD, *self._workers)
            self.manager.tell("READY=1")

    def _on_follow(self) -> None:
        """Start an edge with the program and the settings as they are now, to take over."""
        if self.follower is not None and self._in_charge.is_set() and not self._stopping.is_set():
            self.manager.tell_reloading()
            self.follower.start(self._not_followed)

    def _not_followed(self, how: str) -> None:
        if not self._succeeded:
            _complain(f"The edge that was to follow has not started ({how}); this one goes on.")
            self.manager.tell("READY=1")

    def _stop(self) -> None:
        self._stopping.set()
        if not self._succeeded:
            self.manager.tell("STOPPING=1")
        self._signal(SUCCEEDED if self._succeeded else signal.SIGTERM, *self._workers)
        patience = self.config.drain_timeout + MARGIN
        asyncio.get_running_loop().call_later(patience, self._kill_workers)

    def _kill_workers(self) -> None:
        self._signal(signal.SIGKILL, *self._workers)

    def _end_runner(self) -> None:
        """Functions end once no worker has a request for them any more."""
        self._signal(signal.SIGTERM, RUNNING)
        patience = self.config.stop_timeout + MARGIN
        asyncio.get_running_loop().call_later(patience, self._signal, signal.SIGKILL, RUNNING)

    @property
    def _workers(self) -> list[str]:
        return [name for name in self._children if name != RUNNING]

    def _signal(self, number: signal.Signals, *names: str) -> None:
        for name in names:
            if process := self._children.get(name):
                with suppress(ProcessLookupError):
                    process.send_signal(number)

    async def _take_turns(self) -> None:
        """Once this edge is ready end the one before it; later end for one that comes after."""
        await self._all_ready.wait()
        try:
            offered = Offer(self.config, self.bound, self.manager, self._refusal)
            with offered.at_hand() as offer:
                await self._begin_turn()
                successor = await offer.taken()
                self._holds_paths = False
                self._succeeded = True
                self.manager.tell(f"MAINPID={successor}", "READY=1")
        except (HandoverError, OSError) as error:
            self._fail(f"The edge cannot start: {error}")
        else:
            _complain("Another edge has taken over; what is in flight here is finished.")
            self._stop()

    async def _begin_turn(self) -> None:
        if self.before is not None:
            self.before.succeed()
            self._holds_paths = True
        self._in_charge.set()
        if self.before is not None:
            await self.before.ended()
            self.before = None

    def _refusal(self) -> str:
        """Why the addresses are not to be had; empty if they are."""
        ending = self._stopping.is_set()
        return "The edge that runs there is ending; start another when it has." if ending else ""

    async def _announce(self) -> None:
        await self._in_charge.wait()
        first, *others = (shown(self.config, text) for text in self.bound.addresses)
        lines = [f"▸ Edge ready on {first}", *(f"▸ Also on {other}" for other in others)]
        admin = self.bound.admin
        if admin is not None and self.config.console and not parse_address(admin).path:
            lines.append(f"▸ Console on {shown(self.config, admin)}{CONSOLE}/")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        self.manager.tell("READY=1", f"STATUS=Serving on {first}")
        try:
            await self.on_ready(self.bound)
        except Exception as error:
            self._fail(str(error))

    async def _show_life(self) -> None:
        """Show the manager that this process does its work, twice as often as it asks for."""
        await self._in_charge.wait()
        while self.manager.patience:
            self.manager.tell("WATCHDOG=1")
            await asyncio.sleep(self.manager.patience / 2)

    async def _keep(self, index: int, slot: Slot) -> None:
        """Keep a worker in this slot until the edge ends."""
        name, spawn = f"worker {index}", partial(self._spawn_worker, index, slot)

        def last(process: Process) -> Awaitable[int]:
            return self._recycling.last(name, process, spawn, self._stopping)

        await self._keep_child(name, spawn, self._stopping, last)
        # Or connections would wait in the queue of a worker that has drained before the others.
        slot.close_own()

    async def _keep_runner(self) -> None:
        """Keep the runner until all workers have ended; leave no function running."""
        if self.runner is not None:
            if self.before is None:  # no other edge is there: nothing of either turn may run
                sweep(mark_of(self.config.data_dir, OWNERS[1]))
            await self._keep_child(RUNNING, self._spawn_runner, self._workers_ended, Process.wait)
            sweep(mark_of(self.config.data_dir, OWNERS[self.config.turn]))

    async def _keep_child(self, name: str, spawn: Spawn, enough: asyncio.Event, last: Last) -> None:
        failures = 0
        while not enough.is_set():
            process, status = await spawn()
            said = await self._watch(name, process, status, enough, last)
            failures = 0 if said == READY else failures + 1
            if said != READY and not self._all_ready.is_set():
                self._give_up(name, said)
                return
            if failures and not enough.is_set():
                await pause(enough, min(0.1 * 2**failures, LONGEST_BACKOFF))

    async def _watch(
        self,
        name: str,
        process: Process,
        status: asyncio.StreamReader,
        enough: asyncio.Event,
        last: Last,
    ) -> str:
        """Wait for a child's end; what it said of its start."""
        self._children[name] = process
        if enough.is_set():
            self._signal(signal.SIGTERM, name)
        said = (await status.readline()).decode(errors="replace").strip()
        if said == READY:
            self._ready.add(name)
            if len(self._ready) == len(self.bound.slots) + (self.runner is not None):
                self._all_ready.set()
        code = await last(process)
        del self._children[name]
        if self._all_ready.is_set() and not enough.is_set():
            _complain(f"{name} ended ({_how(code)}); it is replaced")
        return said

    def _give_up(self, name: str, said: str) -> None:
        """A child that cannot even start the first time: neither will the others."""
        if not self._stopping.is_set():
            self._fail(f"The edge cannot start: {said or f'{name} died'}")

    def _fail(self, why: str) -> None:
        """End the edge; its exit status will be 1."""
        self._failure = why
        self._stop()

    async def _spawn_worker(self, index: int, slot: Slot) -> Child:
        mail = [self.mailboxes[index].reading, *(box.writing for box in self.mailboxes)]
        descriptors = [sock.fileno() for sock in (*slot.all, *mail)]

        def orders(status: int) -> bytes:
            return self._orders(index, slot, status).to_json()

        return await spawn(WORKER, descriptors, orders)

    async def _spawn_runner(self) -> Child:
        assert self.runner is not None  # noqa: S101 — or none is kept

        def orders(status: int) -> bytes:
            bound = list(self.bound.addresses)
            return Orders(as_plain(self.config), bound, status).to_json()

        return await spawn(self.runner, (), orders)

    def _orders(self, index: int, slot: Slot, status: int) -> WorkerOrders:
        return WorkerOrders(
            config=as_plain(self.config),
            factory=self.factory,
            index=index,
            bound=list(self.bound.addresses),
            public=[sock.fileno() for sock in slot.public],
            local_admin=[sock.fileno() for sock in slot.local_admin],
            remote_admin=[sock.fileno() for sock in slot.remote_admin],
            datagrams=[sock.fileno() for sock in slot.datagrams],
            mailbox=self.mailboxes[index].reading.fileno(),
            mailboxes=[box.writing.fileno() for box in self.mailboxes],
            status=status,
        )


def shown(config: Config, address: str) -> str:
    """A bound address as the ready line shows it."""
    if parse_address(address).path:
        return address
    return f"{'https' if config.certfile else 'http'}://{address}"


def _files_are_followed() -> None:
    """What rotates logs says so by SIGUSR1; log files are followed by name in any case."""


def _how(code: int) -> str:
    return f"exit status {code}" if code >= 0 else signal_name(-code)


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
