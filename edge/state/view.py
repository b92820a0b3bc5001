"""What one worker knows: all functions, tokens as far as they were asked for, never out of date.

Before every decision the worker reads the generation's mirror (about 0.1 µs) and, if it moved,
applies the changed keys. What cannot be caught up with is no longer known: `StoreUnavailable`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from edge.functions import Function
from tokens.database import Changes
from tokens.model import Token

MAX_TOKENS = 100_000
"""Token rows kept in memory; the least recently used goes first."""

MAX_MISSES = 10_000
"""Digests remembered as unknown, apart from the tokens so that a flood cannot push those out."""

MAX_LOOKUPS = 32
"""Token rows fetched at the same time."""

Keys = tuple[tuple[str, str], ...] | None
"""Changed (kind, key) pairs; None for everything."""


class StoreUnavailable(Exception):
    """The store's changes cannot be read; nothing that it says may be relied on."""


class Source(Protocol):
    """The store as a worker reads it; all but `published` may block on disk.

    Attributes:
        published: the generation as it stands in the mirror: no I/O.
    """

    published: Callable[[], int]

    def changes_since(self, generation: int) -> Changes:
        """What altered after `generation`; raises StoreUnavailable."""
        ...

    def function(self, slug: str) -> Function | None:
        """One live function; raises StoreUnavailable."""
        ...

    def functions(self, known: Mapping[str, Function]) -> list[Function]:
        """All live functions, the known ones among them as they are; raises StoreUnavailable."""
        ...

    def token(self, digest: bytes) -> Token | None:
        """One token row by its digest; raises StoreUnavailable."""
        ...


Run = Callable[[Callable[[bytes], Token | None], bytes], Awaitable[Token | None]]
"""Runs a blocking look-up beside the event loop."""


class WorkerView:
    """The gate's view; also catches up, fetches tokens and tells who changed.

    Args:
        source: the store.
        clock: a monotonic clock, seconds, for the time a change may take to load.
        run: how a blocking look-up is run.
        on_change: called after changed keys were applied, with them (None: everything); it may
            raise StoreUnavailable, and is called again then.
    """

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float],
        run: Run,
        on_change: Callable[[Keys], None],
    ) -> None:
        self._source = source
        self._clock = clock
        self._run = run
        self._on_change = on_change
        self._generation = -1
        self._heard = 0
        self._slugs: dict[str, Function] = {}
        self._hosts: dict[str, str] = {}
        self._tokens: OrderedDict[bytes, Token] = OrderedDict()
        self._misses: OrderedDict[bytes, None] = OrderedDict()
        self._lookups: dict[bytes, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(MAX_LOOKUPS)
        self._retry_at = 0.0

    def by_host(self, host: str) -> Function | None:
        """The function with this custom host."""
        slug = self._hosts.get(host)
        return None if slug is None else self._slugs.get(slug)

    def by_slug(self, slug: str) -> Function | None:
        """The live function with this slug."""
        return self._slugs.get(slug)

    def functions(self) -> list[Function]:
        """Every live function."""
        return list(self._slugs.values())

    def token(self, digest: bytes) -> Token | None:
        """The token with this digest; raises KeyError if it must be looked up first."""
        token = self._tokens.get(digest)
        if token is not None:
            self._tokens.move_to_end(digest)
            return token
        if digest in self._misses:
            return None
        raise KeyError(digest)

    @property
    def generation(self) -> int:
        """The store's generation that this is the view of."""
        return self._generation

    def is_current(self) -> bool:
        """Whether nothing has changed since the last catch-up: read before every decision."""
        return max(self._source.published(), self._heard) <= self._generation

    @property
    def behind(self) -> int:
        """Generations that the store is ahead of this."""
        return max(max(self._source.published(), self._heard) - self._generation, 0)

    def hear(self, generation: int) -> None:
        """The store has come to this generation, whether or not that was published."""
        self._heard = generation

    def catch_up(self) -> None:
        """Apply what has changed in the store.

        Raises:
            StoreUnavailable: it cannot be read. Tried again at most every 50 ms, so that a broken
                store does not also cost every worker its time.
        """
        if self.is_current():
            return
        now = self._clock()
        if now < self._retry_at:
            raise StoreUnavailable
        try:
            self._apply(self._source.changes_since(self._generation))
        except StoreUnavailable:
            self._retry_at = self._clock() + 0.05
            raise

    def _apply(self, changes: Changes) -> None:
        if changes.keys is None:
            self._load_all()
        else:
            for kind, key in changes.keys:
                if kind == "function":
                    self._put(key, self._source.function(key))
                elif kind == "token":
                    self._forget(bytes.fromhex(key))
        self._on_change(changes.keys)
        self._generation = changes.generation

    def _load_all(self) -> None:
        functions = self._source.functions(self._slugs)
        self._tokens.clear()
        self._misses.clear()
        self._lookups.clear()
        self._slugs = {function.slug: function for function in functions}
        self._hosts = {
            host: function.slug for function in functions for host in function.live.project.hosts
        }

    def _put(self, slug: str, function: Function | None) -> None:
        before = self._slugs.pop(slug, None)
        for host in before.live.project.hosts if before is not None else ():
            if self._hosts.get(host) == slug:  # another function may have it by now
                del self._hosts[host]
        if function is not None:
            self._slugs[slug] = function
            self._hosts |= dict.fromkeys(function.live.project.hosts, slug)

    def _forget(self, digest: bytes) -> None:
        self._lookups.pop(digest, None)  # what it has read may be from before the change
        self._tokens.pop(digest, None)
        self._misses.pop(digest, None)

    async def look_up(self, digest: bytes) -> None:
        """Fetch one token row; equal look-ups at the same time are one.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        pending = self._lookups.get(digest)
        if pending is None or pending.done():  # done, but its callback has not run yet
            pending = asyncio.create_task(self._fetch(digest))
            self._lookups[digest] = pending
            pending.add_done_callback(partial(self._looked_up, digest))
        await asyncio.shield(pending)

    def _looked_up(self, digest: bytes, done: asyncio.Task[None]) -> None:
        if self._lookups.get(digest) is done:
            del self._lookups[digest]
        if not done.cancelled():
            done.exception()  # seen here, since every waiter may have left

    async def _fetch(self, digest: bytes) -> None:
        async with self._slots:
            token = await self._run(self._source.token, digest)
        if self._lookups.get(digest) is not asyncio.current_task():
            return
        if token is None:
            self._misses[digest] = None
            if len(self._misses) > MAX_MISSES:
                self._misses.popitem(last=False)
            return
        self._tokens[digest] = token
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
