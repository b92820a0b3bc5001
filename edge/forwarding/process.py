"""One process of a function that the edge runs, as connections see it. Which is given a request is
`fleet`'s business.
"""

import asyncio
from dataclasses import dataclass, field
from math import inf

from edge.forwarding.connection import Connection
from edge.functions import Upstream


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process of a deployment listens.

    Attributes:
        instance: the process's id.
        concurrency: requests that may be in flight there at once, or None for any number.
    """

    instance: str
    upstream: Upstream
    concurrency: int | None = None


@dataclass(eq=False, slots=True)
class Process:
    """One process and its connections.

    Attributes:
        name: its id, shortened: what `Upstream.socket` holds where a request is for it alone.
        idle: those of `open` that carry nothing, the one used last at the end.
        connecting: requests that are opening a connection to it.
        leaving: whether it is to be given nothing new.
        ended: whether it is no more, though connections to it may still be open.
        doubted: whether it did not take a connection a moment ago, or cut a request off and may be
            about to end.
        judged: set once it is not doubted any more.
        still: whether nothing was in flight when it was last looked at.
    """

    place: Place
    name: str
    open: set[Connection] = field(default_factory=set)
    idle: list[Connection] = field(default_factory=list)
    connecting: int = 0
    leaving: bool = False
    ended: bool = False
    doubted: bool = False
    judged: asyncio.Event = field(default_factory=asyncio.Event)
    still: bool = False

    @property
    def in_use(self) -> int:
        """Requests and streams in flight there."""
        return len(self.open) - len(self.idle) + self.connecting

    @property
    def takes_more(self) -> bool:
        """Whether one more request may go there."""
        if self.ended or self.doubted:
            return False
        return self.place.concurrency is None or self.in_use < self.place.concurrency

    @property
    def over(self) -> bool:
        """Whether nothing reminds of it."""
        return self.ended and not self.open and not self.connecting

    def retire(self) -> None:
        """Close what is idle; what is in use is not used again."""
        for connection in self.open:
            connection.born = -inf
        for connection in self.idle:
            connection.close()
