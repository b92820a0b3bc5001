"""Our own application and pool for other ASGI servers, which lend it no hold on the connection."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from edge import compose
from edge.config import Config
from edge.doors.asgi import CONNECTION, Receive, Scope, Send
from edge.state.peers import Peers
from tests.benchmarks.apps.settings import PORT, STORE


class Lent:
    """What stands for the server's hold: the target, and nothing to abort or wait for with.

    Attributes:
        complete: these servers see to what is left of a body themselves.
    """

    complete = True

    def __init__(self, target: bytes) -> None:
        self.target = target
        self.reason = b""

    def take(self) -> None:
        """Nothing can be had without waiting."""

    def when_left(self, call: Any) -> None:
        """Do nothing: only `http.disconnect` tells."""

    def ignore_rest(self) -> None:
        """Do nothing: ASGI has no word for it."""

    def abort(self) -> None:
        """Do nothing: ASGI has no word for it."""

    async def wait_gone(self) -> None:
        """Never return: only `http.disconnect` tells."""
        await asyncio.Event().wait()


class Application:
    """The door, opened at the server's lifespan."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        scope["extensions"] = {**(scope.get("extensions") or {}), CONNECTION: Lent(target)}
        await self._door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        edge = compose.build(
            Config(data_dir=STORE, auth_failures=None), (f"127.0.0.1:{PORT}",), Peers()
        )
        await self._stack.enter_async_context(edge.running())
        self._door: Any = edge.app
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})


app = Application()
