"""Load for an edge whose store is being written to, and the function behind it, in one process.

Run as `python -m tests.benchmarks.store_load`; see `Load`. One line is one order, one line is one
answer. A closed loop: each connection sends its next request once it has its answer.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.processes import ROOT

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
END_OF_HEAD = b"\r\n\r\n"
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Latencies:
    """How requests fared: seconds; `requests` is how many there were."""

    requests: int
    p50: float
    p99: float
    most: float


class Load:
    """The near end of the process; `url` is where its function listens."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.store_load"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self.url = f"http://127.0.0.1:{self._hear()}"

    def begin(self, port: int, target: str, tokens: Sequence[str], seconds: float) -> None:
        """Let it load an edge on 127.0.0.1; `end` waits until it has."""
        assert self._process.stdin is not None
        order = {"port": port, "target": target, "tokens": list(tokens), "seconds": seconds}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def end(self) -> Latencies:
        """What came of it; AssertionError if a request was not answered with 200."""
        answer = self._hear()
        assert isinstance(answer, dict), answer
        return Latencies(**answer)

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        """The process itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        self._process.kill()
        self._process.communicate()


class _Function(asyncio.Protocol):
    """Answers every request that has no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._begun = b""

    def data_received(self, data: bytes) -> None:
        *heads, self._begun = (self._begun + data).split(END_OF_HEAD)
        self._transport.write(ANSWER * len(heads))


class _Caller(asyncio.Protocol):
    """One connection's closed loop, until `until`."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests = requests
        self._until = until
        self._received = b""
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"{}"):
            if not self._received.startswith(b"HTTP/1.1 200"[: len(self._received)]):
                self._fail(self._received.partition(b"\r\n")[0].decode("latin-1"))
            return
        self._received = b""
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        if now < self._until:
            self._next()
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection broke: {error}")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(AssertionError(why))


async def _load(order: dict[str, Any]) -> Latencies:
    loop, until = asyncio.get_running_loop(), time.perf_counter() + order["seconds"]
    heads = [
        f"GET {order['target']} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Jelou-Token: {token}\r\n\r\n"
        for token in order["tokens"]
    ]
    requests = itertools.cycle([head.encode() for head in heads])
    callers = []
    for _ in range(CONNECTIONS):
        _, caller = await loop.create_connection(
            lambda: _Caller(requests, until), "127.0.0.1", order["port"]
        )
        callers.append(caller)
    await asyncio.gather(*(caller.done for caller in callers))
    taken = sorted(itertools.chain.from_iterable(caller.latencies for caller in callers))
    return Latencies(len(taken), taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1])


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Function, "127.0.0.1", 0)
    _say(server.sockets[0].getsockname()[1])
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            _say(asdict(await _load(json.loads(line))))
        except AssertionError as error:
            _say(str(error))


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
