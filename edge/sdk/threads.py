"""Threads for handlers that are plain functions, so that none holds up the others."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final, TypeVar

MOST: Final = 64
"""Plain handlers that run at once; more wait for their turn."""

Result = TypeVar("Result")


class Threads:
    """A pool of threads; each is started when it is needed."""

    def __init__(self) -> None:
        """Start none yet."""
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="handler")

    async def run(self, work: Callable[..., Result], *args: Any) -> Result:
        """What a function returns, called in a thread with this task's context variables.

        Cancelling does not end the thread: nothing in Python can.
        """
        inside = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: inside.run(_called, work, *args)
        )

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        """Call a function in a thread, without waiting for it."""
        self._pool.submit(work, *args)


def _called(work: Callable[..., Result], *args: Any) -> Result:
    """What a function returns; no future can hold a StopIteration (PEP 479 in spirit)."""
    try:
        return work(*args)
    except StopIteration as stray:
        raise RuntimeError("a handler raised StopIteration") from stray
