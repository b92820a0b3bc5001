"""Power loss, as SQLite's files meet it: what was written since the last fsync may not be there.

A VFS (sqlite.org/vfs.html) that passes everything on and writes down each write, truncation and
sync of the files below a directory. From that record the disk is made anew as a power loss at any
moment may have left it: what was synced is there, of the rest any part, cut at any sector.
Not modelled: directory entries (files and their names are there once made), and disks that lie
about a sync.
"""

import _sqlite3
import ctypes
import random
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from ctypes.util import find_library
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512
_POINTER = ctypes.sizeof(c_void_p)
_VFS_SIZE, _METHODS_SIZE = 24 + 18 * _POINTER, 8 + 18 * _POINTER
_OPEN_AT, _NAME_AT = 40, 24
_WRITE_AT, _TRUNCATE_AT, _SYNC_AT = (8 + index * _POINTER for index in (2, 3, 4))

# The name stays a pointer: SQLite keeps it for as long as the file is open.
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


@dataclass(frozen=True)
class Write:
    """Bytes written to a file."""

    file: str
    offset: int
    content: bytes


@dataclass(frozen=True)
class Truncate:
    """A file cut to a size."""

    file: str
    size: int


@dataclass(frozen=True)
class Sync:
    """A file is on the disk, as it is."""

    file: str


@dataclass(frozen=True)
class Acknowledged:
    """Somebody was told that something is done."""

    what: Any


@dataclass
class Record:
    """All that happened, in order; what the files held before is in `start`."""

    start: dict[str, bytes] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)

    def acknowledge(self, what: Any) -> None:
        """Note that somebody was told."""
        self.events.append(Acknowledged(what))

    def after_power_loss(self, moment: int, dice: random.Random) -> dict[str, bytes]:
        """What files hold after a power loss right behind `events[:moment]`."""
        happened = self.events[:moment]
        synced = {event.file: at for at, event in enumerate(happened) if isinstance(event, Sync)}
        files = {name: bytearray(content) for name, content in self.start.items()}
        for at, event in enumerate(happened):
            if not isinstance(event, Write | Truncate):
                continue
            content = files.setdefault(event.file, bytearray())
            if at < synced.get(event.file, -1):
                _apply(content, event)
            else:
                _apply_in_part(content, event, dice)
        return {name: bytes(content) for name, content in files.items()}


def _apply(content: bytearray, event: Write | Truncate) -> None:
    if isinstance(event, Truncate):
        del content[event.size :]
        content.extend(bytes(event.size - len(content)))
        return
    content.extend(bytes(max(0, event.offset - len(content))))
    content[event.offset : event.offset + len(event.content)] = event.content


def _apply_in_part(content: bytearray, event: Write | Truncate, dice: random.Random) -> None:
    """Whole, not at all, or those sectors that made it."""
    fate = dice.choice(("whole", "gone", "torn"))
    if fate == "whole" or (fate == "torn" and isinstance(event, Truncate)):
        _apply(content, event)
    elif fate == "torn":
        for start in range(0, len(event.content), SECTOR):
            if dice.random() < 0.5:
                piece = event.content[start : start + SECTOR]
                _apply(content, Write(event.file, event.offset + start, piece))


def library() -> Any:
    """The SQLite that Python's own module uses, or None where it cannot be reached."""
    assert _sqlite3, "it is mapped once its module is loaded"
    name = find_library("sqlite3")
    try:
        mapped = Path("/proc/self/maps").read_text()
        return ctypes.CDLL(name) if name and name in mapped else None
    except OSError:
        return None


@contextmanager
def recorded(sqlite: Any, directory: Path) -> Iterator[Record]:
    """Record what connections opened in the block do to files below a directory."""
    record = Record({path.name: path.read_bytes() for path in directory.iterdir()})
    shim = _Shim(sqlite, directory, record)
    shim.register()
    try:
        yield record
    finally:
        shim.unregister()


class _Shim:
    def __init__(self, sqlite: Any, directory: Path, record: Record) -> None:
        sqlite.sqlite3_vfs_find.restype = c_void_p
        sqlite.sqlite3_vfs_find.argtypes = [c_char_p]
        sqlite.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
        sqlite.sqlite3_vfs_unregister.argtypes = [c_void_p]
        self._sqlite = sqlite
        self._directory = str(directory)
        self._record = record
        self._real = sqlite.sqlite3_vfs_find(None)
        self._name = ctypes.create_string_buffer(b"recorded")
        self._vfs = ctypes.create_string_buffer(ctypes.string_at(self._real, _VFS_SIZE), _VFS_SIZE)
        self._open = ctypes.cast(self._word(self._real + _OPEN_AT), _OPEN)
        self._names: dict[int, str] = {}
        self._tables: dict[int, tuple[Any, ...]] = {}
        self._kept = _OPEN(self._opened)
        self._put(ctypes.addressof(self._vfs) + _NAME_AT, ctypes.addressof(self._name))
        self._put(ctypes.addressof(self._vfs) + _OPEN_AT, self._address(self._kept))

    def register(self) -> None:
        assert self._sqlite.sqlite3_vfs_register(ctypes.addressof(self._vfs), 1) == 0

    def unregister(self) -> None:
        self._sqlite.sqlite3_vfs_unregister(ctypes.addressof(self._vfs))
        self._sqlite.sqlite3_vfs_register(self._real, 1)

    def _opened(self, _: int, name: int, file: int, flags: int, given: int) -> int:
        code = int(self._open(self._real, name, file, flags, given))
        path = ctypes.string_at(name).decode() if name else ""
        methods = self._word(file)
        if code == 0 and methods and path.startswith(self._directory):
            self._names[file] = Path(path).name
            if methods not in self._tables:
                self._tables[methods] = self._table(methods)
            self._put(file, ctypes.addressof(self._tables[methods][0]))
        return code

    def _table(self, methods: int) -> tuple[Any, ...]:
        """The methods of a file, three of them ours."""
        write = ctypes.cast(self._word(methods + _WRITE_AT), _WRITE)
        truncate = ctypes.cast(self._word(methods + _TRUNCATE_AT), _TRUNCATE)
        sync = ctypes.cast(self._word(methods + _SYNC_AT), _SYNC)

        def written(file: int, content: int, size: int, offset: int) -> int:
            code = int(write(file, content, size, offset))
            self._note(Write(self._names[file], offset, ctypes.string_at(content, size)))
            return code

        def truncated(file: int, size: int) -> int:
            code = int(truncate(file, size))
            self._note(Truncate(self._names[file], size))
            return code

        def synced(file: int, flags: int) -> int:
            code = int(sync(file, flags))
            if code == 0:
                self._note(Sync(self._names[file]))
            return code

        table = ctypes.create_string_buffer(ctypes.string_at(methods, _METHODS_SIZE), _METHODS_SIZE)
        ours = _WRITE(written), _TRUNCATE(truncated), _SYNC(synced)
        places = _WRITE_AT, _TRUNCATE_AT, _SYNC_AT
        for place, function in zip(places, ours, strict=True):
            self._put(ctypes.addressof(table) + place, self._address(function))
        return (table, *ours)

    def _note(self, event: Any) -> None:
        self._record.events.append(event)

    @staticmethod
    def _word(address: int) -> int:
        return ctypes.cast(address, POINTER(c_void_p)).contents.value or 0

    @staticmethod
    def _put(address: int, value: int) -> None:
        ctypes.cast(address, POINTER(c_void_p)).contents.value = value

    @staticmethod
    def _address(function: Any) -> int:
        return ctypes.cast(function, c_void_p).value or 0
