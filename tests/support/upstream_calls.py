"""Sending requests to an origin over a real pool, as briefly as a test wants to."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from edge.forwarding.answer import UpstreamAnswer
from edge.forwarding.pool import Pool, PoolLimits
from edge.forwarding.wire import Timeouts, UpstreamRequest
from edge.functions import Upstream
from edge.message import Body

PATIENT = Timeouts(connect=5, head=5, idle=5)
HURRIED = Timeouts(connect=5, head=0.1, idle=0.1)


@asynccontextmanager
async def pooled(limits: PoolLimits | None = None) -> AsyncIterator[Pool]:
    """A pool for one test, which is bound to end within ten seconds."""
    pool = Pool(limits)
    try:
        with anyio.fail_after(10):
            yield pool
    finally:
        await pool.aclose()


async def call(
    pool: Pool,
    upstream: Upstream | tuple[Upstream, ...],
    method: bytes = b"GET",
    body: Body | bytes | None = None,
    length: int | None = None,
    timeouts: Timeouts = PATIENT,
    **options: Any,
) -> UpstreamAnswer:
    """Send a request to `/`; the answer's head."""
    upgrade = options.pop("upgrade", False)
    request = UpstreamRequest(method, b"/", ((b"host", b"origin"),), body, length, upgrade)
    return await pool.exchange(upstream, request, timeouts, **options)


async def read(answer: UpstreamAnswer) -> bytes:
    """The whole body."""
    return b"".join([piece async for piece in answer.body])


async def pieces(*parts: bytes) -> Body:
    """A body that comes in these pieces."""
    for part in parts:
        yield part


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until a condition holds."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - conditions are of several kinds
            await anyio.sleep(0.001)
