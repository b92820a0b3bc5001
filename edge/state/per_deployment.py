"""What is made from a live deployment and its document, and kept while it is live and in use.

Kept up to a weight, so that memory does not grow with the number of functions; what has not been
asked for longest goes first, and is made again when it is asked for.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from edge.functions import Deployment
from mcp_bridge.document import MAX_DOCUMENT

T = TypeVar("T")

Documents = Callable[[Deployment], bytes | None]
"""Reads the OpenAPI document of a deployment that has one from the store; may block, and raise."""

MAX_WEIGHT = 2 * MAX_DOCUMENT
"""Bytes of documents whose makings are kept by one instance, in one worker: the largest leaves room
for others."""

MADE_AT_ONCE = 4

LEAST_WEIGHT = 8 * 1024
"""Bytes that every making counts for at least, also one without a document."""


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    """One making, done or under way."""

    deployment: str
    weight: int
    making: asyncio.Future[T]


class PerDeployment(Generic[T]):
    """Made when first asked for: a worker with thousands of functions starts at once.

    In a thread, since a large document takes a while that other requests must not wait for; one
    making serves all who ask meanwhile.
    """

    def __init__(self, documents: Documents, make: Callable[[Deployment, bytes | None], T]) -> None:
        self._documents = documents
        self._make = make
        self._made: OrderedDict[str, _Made[T]] = OrderedDict()
        self._weight = 0
        self._limiter: anyio.CapacityLimiter | None = None

    def known(self, live: Deployment) -> T | None:
        """What is made of a function's live deployment, if it is made already."""
        known = self._made.get(live.slug)
        if known is None or known.deployment != live.id or not known.making.done():
            return None
        if known.making.cancelled() or known.making.exception() is not None:
            return None
        self._made.move_to_end(live.slug)
        return known.making.result()

    async def of(self, live: Deployment) -> T:
        """What is made of a function's live deployment.

        Raises whatever reading its document or making it raises.
        """
        known = self._made.get(live.slug)
        if known is None or known.deployment != live.id:
            known = self._keep(live, asyncio.ensure_future(self._begin(live)))
        self._made.move_to_end(live.slug)
        try:
            return await asyncio.shield(known.making)
        except Exception:
            self.forget(live.slug)  # it may be made the next time
            raise

    def forget(self, slug: str) -> None:
        """A function has changed or gone."""
        gone = self._made.pop(slug, None)
        if gone is not None:
            self._weight -= gone.weight

    async def _begin(self, live: Deployment) -> T:
        """In a thread; many at once do not keep those from whom tokens are waited for."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MADE_AT_ONCE)
        return await anyio.to_thread.run_sync(self._read_and_make, live, limiter=self._limiter)

    def _read_and_make(self, live: Deployment) -> T:
        has_none = live.document_bytes is None
        return self._make(live, None if has_none else self._documents(live))

    def _keep(self, live: Deployment, making: asyncio.Future[T]) -> _Made[T]:
        self.forget(live.slug)
        made = _Made(live.id, max(live.document_bytes or 0, LEAST_WEIGHT), making)
        self._made[live.slug] = made
        self._weight += made.weight
        while self._weight > MAX_WEIGHT and len(self._made) > 1:
            self.forget(next(iter(self._made)))
        return made
