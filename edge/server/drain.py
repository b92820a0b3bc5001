"""Whether a worker is ending, as its connections and its app see it.

Not here: who decides it (`edge/server/worker.py`) and what is answered meanwhile (the app).
"""

import asyncio
from dataclasses import dataclass, field


class Drain:
    """A switch that goes one way: from serving to draining."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether the worker is ending: not ready any more, no new work."""
        return self._event.is_set()

    def begin(self) -> None:
        """Start draining."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until draining has begun, to end long streams in good order."""
        await self._event.wait()


@dataclass(frozen=True, slots=True)
class Worker:
    """What the app is told of the process it runs in; in ASGI it is `scope["state"]["edge"]`.

    Attributes:
        index: 0 … workers - 1; a replacement has the index of the worker it replaces.
        bound: the addresses that the edge is bound to, ports included.
    """

    index: int = 0
    bound: tuple[str, ...] = ()
    drain: Drain = field(default_factory=Drain)

    @property
    def draining(self) -> bool:
        """Whether the worker is ending."""
        return self.drain.draining
