"""ASGI's lifespan protocol, strictly: an app that does not start is not served.

Hypercorn's own carries on without lifespan when startup raises.
"""

import asyncio
from typing import Any

from edge.server.exchange import Message


class LifespanFailed(Exception):
    """The app did not start, or did not stop in good order."""


class Lifespan:
    """Starts and stops an app.

    Attributes:
        state: what the app puts there is in the `state` of every request's scope.
    """

    def __init__(self, app: Any, state: dict[str, Any]) -> None:
        self.state = state
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Send `lifespan.startup`. Raises LifespanFailed unless the app says that it is up."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        call = self._app(scope, self._to_app.get, self._answers.put)
        self._task = asyncio.ensure_future(call)
        await self._phase("startup")

    async def stop(self) -> None:
        """Send `lifespan.shutdown` and wait for the app's end. Raises LifespanFailed."""
        await self._phase("shutdown")

    async def _phase(self, name: str) -> None:
        assert self._task is not None  # noqa: S101 — start comes first
        await self._to_app.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            raise LifespanFailed(f"the app ended during {name}") from self._failure()
        message = answer.result()
        if message["type"] != f"lifespan.{name}.complete":
            self._task.cancel()
            raise LifespanFailed(str(message.get("message") or f"{name} failed"))

    def _failure(self) -> BaseException | None:
        assert self._task is not None  # noqa: S101 — only called when it is done
        return None if self._task.cancelled() else self._task.exception()
