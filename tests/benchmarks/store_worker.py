"""What a worker pays for a store: a process of its own that loads one and asks it things.

Run as `python -m tests.benchmarks.store_worker DIRECTORY FUNCTIONS TOKENS`; it prints one line of
JSON, the fields of `Figures`. It puts together what `edge.compose` does, without the server.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from edge.gate.decide import decide
from edge.gate.decisions import Decision, Forward, GateSettings, Lookup, Refuse
from edge.message import Head, Peer
from edge.registry.sqlite import SqliteRegistry
from edge.secrets.store import SqliteSecrets
from edge.state.source import StoreSource
from edge.state.view import MAX_TOKENS, WorkerView
from tests.benchmarks.store_build import secret_of, slug
from tests.support.whole_processes import memory
from tokens.database import Database
from tokens.secret import digest
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

CHECKS = 20_000
LOOKUPS = 2_000
CHANGES = 200
ROUNDS = 20
PEER = Peer("203.0.113.9", "http")
SETTINGS = GateSettings()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: seconds, but for bytes.

    On the way of requests it is CPU time of the process, all threads; for what waits for a disk it
    is the wall clock.

    Attributes:
        open: opening the store, its schema being up to date; wall clock.
        load: loading the view.
        functions_bytes: what resident memory has grown by for the functions.
        current: asking whether anything has changed, as before every decision.
        hit: a decision about a request whose token is in memory.
        miss: the same, the token being read from the store first.
        unknown: the same for a well-formed token that there is none of.
        tokens: how many tokens were put in memory, one after the other; `tokens_bytes` is what
            resident memory has grown by for them, with what the look-ups left behind.
        write: a change of one key, committed and published; wall clock.
        token_change, function_change: a worker's catching up with one.
        create, revoke, page: a token made and ended, and its function's list; wall clock.
    """

    open: float
    load: float
    functions_bytes: int
    current: float
    hit: float
    miss: float
    unknown: float
    tokens: int
    tokens_bytes: int
    write: float
    token_change: float
    function_change: float
    create: float
    revoke: float
    page: float


def main() -> None:
    """Measure, and print."""
    directory, functions, tokens = sys.argv[1:]
    subject = Subject(Path(directory), int(functions), int(tokens))
    figures = anyio.run(subject.measure)
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")


class Subject:
    """A store, a view of it, and stopwatches."""

    def __init__(self, directory: Path, functions: int, tokens: int) -> None:
        self.functions = functions
        self.tokens = tokens
        self.before = resident()
        self.open, self.database = timed(lambda: Database.open(directory))
        self.store = SqliteTokens(self.database)
        self.service = TokenService(self.store, self.database.clock, os.urandom)
        registry = SqliteRegistry(self.database, os.urandom)
        source = StoreSource(self.database, registry, self.store, SqliteSecrets(self.database))
        self.view = WorkerView(source, time.monotonic, anyio.to_thread.run_sync, lambda _: None)

    async def measure(self) -> Figures:
        """All of it, in an order in which nothing spoils what follows."""
        load, _ = timed(self.view.catch_up, time.process_time)
        functions_bytes = resident() - self.before
        self.before += functions_bytes
        heads = [self._head(number % self.tokens) for number in range(LOOKUPS)]
        miss = await each_awaited(min(LOOKUPS, self.tokens), self._check_token)
        unknown = await each_awaited(LOOKUPS, self._check_unknown)
        return Figures(
            open=self.open,
            load=load,
            functions_bytes=functions_bytes,
            current=each(CHECKS, lambda _: self.view.is_current()),
            hit=each(CHECKS, lambda n: self._decide(heads[n % LOOKUPS])),
            miss=miss,
            unknown=unknown,
            **await self._filled(),
            **self._changed(),
            **self._managed(),
        )

    def _head(self, number: int) -> Head:
        """A request with the token of this number, to its function."""
        return self._request(slug(number % self.functions), secret_of(f"token-{number}"))

    @staticmethod
    def _request(function: str, secret: str) -> Head:
        host = f"{function}.fn.localhost".encode()
        fields = ((b"host", host), (b"x-jelou-token", secret.encode()))
        return Head("GET", b"/items/7", fields, "1.1", PEER, False)

    def _decide(self, head: Head) -> Decision:
        self.view.catch_up()
        return decide(self.view, head, self.database.clock(), SETTINGS)

    async def _check(self, head: Head) -> Decision:
        """A decision as the door makes it."""
        while isinstance(decision := self._decide(head), Lookup):
            await self.view.look_up(decision.digest)
        return decision

    async def _check_token(self, number: int) -> None:
        decision = await self._check(self._head(number))
        assert isinstance(decision, Forward), decision

    async def _check_unknown(self, number: int) -> None:
        made_up = secret_of(f"nobody-{time.monotonic_ns()}")
        decision = await self._check(self._request(slug(0), made_up))
        assert isinstance(decision, Refuse), decision

    async def _filled(self) -> dict[str, int]:
        """As many tokens in memory as there are, or as a worker keeps."""
        count = min(self.tokens, MAX_TOKENS)
        for number in range(count):
            await self.view.look_up(digest(secret_of(f"token-{number}")))
        return {"tokens": count, "tokens_bytes": max(0, resident() - self.before)}

    def _changed(self) -> dict[str, float]:
        """One key changes; who writes pays for the disk, every worker for catching up."""
        writes, caught = [], dict[str, list[float]]()
        for kind in ("token", "function"):
            for number in range(CHANGES):
                key = digest(secret_of(f"token-{number % self.tokens}")).hex()
                key = key if kind == "token" else slug(number % self.functions)
                writes.append(timed(lambda kind=kind, key=key: self._change(kind, key))[0])
                caught.setdefault(kind, []).append(timed(self.view.catch_up, time.process_time)[0])
        return {
            "write": statistics.median(writes),
            "token_change": statistics.median(caught["token"]),
            "function_change": statistics.median(caught["function"]),
        }

    def _change(self, kind: str, key: str) -> None:
        with self.database.write() as write:
            write.changed(kind, key)

    def _managed(self) -> dict[str, float]:
        """What commands do, on a function that has its share of the tokens."""
        made, ended, pages = [], [], []
        for number in range(ROUNDS):
            name, function = f"measured-{time.monotonic_ns()}", slug(number % self.functions)
            seconds, minted = timed(lambda n=name, f=function: self.service.create(f, n))
            made.append(seconds)
            pages.append(timed(lambda f=function: self.service.list(f, limit=1000))[0])
            ended.append(timed(lambda f=function, m=minted: self.service.revoke(f, m.token.id))[0])
        return {
            "create": statistics.median(made),
            "revoke": statistics.median(ended),
            "page": statistics.median(pages),
        }


def resident() -> int:
    """This process's resident memory, bytes, without what is only waiting to be collected."""
    gc.collect()
    return memory(os.getpid())[0]


def timed(work: Callable[[], T], clock: Callable[[], float] = time.perf_counter) -> tuple[float, T]:
    """Seconds that a piece of work took by a clock, and what came of it."""
    begun = clock()
    done = work()
    return clock() - begun, done


def each(count: int, work: Callable[[int], object]) -> float:
    """CPU seconds for one of many."""
    begun = time.process_time()
    for number in range(count):
        work(number)
    return (time.process_time() - begun) / count


async def each_awaited(count: int, work: Callable[[int], Awaitable[object]]) -> float:
    """CPU seconds, those of other threads too, for one of many, one after the other."""
    begun = time.process_time()
    for number in range(count):
        await work(number)
    return (time.process_time() - begun) / count


if __name__ == "__main__":
    main()
