"""A function as a process: `python -m edge.sdk.serving index.py`.

It listens on the Unix socket in `LISTEN_SOCKET`, else on `HOST` (127.0.0.1) and `PORT` (8000; 0
picks one, and is told). `JELOU_FUNCTION` is its slug; `JELOU_SECRETS` names, with commas, the
variables that are its secrets. SIGTERM lets what has begun finish.
"""

import asyncio
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config

from edge.sdk.asgi import Application
from edge.sdk.context import Env
from edge.sdk.defining import DefinitionError
from edge.sdk.handling import Service
from edge.sdk.loading import LoadError, load

BACKLOG = 2048
GRACE = 9.0
"""Seconds that SIGTERM leaves to requests that have begun: less than whoever sent it waits."""

KEEP_ALIVE = 3600.0
"""Seconds that an idle connection stays: the edge closes what it no longer needs."""

MAX_HEAD = 128 * 1024
"""Bytes of a request's head, more than the edge lets through."""


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Serve until a signal comes; the exit status."""
    if len(arguments) != 1:
        print("usage: python -m edge.sdk.serving index.py", file=sys.stderr)  # noqa: T201
        return 2
    try:
        service = service_of(Path(arguments[0]), environ)
    except (LoadError, DefinitionError) as problem:
        _tell(problem)
        return 1
    try:
        listener, address = listen(environ)
    except OSError as problem:
        print(f"▸ cannot listen: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    if address:
        print(f"▸ Function ready on {address}", flush=True)  # noqa: T201
    asyncio.run(_serve(service, listener))
    return 0


def service_of(file: Path, environ: Mapping[str, str]) -> Service:
    """What a file declares, with the slug and the secrets of an environment.

    Raises:
        LoadError: it cannot be loaded.
        DefinitionError: a path or methods in it cannot be.
    """
    slug = environ.get("JELOU_FUNCTION") or "function"
    names = [name.strip() for name in environ.get("JELOU_SECRETS", "").split(",")]
    secrets = {name: environ[name] for name in names if name in environ}
    return Service(load(file), slug, Env(secrets))


def listen(environ: Mapping[str, str]) -> tuple[socket.socket, str]:
    """The socket to accept on, and its address where nobody chose it.

    Raises:
        OSError: the address cannot be had.
    """
    path = environ.get("LISTEN_SOCKET")
    if path:
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(BACKLOG)
        return listener, ""
    host = environ.get("HOST") or "127.0.0.1"
    try:
        port = int(environ.get("PORT") or 8000)
    except ValueError:
        raise OSError(f"PORT is {environ['PORT']!r}, not a number") from None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    shown = f"[{host}]" if ":" in host else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


async def _serve(service: Service, listener: socket.socket) -> None:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = BACKLOG
    config.graceful_timeout = GRACE
    config.keep_alive_timeout = KEEP_ALIVE
    config.keep_alive_max_requests = sys.maxsize
    config.h11_max_incomplete_size = MAX_HEAD
    config.include_server_header = False
    config.accesslog = None
    config.loglevel = "WARNING"
    await serve(cast(Any, Application(service)), config)


def _tell(problem: Exception) -> None:
    """One line that says what is wrong, below the author's own traceback."""
    cause = problem.__cause__
    if cause is not None:
        own = [each for each in traceback.extract_tb(cause.__traceback__) if _is_authors(each)]
        lines = traceback.format_list(own) + traceback.format_exception_only(cause)
        head = "Traceback (most recent call last):\n"
        print(head + "".join(lines), end="", file=sys.stderr)  # noqa: T201
    print(f"✗ {problem}", file=sys.stderr)  # noqa: T201


def _is_authors(frame: traceback.FrameSummary) -> bool:
    return (
        "importlib" not in frame.filename and Path(frame.filename).parent != Path(__file__).parent
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
