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
from pathlib import Path

from edge.child import READY, Orders, pause
from edge.config import Config, as_plain
from edge.exits import signal_name
from edge.observe.pages import Pages
from edge.running.family import sweep
from edge.running.rooms import OWNERS, mark_of
from edge.running.system import memory_of
from edge.server import http3
from edge.server.certificates import CertificateError, check
from edge.server.handover import HandoverError, Offer, Predecessor
from edge.server.http3 import Http3Missing
from edge.server.mailboxes import Mailbox
from edge.server.orders import MARGIN, RELOAD, SUCCEEDED, WorkerOrders
from edge.server.recycling import Child, Recycling, Spawn
from edge.server.sockets import BindError, Bound, Slot, bind_all
from edge.settings import parse_address

FACTORY = "edge.compose:build"
"""The composition of the real edge."""

WORKER = "edge.server.worker_main"
RUNNER = "edge.running.main"
"""The programs of the children; the second one runs functions."""

PACKAGE_ROOT = Path(__file__).parents[2]

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
) -> int:
    """Run the edge until SIGTERM or SIGINT; a second one ends it at once.

    Args:
        factory: `module:name` of an `edge.server.worker.Factory`, imported by each worker.
        runner: the module of the process that runs functions, or None for an edge without one.
        on_ready: awaited after the ready line, with what was bound; for deploys at start. What
            it raises ends the edge, its text said on stderr.
        takeover: take the addresses of the edge that runs on the data directory, if one does; it
            ends once this one is ready, and goes on as it was if this one fails before.

    Returns:
        The exit status: 0 after a drain, 1 if the edge could not start (said on stderr).
    """
    try:
        http3.check(config)
        check(config)
        before = Predecessor.ask(config.data_dir) if takeover else None
        config = replace(config, turn=0 if before is None else 1 - before.turn)
        bound = bind_all(config, {} if before is None else before.sockets)
    except (Http3Missing, CertificateError, HandoverError) as error:
        _complain(f"The edge cannot start: {error}")
        return 1
    except BindError as error:
        _complain(str(error))
        return 1
    with ExitStack() as stack:
        mailboxes = [stack.enter_context(closing(Mailbox.open())) for _ in bound.slots]
        supervisor = Supervisor(config, bound, mailboxes, factory, runner, on_ready, before)
        stack.callback(Pages(config.data_dir, os.getpid(), config.turn).clear)
        stack.callback(supervisor.close)
        return asyncio.run(supervisor.run())


@dataclass(slots=True)
class Supervisor:
    """Keeps one worker alive per slot, and the runner.

    Attributes:
        mailboxes: of the slots, in their order.
        before: the edge whose addresses these were, until it has ended.
    """

    config: Config
    bound: Bound
    mailboxes: Sequence[Mailbox]
    factory: str
    runner: str | None
    on_ready: Ready
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
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(call) for call in (self._announce(), self._take_turns())]
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
            self._signal(RELOAD, *self._workers)

    def _stop(self) -> None:
        self._stopping.set()
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
            with Offer(self.config, self.bound.asked, self._refusal).at_hand() as offer:
                await self._begin_turn()
                await offer.taken()
                self._holds_paths = False
                self._succeeded = True
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
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        try:
            await self.on_ready(self.bound)
        except Exception as error:
            self._fail(str(error))

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

        return await _spawn(WORKER, descriptors, orders)

    async def _spawn_runner(self) -> Child:
        assert self.runner is not None  # noqa: S101 — or none is kept

        def orders(status: int) -> bytes:
            bound = list(self.bound.addresses)
            return Orders(as_plain(self.config), bound, status).to_json()

        return await _spawn(self.runner, (), orders)

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


async def _spawn(module: str, descriptors: Sequence[int], orders: Callable[[int], bytes]) -> Child:
    """Start a child.

    Args:
        orders: what it reads from stdin, given the descriptor on which it says of its start.
    """
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        pass_fds=(*descriptors, writing),
        env=_environment(),
    )
    os.close(writing)
    assert process.stdin is not None  # noqa: S101 — a pipe was asked for
    process.stdin.write(orders(writing))
    with suppress(ConnectionError):
        await process.stdin.drain()
    return process, await _read_pipe(reading)


def shown(config: Config, address: str) -> str:
    """A bound address as the ready line shows it."""
    if parse_address(address).path:
        return address
    return f"{'https' if config.certfile else 'http'}://{address}"


def _environment() -> dict[str, str]:
    """The parent's environment; the worker finds this very package."""
    paths = [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


async def _read_pipe(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


def _how(code: int) -> str:
    return f"exit status {code}" if code >= 0 else signal_name(-code)


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
