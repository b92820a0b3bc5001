"""What functions write, as files of lines: bounded in size and rate, whatever a function does.

Numbered files, the newest of which is appended to; whole lines alone go in, many at a time. Nothing
here raises for what a function or a disk does: what cannot be kept is counted, and the count said.
Not here: what a line becomes (`line`), and when a process's output comes.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge.logs.line import LONGEST, MARGIN, SUFFIX, Source, notice, written

LINES_A_SECOND = 10_000
"""Lines of one function that are kept in a second, however short."""

IDLE = 60.0
"""Seconds without a line after which a function's file is closed."""

_KEPT = LONGEST + MARGIN


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one function's log.

    Attributes:
        size: bytes of a file.
        files: how many files are kept.
        rate: bytes a second that are kept.
    """

    size: int
    files: int
    rate: int


@dataclass(slots=True)
class _Open:
    """A line whose end has not come.

    Attributes:
        more: bytes that came beyond what is kept.
        lost: whether its beginning was dropped, so that the rest is too.
    """

    source: Source
    kept: bytearray = field(default_factory=bytearray)
    more: int = 0
    lost: bool = False

    def add(self, piece: bytes) -> None:
        room = max(0, _KEPT - len(self.kept))
        self.kept += piece[:room]
        self.more += max(0, len(piece) - room)


@dataclass(slots=True)
class _Dropped:
    """What was not kept, and of whom last."""

    lines: int = 0
    size: int = 0
    source: Source | None = None

    def count(self, lines: int, size: int, source: Source) -> None:
        self.lines += lines
        self.size += size
        self.source = source


class FunctionLog:
    """The log of one function. For one thread."""

    def __init__(
        self,
        directory: Path,
        function: str,
        limits: Limits,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """Touch nothing yet.

        Args:
            directory: where its files are; made with the first line, mode 0700.
            clock: Unix time, seconds.
            monotonic: seconds, for the rate.
        """
        self._function = function
        self._limits = limits
        self._clock = clock
        self._monotonic = monotonic
        self._files = _Files(directory, limits)
        self._lines: dict[tuple[str, str], _Open] = {}
        self._window = 0.0
        self._left_lines = self._left_bytes = 0
        self._too_fast, self._unwritten = _Dropped(), _Dropped()
        self._last = 0.0

    def write(self, stream: str, data: bytes, instance: str, deployment: str) -> None:
        """Take what a process has written, cut anywhere; quick, never waits, never raises.

        Args:
            stream: `stdout` or `stderr`.
        """
        source = Source(self._function, deployment, instance, stream)
        self._last = self._monotonic()
        block = self._begin_window()
        if len(data) > self._left_bytes:
            self._drop(source, data)
        else:
            self._left_bytes -= len(data)
            block += self._taken(source, data)
        self._put(block, source)

    def end(self, instance: str) -> None:
        """A process has ended: keep what it wrote last, also without the end of a line."""
        for key in [key for key in self._lines if key[0] == instance]:
            line = self._lines.pop(key)
            self._put(self._closed(line), line.source)
        self.tick()

    def tick(self) -> None:
        """Say what was dropped, if a second is over; close what is idle. About once a second."""
        if self._too_fast.source is not None:
            self._put(self._begin_window(), self._too_fast.source)
        if self._monotonic() - self._last >= IDLE:
            self._files.close()

    def close(self) -> None:
        """Keep all that is open, and close the file."""
        for instance in {instance for instance, _ in self._lines}:
            self.end(instance)
        self._window = 0.0
        self.tick()
        self._files.close()

    def _begin_window(self) -> list[bytes]:
        """A new second, if the last is over, with the lines that say what that one dropped."""
        now = self._monotonic()
        if now < self._window:
            return []
        self._window = now + 1.0
        self._left_lines, self._left_bytes = LINES_A_SECOND, self._limits.rate
        dropped, self._too_fast = self._too_fast, _Dropped()
        return self._told(dropped, "it writes faster than is kept")

    def _told(self, dropped: _Dropped, why: str) -> list[bytes]:
        if dropped.source is None:
            return []
        source = dropped.source
        source = Source(self._function, source.deployment, source.instance, "edge")
        text = f"{dropped.lines} lines ({dropped.size} bytes) were dropped: {why}"
        return [notice(text, source, self._clock())]

    def _taken(self, source: Source, data: bytes) -> list[bytes]:
        """The lines that this completes; the rest waits for its end."""
        now = self._clock()
        *whole, rest = data.split(b"\n", self._left_lines)
        self._left_lines -= len(whole)
        lines: list[bytes] = []
        if whole:
            first, *others = whole
            self._open(source).add(first)
            lines = self._closed(self._lines.pop((source.instance, source.stream)))
            lines += [written(*_cut(piece, source, now)) for piece in others if _says(piece)]
        if b"\n" in rest:
            self._drop(source, rest)
        elif rest:
            self._open(source).add(rest)
        return lines

    def _open(self, source: Source) -> _Open:
        return self._lines.setdefault((source.instance, source.stream), _Open(source))

    def _closed(self, line: _Open) -> list[bytes]:
        if line.lost or not _says(line.kept):
            return []
        return [written(bytes(line.kept), line.source, self._clock(), line.more)]

    def _drop(self, source: Source, data: bytes) -> None:
        begun = self._lines.pop((source.instance, source.stream), _Open(source))
        size = len(begun.kept) + begun.more + len(data)
        self._too_fast.count(max(1, data.count(b"\n")), size, source)
        if not data.endswith(b"\n"):
            self._open(source).lost = True

    def _put(self, block: list[bytes], source: Source) -> None:
        if not block:
            return
        data = b"".join(block)
        if not self._files.append(data):
            self._unwritten.count(len(block), len(data), source)
        elif self._unwritten.source is not None:
            told = self._told(self._unwritten, "the disk took no more")
            if self._files.append(b"".join(told)):
                self._unwritten = _Dropped()


def _says(piece: bytes | bytearray) -> bool:
    return bool(piece) and not piece.isspace()


def _cut(piece: bytes, source: Source, now: float) -> tuple[bytes, Source, float, int]:
    return piece[:_KEPT], source, now, max(0, len(piece) - _KEPT)


class _Files:
    """Numbered files, of which the newest is open."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        self._directory = directory
        self._limits = limits
        self._descriptor: int | None = None
        self._number = 0

    def append(self, data: bytes) -> bool:
        """Append a block of whole lines; whether it is there, whole."""
        try:
            descriptor = self._ready(len(data))
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, data) == len(data):
                return True
            os.ftruncate(descriptor, size)  # half a block would be taken for a line
        except OSError:
            self.close()
        return False

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _ready(self, size: int) -> int:
        """The descriptor of a file with room for so many bytes."""
        descriptor = self._open()
        found = os.fstat(descriptor)
        if found.st_nlink == 0:  # the function was deleted, and is there again
            self.close()
            return self._open()
        if found.st_size and found.st_size + size > self._limits.size:
            return self._rotated()
        return descriptor

    def _open(self) -> int:
        if self._descriptor is None:
            self._directory.parent.mkdir(mode=0o700, exist_ok=True)
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._number = max(numbers(self._directory), default=1)
            self._descriptor = self._opened()
            self._end_broken_line(self._descriptor)
        return self._descriptor

    def _rotated(self) -> int:
        self.close()
        self._number += 1
        self._descriptor = self._opened()
        for number in sorted(numbers(self._directory))[: -self._limits.files]:
            with suppress(OSError):
                path(self._directory, number).unlink()
        return self._descriptor

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path(self._directory, self._number), flags, 0o600)

    def _end_broken_line(self, descriptor: int) -> None:
        """A crash may have left half a line, which must not swallow the next one."""
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")


def numbers(directory: Path) -> list[int]:
    """The numbers of the files of a log, in no order; none if there is no log."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return [int(stem) for stem in stems if stem.isdecimal() and stem.isascii()]


def path(directory: Path, number: int) -> Path:
    """The file of this number."""
    return directory / f"{number:08}{SUFFIX}"
