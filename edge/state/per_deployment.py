"""What is made from a live deployment once per worker, and kept for as long as it is live."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio.to_thread

from edge.functions import Deployment

T = TypeVar("T")


class PerDeployment(Generic[T]):
    """Made when first asked for: a worker with thousands of functions starts at once.

    In a thread, since a large document takes a while that other requests must not wait for; one
    making serves all who ask meanwhile.
    """

    def __init__(self, make: Callable[[Deployment], T]) -> None:
        self._make = make
        self._made: dict[str, tuple[str, asyncio.Future[T]]] = {}

    async def of(self, live: Deployment) -> T:
        """What is made of a function's live deployment; raises whatever making it raises."""
        known = self._made.get(live.slug)
        if known is None or known[0] != live.id:
            making = asyncio.ensure_future(anyio.to_thread.run_sync(self._make, live))
            known = self._made[live.slug] = (live.id, making)
        try:
            return await asyncio.shield(known[1])
        except Exception:
            self.forget(live.slug)  # it may be made the next time
            raise

    def forget(self, slug: str) -> None:
        """A function has changed or gone."""
        self._made.pop(slug, None)
