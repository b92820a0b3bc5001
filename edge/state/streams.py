"""The streams that are open in this worker, each decided again when the world changes.

An ordinary request that has begun finishes; an event stream or a WebSocket ends within a second of
its token's end, its function's delete, or whatever else makes the gate refuse its head.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge.gate.decisions import Bridge, Decision, Forward, Refuse
from edge.message import Head

Decide = Callable[[Head], Awaitable[Decision]]


@dataclass(eq=False, slots=True)
class OpenStream:
    """One open stream.

    Attributes:
        until: Unix time at which its token expires, or None.
        end: breaks it off.
    """

    head: Head
    until: float | None
    end: Callable[[], None]


class OpenStreams:
    """The registry; `sweep` is called a few times a second."""

    def __init__(self) -> None:
        self._streams: set[OpenStream] = set()
        self._unseen: set[OpenStream] = set()
        self._stale = False

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: OpenStream) -> None:
        """Keep a stream in the registry until it is removed.

        It was decided before its function answered, perhaps long ago, so the next sweep asks again.
        """
        self._streams.add(stream)
        self._unseen.add(stream)

    def remove(self, stream: OpenStream) -> None:
        """A stream is over."""
        self._streams.discard(stream)
        self._unseen.discard(stream)

    @contextmanager
    def holding(self, stream: OpenStream) -> Iterator[None]:
        """Keep a stream in the registry for as long as the block lasts."""
        self.add(stream)
        try:
            yield
        finally:
            self.remove(stream)

    def world_changed(self) -> None:
        """Tokens or functions have altered since the last sweep."""
        self._stale = True

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
            for stream in list(self._streams):
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
    if isinstance(decision, Forward | Bridge):
        stream.until = decision.until
    return isinstance(decision, Refuse)
