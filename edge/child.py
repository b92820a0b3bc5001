"""What the supervisor and its children share: orders, the set-up of a process, a word on its start.

A child reads one line of orders from stdin, which then stays open: its end means that the
supervisor is gone. It says on a pipe what became of its start. Not here: what each child does
(`edge/server/worker_main.py`, `edge/running/main.py`).
"""

import asyncio
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from tokens.secret import redact

READY = "ready"
"""What a child says once it has started."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a child is told; plain values, as JSON holds them.

    Attributes:
        config: as `edge.config.as_plain` gives it.
        bound: the edge's public addresses, ports included.
        status: file descriptor on which the child writes `READY`, or why it is not.
    """

    config: dict[str, Any]
    bound: list[str]
    status: int

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls) -> Self:
        """Those on stdin: there nothing stands in argv or the environment."""
        return cls(**json.loads(sys.stdin.buffer.readline()))


class Redacting(logging.Formatter):
    """Writes log lines and tracebacks without the runtime tokens that a text may hold."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole text of a record."""
        return redact(super().format(record))


def set_up() -> None:
    """What every child begins with: the terminal's signals, its log, as many files as it may."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def on_orphaned(then: Callable[[], None]) -> None:
    """Have something called once the supervisor is gone: nothing but the end comes on stdin."""
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def ended() -> None:
        loop.remove_reader(stdin)
        then()

    loop.add_reader(stdin, ended)


class Start:
    """Says what became of a start, once: later the descriptor's number is something else's."""

    def __init__(self, status: int) -> None:
        os.set_inheritable(status, False)
        self._status: int | None = status

    def say(self, text: str) -> None:
        """Say it, as one line, unless something has been said."""
        status, self._status = self._status, None
        if status is not None:
            with suppress(OSError):  # nobody listens any more
                os.write(status, text.replace("\n", " ").encode() + b"\n")
            os.close(status)


async def pause(enough: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until there has been enough."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await enough.wait()
