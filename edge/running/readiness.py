"""Waits until a process answers: `GET /__health` over its socket or its port, whatever the status.

Not here: giving up, which is the caller's; who listens on a port, which comes in as an argument.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

from edge.running.launch import HOST, Place

HEALTH = "/__health"

_ASK = f"GET {HEALTH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()

FIRST_PAUSE, LONGEST_PAUSE = 0.004, 0.05
"""Seconds between two attempts: cold starts are waited for, hanging ones must not cost much."""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Coroutine[None, None, Streams]]


class Readiness:
    """The two places where one process may begin to listen.

    Args:
        is_ours: whether who listens on the port belongs to the process: ports are anyone's.
    """

    def __init__(self, place: Place, is_ours: Callable[[], bool]) -> None:
        self._place = place
        self._is_ours = is_ours
        self.accepted = False
        """Whether a connection was taken, be it without an answer."""

    async def wait(self) -> str:
        """The first address that answers: `unix:/path` or `http://127.0.0.1:PORT`."""
        asking = [
            asyncio.create_task(self._over_socket()),
            asyncio.create_task(self._over_port()),
        ]
        try:
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _over_socket(self) -> str:
        path = str(self._place.socket)
        await self._until_answered(lambda: asyncio.open_unix_connection(path))
        return f"unix:{path}"

    async def _over_port(self) -> str:
        port = self._place.port
        await self._until_answered(lambda: asyncio.open_connection(HOST, port), self._is_ours)
        return f"http://{HOST}:{port}"

    async def _until_answered(
        self, connect: Connect, is_ours: Callable[[], bool] = lambda: True
    ) -> None:
        pause = FIRST_PAUSE
        while True:
            with suppress(OSError, EOFError, ValueError):
                if await self._answers(connect, is_ours):
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, LONGEST_PAUSE)

    async def _answers(self, connect: Connect, is_ours: Callable[[], bool]) -> bool:
        reader, writer = await connect()
        try:
            if not is_ours():
                return False
            self.accepted = True
            writer.write(_ASK)
            return await reader.readexactly(7) == b"HTTP/1."
        finally:
            writer.close()
