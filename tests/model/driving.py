"""Edges under test: managed as by hand, asked over real sockets, their clock moved, started anew.

Callers and the function live on one event loop, which runs only while something is asked. The
edge is there too, or is `jelou serve` with its workers.
"""

import asyncio
import os
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from edge.admin.operations import Operations
from edge.server.loops import loop_factory
from tests.model.questions import Question
from tests.model.speaking import Request, answer_of, request_of, tells_who_called
from tests.model.world import Answer
from tests.support import edge_in_process, operations, origin
from tests.support.http1_client import Http1Client
from tests.support.http2_client import Http2Client
from tests.support.mcp_wire import WAYS
from tests.support.whole_edge import Edge, serving
from tests.support.whole_processes import eventually
from tokens.database import Database

T = TypeVar("T")
CONNECTIONS = 3
"""That are kept; a caller stays with one of them."""


class Driven(ABC):
    """An edge under test.

    Attributes:
        upstream: the function's address.
        tokens, sessions: the secrets and ids, by their numbers.
    """

    def __init__(self, directory: Path, version: str) -> None:
        """Start it in a directory of its own, which is gone at the end."""
        self.data_dir = directory / "data"
        self.tokens: list[str] = []
        self.sessions: list[str] = []
        self._directory = directory
        self._client = Http2Client if version == "2" else Http1Client
        self._clients: dict[int, Http1Client | Http2Client] = {}
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, directory)
        self._runner = self._stack.enter_context(asyncio.Runner(loop_factory=loop_factory("auto")))
        self._origin = self._stack.enter_context(self._held(origin.serving(tells_who_called)))
        self.upstream = self._origin.upstream.url
        self._edge = ExitStack()
        self._stack.push(self._edge)
        self._start()

    @property
    @abstractmethod
    def operations(self) -> Operations:
        """What manages it."""

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens."""

    @abstractmethod
    def _start(self) -> None:
        """Start the edge on the same store; `_edge` ends it."""

    def restart(self, how: str) -> None:
        """End the edge, in good order however `WholeProcess` would, and start it anew."""
        self._hang_up()
        self._edge.close()
        self._start()

    def set_clock(self, now: float) -> None:
        """Have the store's time be this, until the wall's is beyond it."""
        database = Database.open(self.data_dir, wall_clock=lambda: now)
        try:
            assert database.clock() == now
        finally:
            database.close()

    def ask(self, questions: Iterable[Question]) -> list[Answer]:
        """The answers to questions, in order; who was refused must not have got through."""

        async def asked() -> list[Answer]:
            return [answer_of(question, await self._asked(question)) for question in questions]

        self._origin.seen.clear()
        answers = self._run(asked())
        through = [answer for answer in answers if isinstance(answer.said, tuple)]
        assert len(self._origin.seen) == len(through), (answers, self._origin.seen)
        return answers

    def open_session(self, question: Question) -> int:
        """Shake hands; the status. A session that is opened has the next number."""
        answer = self._run(self._asked(question))
        if answer.status == 200:
            self.sessions.append(answer.one("mcp-session-id"))
        return int(answer.status)

    def close(self) -> None:
        """End everything."""
        self._hang_up()
        self._stack.close()

    async def _asked(self, question: Question) -> Any:
        request = request_of(question, self.tokens, self.sessions)
        number = (question.token or 0) % CONNECTIONS
        client = self._clients.get(number)
        if client is None:
            client = self._clients[number] = await self._client.connect("127.0.0.1", self.port)
        answer = await _sent(client, request)
        if "close" in answer.all("connection") or getattr(client, "going_away", False):
            await self._clients.pop(number).aclose()
        return answer

    def _hang_up(self) -> None:
        for client in self._clients.values():
            self._run(client.aclose())
        self._clients.clear()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    @contextmanager
    def _held(self, manager: Any) -> Any:
        """An asynchronous context manager, entered and left in one task of the loop."""
        loop = self._runner.get_loop()
        entered, leave = loop.create_future(), asyncio.Event()

        async def hold() -> None:
            async with manager as value:
                entered.set_result(value)
                await leave.wait()

        async def until_entered() -> Any:
            await asyncio.wait([task, entered], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            return entered.result()

        async def until_left() -> None:
            leave.set()
            await task

        task = loop.create_task(hold())
        yield self._run(until_entered())
        self._run(until_left())


async def _sent(client: Http1Client | Http2Client, request: Request) -> Any:
    return await client.ask(
        request.target, request.method, request.fields, request.body, host=request.host
    )


class InProcess(Driven):
    """An edge in the same loop, managed as by commands beside it."""

    def __init__(self, directory: Path, way: str) -> None:
        self._fast_lane, version = WAYS[way]
        super().__init__(directory, version)

    @property
    def operations(self) -> Operations:
        """See Driven."""
        return self._operations

    @property
    def port(self) -> int:
        """See Driven."""
        return self._running.port

    def _start(self) -> None:
        settings = {"auth_failures": None, "mcp_sessions": 1_000_000}
        self._running = self._edge.enter_context(
            self._held(
                edge_in_process.running(self._directory, fast_lane=self._fast_lane, **settings)
            )
        )
        self._operations = self._edge.enter_context(
            operations.store(self.data_dir, deployments_kept=1_000)
        )


class WholeProcess(Driven):
    """`jelou serve` with two workers."""

    def __init__(self, directory: Path) -> None:
        self._address = "127.0.0.1:0"
        super().__init__(directory, "1.1")

    @property
    def operations(self) -> Operations:
        """See Driven."""
        return self._program.operations

    @property
    def port(self) -> int:
        """See Driven."""
        return self._program.port

    def restart(self, how: str) -> None:
        """End it as by SIGTERM, or kill all of it at once, or kill one worker."""
        self._hang_up()
        edge = self._program
        if how == "killed":
            for pid in (edge.pid, *edge.workers):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if how == "a worker":
            worker = edge.workers[0]
            os.kill(worker, signal.SIGKILL)
            eventually(lambda: self._is_replaced(worker), "the worker is replaced")
            with edge.caller_of_each_worker():
                pass  # what comes to its place is not left waiting until it has started
        else:
            self._edge.close()
            self._start()

    def _is_replaced(self, worker: int) -> bool:
        return worker not in self._program.workers and len(self._program.workers) == 2

    def _start(self) -> None:
        flags = ("--auth-failures", "off", "--deployments-kept", "1000")
        self._program: Edge = self._edge.enter_context(
            serving(self.data_dir, "--bind", self._address, *flags, workers=2)
        )
        self._address = f"127.0.0.1:{self.port}"
