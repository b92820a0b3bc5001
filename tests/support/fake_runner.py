"""A runner in the test's own loop: the real protocol over a real socket, servers for processes.

What it does when a deployment is needed is for the test to say: by default a process starts.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import orjson

from edge.functions import Deployment
from edge.project_file import catalogs
from edge.project_file.parse import parse_project
from edge.running.protocol import (
    SOCKET,
    Clear,
    Doubt,
    Failed,
    Gone,
    Hello,
    Leaving,
    Load,
    Message,
    Need,
    Synced,
    Up,
    from_line,
    to_line,
)
from tests.support.edge_in_process import SLUG, EdgeInProcess
from tests.support.origin import Behaviour, Origin, Visit, serving
from tests.support.upstream_calls import until

OnNeed = Callable[[str], Awaitable[None]]
OnDoubt = Callable[[str, str], Awaitable[None]]


class FakeRunner:
    """Speaks to one worker at a time.

    Attributes:
        on_need: what becomes of a deployment that begins to be waited for.
        on_doubt: what is said of a process that has cut a request off.
        behaviour: of processes that start.
        heard: every message of workers, in order.
        loads: the last `Load` of each deployment.
        most: the greatest `Load` of each deployment.
        processes: that were started, by instance.
    """

    def __init__(self, directory: Path, behaviour: Behaviour) -> None:
        self.directory = directory
        self.behaviour = behaviour
        self.on_need: OnNeed = self.starts
        self.on_doubt: OnDoubt = self.vouches
        self.heard: list[Message] = []
        self.loads: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.processes: dict[str, Origin] = {}
        self.concurrency: int | None = None
        self._needs = 0
        self._waiting: Counter[str] = Counter()
        self._up: dict[str, Up] = {}
        self._stopping: dict[str, AsyncExitStack] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Begin to take workers."""
        self._server = await asyncio.start_unix_server(self._serve, self.directory / SOCKET)

    async def die(self) -> None:
        """End at once, and every process with it."""
        assert self._server is not None
        self._server.close()
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = None
        (self.directory / SOCKET).unlink()
        for instance in list(self._up):
            await self._end(instance)

    # What the test has happen.

    async def starts(self, deployment: str) -> None:
        """A process of a deployment comes up."""
        await self.start(deployment)

    async def vouches(self, deployment: str, instance: str) -> None:
        """A process lives, or does not."""
        self.tell(self._up.get(instance) or Gone(deployment, instance))

    async def start(self, deployment: str, behaviour: Behaviour | None = None) -> str:
        """Start a process; its id."""
        instance = f"run_{len(self.processes)}"
        stack = AsyncExitStack()
        path = self.directory / f"{instance}.sock"
        origin = await stack.enter_async_context(serving(behaviour or self.behaviour, path=path))
        self.processes[instance] = origin
        self._stopping[instance] = stack
        self._up[instance] = Up(deployment, instance, f"unix:{path}", self.concurrency)
        self.tell(self._up[instance])
        return instance

    async def stop(self, instance: str) -> None:
        """Drain a process, and end it when the worker says that it may."""
        self.tell(Leaving(self._up[instance].deployment, instance))
        await until(lambda: Clear(instance) in self.heard)
        await self.crash(instance)

    async def crash(self, instance: str) -> None:
        """End a process without a word before."""
        deployment = self._up[instance].deployment
        await self._end(instance)
        self.tell(Gone(deployment, instance))

    def fails(self, reason: str) -> OnNeed:
        """What to do where nothing can be started."""

        async def fail(deployment: str) -> None:
            del self._waiting[deployment]
            self.tell(Failed(deployment, reason))

        return fail

    def tell(self, message: Message) -> None:
        """Say something to the worker, if there is one."""
        if self._writer is not None:
            self._writer.write(to_line(message))

    @property
    def needs(self) -> int:
        """How often a deployment began to be waited for."""
        return self._needs

    async def _end(self, instance: str) -> None:
        del self._up[instance]
        await self._stopping.pop(instance).aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = from_line(line)
            self.heard.append(message)
            match message:
                case Hello():
                    self._waiting.clear()
                    self._writer = writer
                    for up in self._up.values():
                        self.tell(up)
                    self.tell(Synced())
                case Need(deployment, count):
                    if count and not self._waiting[deployment]:
                        self._needs += 1
                        task = asyncio.create_task(self._needed(deployment))
                        self._tasks.add(task)
                        task.add_done_callback(self._tasks.discard)
                    self._waiting[deployment] = count
                case Doubt(deployment, instance):
                    await self.on_doubt(deployment, instance)
                case Load(deployment, active):
                    self.loads[deployment] = active
                    self.most[deployment] = max(active, self.most[deployment])

    async def _needed(self, deployment: str) -> None:
        await self.on_need(deployment)

    async def aclose(self) -> None:
        """End with everything."""
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        for instance in list(self._up):
            await self._end(instance)


@asynccontextmanager
async def runner(directory: Path, behaviour: Behaviour) -> AsyncIterator[FakeRunner]:
    """A runner that listens in a data directory."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - a moment
    fake = FakeRunner(directory, behaviour)
    await fake.listen()
    try:
        yield fake
    finally:
        with anyio.CancelScope(shield=True):
            await fake.aclose()


def deploy_run(
    edge: EdgeInProcess,
    slug: str = SLUG,
    *,
    code: str = "a",
    document: dict[str, object] | None = None,
    scale: dict[str, object] | None = None,
    **config: object,
) -> Deployment:
    """Make a function live that the edge runs; mint its first token if it has none."""
    written = {"function": slug, "command": ["serve"], "config": config, "scale": scale or {}}
    parsed = parse_project(orjson.dumps(written).decode())
    assert parsed.project is not None, parsed.problems
    raw = None if document is None else orjson.dumps(document)
    routes = catalogs.routes(parsed.project, catalogs.catalog(parsed.project, raw))
    now = edge.store.clock()
    made = edge.registry.deploy(parsed.project, raw, routes, "deploy", now, code=code * 64)
    if slug not in edge.tokens:
        edge.mint(slug=slug)
    return made.deployment


def saying(text: bytes) -> Behaviour:
    """A process that answers every request with a text, and keeps the connection."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text)

    async def behave(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(answer)

    return behave
