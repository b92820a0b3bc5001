"""The parent process: binds, starts one worker per slot, replaces those that die, ends them all.

It serves nothing itself, so that nothing a client sends can bring it down. Not here: what a worker
does (`edge/server/worker.py`).
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import Config, as_plain
from edge.server.mailboxes import Mailbox
from edge.server.sockets import BindError, Bound, Slot, bind_all
from edge.server.worker_main import READY, Orders
from edge.settings import parse_address

FACTORY = "edge.compose:build"
"""The composition of the real edge."""

PACKAGE_ROOT = Path(__file__).parents[2]

LONGEST_BACKOFF = 5.0
MARGIN = 8.0
"""Seconds that a worker has beyond `drain_timeout` to end before it is killed."""

Ready = Callable[[Bound], Awaitable[None]]


async def _no_more(bound: Bound) -> None:
    """Nothing follows readiness."""
    del bound


def serve(config: Config, *, factory: str = FACTORY, on_ready: Ready = _no_more) -> int:
    """Run the edge until SIGTERM or SIGINT; a second one ends it at once.

    Args:
        factory: `module:name` of an `edge.server.worker.Factory`, imported by each worker.
        on_ready: awaited after the ready line, with what was bound; for deploys at start. What
            it raises ends the edge, its text said on stderr.

    Returns:
        The exit status: 0 after a drain, 1 if the edge could not start (said on stderr).
    """
    try:
        bound = bind_all(config)
    except BindError as error:
        _complain(str(error))
        return 1
    with ExitStack() as stack:
        stack.callback(bound.close)
        mailboxes = [stack.enter_context(closing(Mailbox.open())) for _ in bound.slots]
        return asyncio.run(Supervisor(config, bound, mailboxes, factory, on_ready).run())


@dataclass(slots=True)
class Supervisor:
    """Keeps one worker alive per slot.

    Attributes:
        mailboxes: of the slots, in their order.
    """

    config: Config
    bound: Bound
    mailboxes: Sequence[Mailbox]
    factory: str
    on_ready: Ready
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _workers: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    _ready: set[int] = field(default_factory=set)
    _all_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: str = ""

    async def run(self) -> int:
        """Run until told to end; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        async with asyncio.TaskGroup() as group:
            announcing = group.create_task(self._announce())
            keepers = [group.create_task(self._keep(i, s)) for i, s in enumerate(self.bound.slots)]
            await asyncio.wait(keepers)
            announcing.cancel()
        if self._failure:
            _complain(self._failure)
            return 1
        return 0

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            self._signal_all(signal.SIGKILL)
        else:
            self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        self._signal_all(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        loop.call_later(self.config.drain_timeout + MARGIN, self._signal_all, signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._workers.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def _announce(self) -> None:
        await self._all_ready.wait()
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
        failures = 0
        while not self._stopping.is_set():
            process, status = await self._spawn(index, slot)
            said = await self._watch(index, process, status)
            failures = 0 if said == READY else failures + 1
            if said != READY and not self._all_ready.is_set():
                self._give_up(index, said)
            if failures and not self._stopping.is_set():
                await self._pause(min(0.1 * 2**failures, LONGEST_BACKOFF))
        # Or connections would wait in the queue of a worker that has drained before the others.
        slot.close_tcp()

    async def _watch(
        self, index: int, process: asyncio.subprocess.Process, status: asyncio.StreamReader
    ) -> str:
        """Wait for a worker's end; what it said of its start."""
        self._workers[index] = process
        if self._stopping.is_set():
            self._signal_all(signal.SIGTERM)
        said = (await status.readline()).decode(errors="replace").strip()
        if said == READY:
            self._ready.add(index)
            if len(self._ready) == len(self.bound.slots):
                self._all_ready.set()
        code = await process.wait()
        del self._workers[index]
        if self._all_ready.is_set() and not self._stopping.is_set():
            _complain(f"worker {index} ended ({_how(code)}); it is replaced")
        return said

    def _give_up(self, index: int, said: str) -> None:
        """A worker that cannot even start the first time: neither will the others."""
        if not self._stopping.is_set():
            self._fail(f"The edge cannot start: {said or f'worker {index} died'}")

    def _fail(self, why: str) -> None:
        """End the edge; its exit status will be 1."""
        self._failure = why
        self._stop()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _spawn(
        self, index: int, slot: Slot
    ) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader]:
        """Start a worker; the process, and where it says what became of its start."""
        reading, writing = os.pipe()
        mail = [self.mailboxes[index].reading, *(box.writing for box in self.mailboxes)]
        descriptors = [sock.fileno() for sock in (*slot.all, *mail)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "edge.server.worker_main"),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(*descriptors, writing),
            env=_environment(),
        )
        os.close(writing)
        assert process.stdin is not None  # noqa: S101 — a pipe was asked for
        process.stdin.write(self._orders(index, slot, writing).to_json())
        with suppress(ConnectionError):
            await process.stdin.drain()
        return process, await _read_pipe(reading)

    def _orders(self, index: int, slot: Slot, status: int) -> Orders:
        return Orders(
            config=as_plain(self.config),
            factory=self.factory,
            index=index,
            bound=list(self.bound.addresses),
            public=[sock.fileno() for sock in slot.public],
            local_admin=[sock.fileno() for sock in slot.local_admin],
            remote_admin=[sock.fileno() for sock in slot.remote_admin],
            mailbox=self.mailboxes[index].reading.fileno(),
            mailboxes=[box.writing.fileno() for box in self.mailboxes],
            status=status,
        )


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
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
