"""What the processes of one machine share beside the database: a mapped file and the writers' lock.

The mapping is a mirror of two numbers of the database, read in a tenth of a microsecond: the
generation, so that a worker knows on every request whether anything changed, and the clock's
high-water mark. It is a hint that may lag; the database is the authority. A lock on the mapped file
says that the store is in use. Not here: when to raise or publish (`tokens.database`).
"""

import fcntl
import mmap
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = 16
_GENERATION, _CLOCK = 0, 1
_RETRY = 0.002


class Mirror:
    """Two native 64-bit integers in a file that is never replaced and whose numbers never fall.

    A single aligned 64-bit access is one machine instruction, so a reader never sees half a number.
    Whoever raises the generation holds the WriterLock.
    """

    def __init__(self, path: Path) -> None:
        """Map the file, creating it if need be; raises OSError."""
        self._map = map_shared(path, _SIZE)
        self._numbers = memoryview(self._map).cast("q")

    def read(self) -> int:
        """The generation last published."""
        return self._numbers[_GENERATION]

    def raise_to(self, generation: int) -> None:
        """Publish a generation, unless a later one is; only under the WriterLock."""
        if generation > self._numbers[_GENERATION]:  # noqa: PLR1730
            self._numbers[_GENERATION] = generation

    def clock(self) -> int:
        """The latest time, in Unix microseconds, that any process has acted upon."""
        return self._numbers[_CLOCK]

    def raise_clock(self, microseconds: int) -> None:
        """Remember a time, unless a later one is remembered.

        Written only where it is later: to write back what was read could undo another's raise.
        """
        if microseconds > self._numbers[_CLOCK]:  # noqa: PLR1730
            self._numbers[_CLOCK] = microseconds

    def close(self) -> None:
        """Unmap; the mirror is of no use afterwards."""
        self._numbers.release()
        self._map.close()


class WriterLock:
    """One writer at a time, among all threads and processes: an exclusive flock(2) on a file.

    The kernel releases it when its holder dies, however it dies.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock file, creating it if need be; raises OSError."""
        create_once(path, b"")
        self._file = path.open("r+b", buffering=0)
        self._thread = threading.Lock()

    @contextmanager
    def held(self, timeout: float) -> Iterator[bool]:
        """Hold the lock in the block, waiting at most so many seconds; yields whether it is."""
        deadline = time.monotonic() + timeout
        if not self._thread.acquire(timeout=timeout):
            yield False
            return
        try:
            if not _locked_before(self._file.fileno(), fcntl.LOCK_EX, deadline):
                yield False
                return
            try:
                yield True
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def close(self) -> None:
        """Close the file, which gives the lock up."""
        self._file.close()


class Use:
    """That a store is in use: shared by all who have it open, exclusive to who replaces it whole.

    A flock(2) on the mapped file, which is never replaced; given up by the kernel when its holder
    dies.
    """

    def __init__(self, path: Path) -> None:
        """Open the mapped file, creating it if need be; raises OSError."""
        create_once(path, bytes(_SIZE))
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def share(self, timeout: float) -> bool:
        """Hold it with others until `close`; False if one keeps it alone for so many seconds."""
        return _locked_before(self._descriptor, fcntl.LOCK_SH, time.monotonic() + timeout)

    def alone(self, timeout: float) -> bool:
        """Hold it with nobody until `close`; False if others have it after so many seconds."""
        return _locked_before(self._descriptor, fcntl.LOCK_EX, time.monotonic() + timeout)

    def close(self) -> None:
        """Give it up."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _locked_before(descriptor: int, how: int, deadline: float) -> bool:
    """Take a flock(2), trying until a time (monotonic seconds): it knows no timeout of its own."""
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            # A stopped holder must not stop everyone for ever.
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY)
        else:
            return True


def map_shared(path: Path, size: int) -> mmap.mmap:
    """Map so many bytes of a file, creating it with zeros if need be; raises OSError."""
    create_once(path, bytes(size))
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> None:
    """Create an empty file that its owner alone may read, unless the path is taken already."""
    create_once(path, b"")


def create_once(path: Path, content: bytes) -> None:
    """Create a file whole or not at all, once, however many processes try; mode 0600."""
    if path.exists():
        return
    draft = _draft(path, content)
    try:
        # A link, unlike a rename, fails where the file exists: nobody's mapping is left behind.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file whole or not at all; mode 0600, and on the disk before this returns.

    Never one that is mapped: who has it open goes on with the old one.
    """
    draft = _draft(path, content)
    try:
        os.replace(draft, path)
    except OSError:
        os.unlink(draft)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk before this returns."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(path: Path, content: bytes) -> Path:
    """A file beside another that is to become that one, whole and on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(descriptor)
        _hand_over(descriptor, path.parent)
    except OSError:
        os.unlink(draft)
        raise
    finally:
        os.close(descriptor)
    return draft


def _hand_over(descriptor: int, directory: Path) -> None:
    """Give a file that root makes in somebody's directory to that somebody."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
