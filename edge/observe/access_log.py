"""The access log: which requests get a line, in which form, and how lines reach their file.

A slow disk or a pipe that nobody reads holds up no request: what does not fit meanwhile is left
out, which the log says. A file is followed by its name: one that was renamed or removed is begun
anew at the next lines.
"""

import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import PIPE_BUF
from time import monotonic, time

import orjson

from edge.events import Account, Event
from edge.headers import Networks
from edge.observe.access_line import as_text, lines
from edge.observe.background import Background

MOST_WAITING = 8 * 1024 * 1024
"""Bytes of lines that wait to be written."""

RECENT = 50
"""Lines that are kept in memory, to be looked at."""

CLOSING_SECONDS = 2.0
"""What a log that nobody takes may cost at the end."""


@dataclass(frozen=True, slots=True)
class Style:
    """How much is said, and how.

    Attributes:
        json: whether lines are for programs.
        colours: whether a terminal shows them.
        sample: the share of successes that get a line; whatever is no success does.
    """

    json: bool = True
    colours: bool = False
    sample: float = 1.0


class AccessLog:
    """Says of events what a log keeps of them.

    Args:
        write: takes lines, and does not wait; None if only the last ones are wanted.
        random: a number from 0 up to 1.
    """

    def __init__(
        self,
        style: Style,
        networks: Networks,
        write: Callable[[bytes], None] | None,
        random: Callable[[], float],
    ) -> None:
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._unsaid: deque[Event] = deque(maxlen=RECENT)
        self._style = style
        self._networks = networks
        self._write = write
        self._random = random

    def watch(self, events: Sequence[Event]) -> None:
        """Write lines about events, or keep the last ones until they are asked for."""
        if self._write is None:
            self._unsaid.extend(events[-RECENT:])
            return
        told = events if self._style.sample >= 1 else filter(self._is_told, events)
        said = self._said(told)
        if said:
            self._write(b"".join(said if self._style.json else map(self._worded, said)))

    def recent(self) -> Sequence[bytes]:
        """The last lines, as JSON; the oldest first."""
        self._said(self._unsaid)
        self._unsaid.clear()
        return self._recent

    def _said(self, events: Iterable[Event]) -> list[bytes]:
        now = monotonic()
        said = lines(events, time() - now, now, self._networks)
        self._recent.extend(said[-RECENT:])
        return said

    def _is_told(self, event: Event) -> bool:
        if not isinstance(event, Account):
            return True
        succeeded = event.whole and 0 < event.status < 400 and not event.tool_failed
        return not succeeded or self._random() < self._style.sample

    def _worded(self, said: bytes) -> bytes:
        text = as_text(orjson.loads(said), colours=self._style.colours)
        return text.encode("utf-8", "replace") + b"\n"


class LineWriter:
    """Writes lines in a thread of its own.

    Args:
        path: the file, or None for standard error.
        complain: told, once each time, why lines cannot be written.
    """

    def __init__(self, path: Path | None, complain: Callable[[str], None]) -> None:
        self._file = _Followed(path) if path is not None else None
        ended = self._file.close if self._file is not None else None
        self._writing = Background(
            "access-log", self._put, MOST_WAITING, CLOSING_SECONDS, complain, ended
        )
        self._left_out = 0

    def write(self, lines: bytes) -> None:
        """Have lines written, each with its end; too many at once are counted instead."""
        size = len(lines)
        note = b'{"event":"lines_left_out","lines":%d}\n' % self._left_out
        if not self._writing.take(lines + note if self._left_out else lines, size):
            self._left_out += lines.count(b"\n")
        else:
            self._left_out = 0

    def close(self) -> None:
        """Wait until what was said is written, within bounds."""
        self._writing.close()

    def _put(self, lines: bytes) -> str:
        try:
            descriptor = sys.stderr.fileno() if self._file is None else self._file.descriptor()
            for piece in _pieces(lines, descriptor):
                _write_all(descriptor, piece)
        except OSError as error:
            return f"The access log cannot be written: {error.strerror}."
        return ""


class _Followed:
    """A file that is appended to under its name, whoever moves it away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def descriptor(self) -> int:
        """The file that has the name now. Raises OSError."""
        if self._descriptor < 0 or not self._is_there():
            self.close()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o640)
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


def _pieces(lines: bytes, descriptor: int) -> Iterator[bytes]:
    """What is written at once: to a pipe that workers share, no more than stays in one piece."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        yield lines
        return
    begin = 0
    while begin < len(lines):
        end = lines.rfind(b"\n", begin, begin + PIPE_BUF) + 1
        if end <= begin:
            end = lines.find(b"\n", begin) + 1 or len(lines)
        yield lines[begin:end]
        begin = end


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        with suppress(BlockingIOError):  # a terminal may have been set to that by another program
            left = left[os.write(descriptor, left) :]
