"""An ASGI app on a real socket, served by Hypercorn in a thread."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config


@contextmanager
def on_tcp(app: Any, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve on a free port; yields the base URL."""
    listener = socket.create_server((host, 0))
    port = listener.getsockname()[1]
    with _serving(app, listener):
        yield f"http://{host}:{port}"


@contextmanager
def on_unix(app: Any, path: Path) -> Iterator[Path]:
    """Serve on a Unix socket at a path."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen()
    with _serving(app, listener):
        yield path


@contextmanager
def _serving(app: Any, listener: socket.socket) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1

    async def run() -> None:
        await serve(app, config, shutdown_trigger=stop.wait)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
