"""Every function's log in a data directory: where it is, who writes it, and its end."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from edge.logs.writer import FunctionLog, Limits

DIRECTORY = "logs"


def directory(data_dir: Path, function: str) -> Path:
    """Where the files of a function's log are; `function` must be a slug."""
    return data_dir / DIRECTORY / function


def remove(data_dir: Path, function: str) -> None:
    """Remove the log of a function that is deleted, as far as it can be."""
    shutil.rmtree(directory(data_dir, function), ignore_errors=True)


class Logs:
    """The logs that one process writes; for one thread."""

    def __init__(
        self,
        data_dir: Path,
        limits: Limits,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data_dir = data_dir
        self._limits = limits
        self._clock = clock
        self._monotonic = monotonic
        self._logs: dict[str, FunctionLog] = {}

    def of(self, function: str) -> FunctionLog:
        """The log of a function, the same one each time."""
        log = self._logs.get(function)
        if log is None:
            where = directory(self._data_dir, function)
            log = FunctionLog(where, function, self._limits, self._clock, self._monotonic)
            self._logs[function] = log
        return log

    def forget(self, function: str) -> None:
        """Close the log of a function that is gone."""
        log = self._logs.pop(function, None)
        if log is not None:
            log.close()

    def tick(self) -> None:
        """Due about once a second: see `FunctionLog.tick`."""
        for log in self._logs.values():
            log.tick()

    def close(self) -> None:
        """Keep what is open, and close every file."""
        for function in list(self._logs):
            self.forget(function)
