"""Load of MCP requests: closed-loop connections on one event loop, in a process of its own.

Each connection is a client with a session of its own, which no load tool for HTTP offers; and each
answer is read to its end and understood. Run as `python -m tests.benchmarks.load.mcp_clients`,
with a `Task` on stdin as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from tests.benchmarks import calls
from tests.benchmarks.figures import percentile
from tests.benchmarks.load.plain import closes, whole
from tests.benchmarks.load.result import Load, LoadError

PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Task:
    """What the process is to do.

    Attributes:
        heads: one for each connection, without its length.
        messages: ids and bodies, for all of them in turn.
    """

    port: int
    seconds: float
    heads: Sequence[str]
    messages: Sequence[tuple[int, str]]
    exchange: calls.Exchange


@dataclass(slots=True)
class Tally:
    """What all connections have counted.

    Attributes:
        size: of the last list of tools that was right; one as long is taken to be it again.
    """

    task: Task
    deadline: float
    sent: int = 0
    bad: int = 0
    size: int = -1
    why: str = ""
    latencies: list[float] = field(default_factory=list)

    def judge(self, status: int, body: bytes, number: int) -> None:
        """Count an answer that has come whole."""
        exchange = self.task.exchange
        if exchange.method == "tools/list" and status == 200 and len(body) == self.size:
            return
        fault = calls.fault(status, body, number, exchange)
        self.size = len(body)
        if fault:
            self.size = -1
            self.fail(fault)

    def fail(self, why: str) -> None:
        """Count a wrong answer or a broken connection."""
        self.bad += 1
        self.why = self.why or why


class Client(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last has come."""

    def __init__(self, tally: Tally, head: bytes, ended: asyncio.Future[None]) -> None:
        self._tally = tally
        self._head = head
        self._ended = ended
        self._answer = b""
        self._number = 0
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; amid a request that is a failure."""
        if not self._ended.done():
            if self._since:
                self._tally.fail("the connection has ended without an answer")
            self._ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Count an answer that is whole."""
        self._answer += data
        found = whole(self._answer)
        if found is None:
            return
        self._tally.latencies.append((time.perf_counter() - self._since) * 1e6)
        answer_head, body = found
        self._answer, self._since = b"", 0.0
        self._tally.judge(int(answer_head[9:12]), body, self._number)
        if closes(answer_head) or time.perf_counter() >= self._tally.deadline:
            self._transport.close()
            self._ended.set_result(None)
        else:
            self._send()

    def _send(self) -> None:
        tally = self._tally
        self._number, body = tally.task.messages[tally.sent % len(tally.task.messages)]
        tally.sent += 1
        content = body.encode()
        whole_request = b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(content), content)
        self._since = time.perf_counter()
        self._transport.write(whole_request)


async def drive(task: Task) -> tuple[Load, str]:
    """Keep the connections busy for so long; what came, and the first failure."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    tally = Tally(task, began + task.seconds)

    async def one(head: bytes) -> None:
        while time.perf_counter() < tally.deadline:
            ended: asyncio.Future[None] = loop.create_future()
            client = partial(Client, tally, head, ended)
            await loop.create_connection(client, "127.0.0.1", task.port)
            await ended

    async with asyncio.timeout(task.seconds + PATIENCE):
        await asyncio.gather(*(one(head.encode("latin-1")) for head in task.heads))
    seconds, done = time.perf_counter() - began, tally.latencies
    if not done:
        raise LoadError(f"no answer: {tally.why}")
    load = Load(len(done), tally.bad, seconds, percentile(done, 50), percentile(done, 99))
    return load, tally.why


def run(task: Task) -> Load:
    """Run it in a process of its own. Raises LoadError if it fails or an answer is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load.mcp_clients"],
        input=json.dumps(asdict(task)),
        capture_output=True,
        text=True,
        check=False,
        timeout=task.seconds + 2 * PATIENCE,
    )
    if done.returncode:
        raise LoadError(f"the load generator: {done.stderr.strip()[-300:]}")
    said = json.loads(done.stdout)
    load = Load(**said["load"])
    if load.bad:
        raise LoadError(f"{load.bad} wrong answers beside {load.requests}: {said['why']}")
    return load


def main() -> None:
    """The process: prints its `Load` as JSON."""
    said = json.load(sys.stdin)
    task = Task(**{**said, "exchange": calls.Exchange(**said["exchange"])})
    load, why = asyncio.run(drive(task))
    sys.stdout.write(json.dumps({"load": asdict(load), "why": why}))


if __name__ == "__main__":
    main()
