"""How the supervisor starts processes: its children, and the edge that is to follow this one."""

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from edge.server.service_manager import VARIABLES

PACKAGE_ROOT = Path(__file__).parents[2]

Child = tuple[Process, asyncio.StreamReader]
"""A child, and where it says what became of its start."""


async def spawn(module: str, descriptors: Sequence[int], orders: Callable[[int], bytes]) -> Child:
    """Start a child.

    Args:
        orders: what it reads from stdin, given the descriptor on which it says of its start.
    """
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *program(module),
        stdin=asyncio.subprocess.PIPE,
        pass_fds=(*descriptors, writing),
        env=_environment(),
    )
    os.close(writing)
    assert process.stdin is not None  # noqa: S101 — a pipe was asked for
    process.stdin.write(orders(writing))
    with suppress(ConnectionError):
        await process.stdin.drain()
    return process, await _read_pipe(reading)


class Follower:
    """An edge that this one starts, and that takes over from it."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start nothing yet; `command` are the words of `jelou` that do."""
        self._command = command
        self._starts = False

    @classmethod
    def of(cls, command: Sequence[str]) -> "Follower | None":
        """The one that this command starts; None without one, or where its end is not told."""
        return cls(command) if command and hasattr(os, "pidfd_open") else None

    def start(self, failed: Callable[[str], None]) -> None:
        """Start it, if none is starting; `failed` is told if it ends while this edge is there."""
        if self._starts:
            return
        process = subprocess.Popen(
            [*program("edge.cli.main"), *self._command, "--takeover"],
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
        self._starts = True
        loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(process.pid)

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._starts = False
            failed(f"exit status {process.wait()}")

        loop.add_reader(descriptor, ended)


def program(module: str) -> tuple[str, ...]:
    """What starts a program of this very package, by this very Python."""
    return sys.executable, "-P", "-m", module


def _environment() -> dict[str, str]:
    """The parent's environment, but for what is said to the parent alone; the child finds this
    very package.
    """
    paths = [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


async def _read_pipe(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
