"""Which processes that fire schedules are still there: each holds a lock file for as long.

The kernel gives a lock up when its holder dies, however it dies; nothing beats and nothing expires.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tokens.generation import WriterLock

_NAME = "cron-{}.lock"
_FRESH = 60.0
"""Seconds for which a file may belong to a process that has not locked it yet."""


class Presence:
    """This process among those of one data directory.

    Attributes:
        id: what the others know it by.
    """

    def __init__(self, directory: Path, random: Callable[[int], bytes]) -> None:
        self.id = random(8).hex()
        self._directory = directory

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be present in the block; raises OSError."""
        _sweep(self._directory)
        path = _path(self._directory, self.id)
        lock = WriterLock(path)
        try:
            with lock.held(0):
                yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            lock.close()


def is_gone(directory: Path, process: str) -> bool:
    """Whether a process has ended; the file that it left behind is removed."""
    path = _path(directory, process)
    if not path.exists():
        return True
    lock = WriterLock(path)
    try:
        with lock.held(0) as free:
            if free:
                path.unlink(missing_ok=True)
            return free
    finally:
        lock.close()


def _sweep(directory: Path) -> None:
    """Remove the files of processes that were killed."""
    for path in directory.glob(_NAME.format("*")):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _FRESH:
                is_gone(directory, path.stem.removeprefix("cron-"))


def _path(directory: Path, process: str) -> Path:
    return directory / _NAME.format(process)
