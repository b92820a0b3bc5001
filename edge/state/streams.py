"""The streams that are open in this worker, each decided again when the world changes.

An ordinary request that has begun finishes; an event stream or a WebSocket ends within a second of
its token's end, its function's delete, or whatever else makes the gate refuse its head.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge.gate.credentials import digests
from edge.gate.decisions import Decision, Forward, Refuse, ToMcp
from edge.message import Head
from edge.state.view import Keys
from tokens.sqlite import CHANGED_TOKEN

JUDGED_AT_ONCE = 100
"""Streams after which others have their turn: there may be thousands."""

Decide = Callable[[Head], Awaitable[Decision]]


@dataclass(eq=False, slots=True)
class OpenStream:
    """One open stream.

    Attributes:
        until: Unix time at which its token expires, or None.
        end: breaks it off, or ends it in order if it has an order.
        judged: told of each new decision that lets it stay, or None.
    """

    head: Head
    until: float | None
    end: Callable[[], None]
    judged: Callable[[Decision], Awaitable[None]] | None = None


class OpenStreams:
    """The registry; `sweep` is called a few times a second."""

    def __init__(self) -> None:
        self._streams: set[OpenStream] = set()
        self._unseen: set[OpenStream] = set()
        self._of_token: dict[bytes, set[OpenStream]] = {}
        self._stale = False

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: OpenStream) -> None:
        """Keep a stream in the registry until it is removed.

        It was decided before its function answered, perhaps long ago, so the next sweep asks again.
        """
        self._streams.add(stream)
        self._unseen.add(stream)
        for digest in digests(stream.head.headers):
            self._of_token.setdefault(digest, set()).add(stream)

    def remove(self, stream: OpenStream) -> None:
        """A stream is over."""
        self._streams.discard(stream)
        self._unseen.discard(stream)
        for digest in digests(stream.head.headers):
            held = self._of_token.get(digest, set())
            held.discard(stream)
            if not held:
                self._of_token.pop(digest, None)

    @contextmanager
    def holding(self, stream: OpenStream) -> Iterator[None]:
        """Keep a stream in the registry for as long as the block lasts."""
        self.add(stream)
        try:
            yield
        finally:
            self.remove(stream)

    def world_changed(self, keys: Keys = None) -> None:
        """Tokens or functions (None: anything) have altered since the last sweep.

        A token concerns the streams that carry it; what a function or its hosts concern is asked
        of all, since a head may lead somewhere else now.
        """
        kinds = None if keys is None else {kind for kind, _ in keys}
        self._stale = self._stale or kinds is None or "function" in kinds
        for kind, key in keys or ():
            if kind == CHANGED_TOKEN:
                self._unseen |= self._of_token.get(bytes.fromhex(key), set())

    def end_all(self) -> None:
        """End every stream: the edge is shutting down."""
        for stream in list(self._streams):
            stream.end()

    async def sweep(self, now: float, decide: Decide) -> None:
        """End the streams whose token has expired or whose head would now be refused."""
        doubted = set(self._streams if self._stale else self._unseen)
        self._stale = False
        self._unseen -= doubted
        try:
            for number, stream in enumerate(list(self._streams)):
                if (number + 1) % JUDGED_AT_ONCE == 0:
                    await asyncio.sleep(0)
                refused = stream in doubted and await _is_refused(stream, decide)
                expired = stream.until is not None and now >= stream.until
                if (refused or expired) and stream in self._streams:
                    stream.end()
        except BaseException:
            self._unseen |= doubted & self._streams
            raise


async def _is_refused(stream: OpenStream, decide: Decide) -> bool:
    """Judge a stream's head again; its token may have been given another end."""
    decision = await decide(stream.head)
    if isinstance(decision, Forward | ToMcp):
        stream.until = decision.until
        if stream.judged is not None:
            await stream.judged(decision)
    return isinstance(decision, Refuse)
