"""ASGI plumbing around the doors: the lifespan protocol, and one app per kind of address."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from edge.asgi import App, Receive, Scope, Send

Running = Callable[[], AbstractAsyncContextManager[None]]


def with_lifespan(app: App, running: Running) -> App:
    """The app, with `running` entered at startup and left at shutdown.

    An error on the way in is reported as `lifespan.startup.failed`: serving anyway is not safe.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(running, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped


async def _live(running: Running, receive: Receive, send: Send) -> None:
    await receive()
    try:
        async with running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.shutdown.complete"})


def by_address(local: App, remote: App) -> App:
    """One app for Unix sockets, whose peer the kernel vouches for, another for all else."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        # Only a Unix socket has no host and port (ASGI's scope, `server`).
        app = local if scope["server"] is None else remote
        await app(scope, receive, send)

    return wrapped
