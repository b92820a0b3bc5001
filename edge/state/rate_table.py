"""The numbers behind rate limits, in a mapped file that the workers of a node share.

A hash table of fixed size, each bucket a few keys and their numbers, and a lock around each update:
flock(2), which the kernel releases when its holder dies. Not here: what the numbers mean, but that
the smallest of a bucket is the one to give up (`edge.state.rates`).
"""

import fcntl
import os
import time
from pathlib import Path

from tokens.generation import map_shared

FILE = "rates"
BUCKETS = 8192
WAYS = 8
"""Limits in use at one time: 65,536, and fewer where many fall into one bucket."""

PATIENCE = 0.05
"""Seconds for which an update waits for another process's, which takes a few microseconds."""

UNLOCKED = 1.0
"""Seconds for which nobody waits again once that was in vain: a stopped process may hold it."""

_PAUSE = 0.00005
_LAYOUT = 1
_HEADER = 8
_CELLS = _HEADER + BUCKETS * WAYS * 2
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class RateTable:
    """One process's hold on the table; for use by one thread.

    Numbers are times of a clock that starts with the machine, so a table of an earlier boot, or of
    another layout, is emptied.
    """

    def __init__(self, path: Path) -> None:
        """Map the file, creating it if need be; raises OSError."""
        self._map = map_shared(path, _CELLS * 8)
        self._cells = memoryview(self._map).cast("q")
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._wait_again = 0.0
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._empty_unless_of(_this_boot())
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _empty_unless_of(self, boot: int) -> None:
        if self._cells[:2].tolist() != [_LAYOUT, boot]:
            self._map[:] = bytes(len(self._map))
            self._cells[0], self._cells[1] = _LAYOUT, boot

    def lock(self) -> bool:
        """Keep other processes out, for microseconds; False if one of them cannot be waited for.

        Numbers are then read and written all the same: two updates may become one, once in a while.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._lock_soon()
        return True

    def _lock_soon(self) -> bool:
        begun = time.monotonic()
        if begun < self._wait_again:
            return False
        while time.monotonic() - begun < PATIENCE:
            time.sleep(_PAUSE)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return True
        self._wait_again = time.monotonic() + UNLOCKED
        return False

    def unlock(self) -> None:
        """Let others in."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def find(self, key: int) -> int:
        """Where the number of a key stands, which is 0 at first.

        Args:
            key: not 0, of 64 bits with a sign.
        """
        cells = self._cells
        keys_at = _HEADER + key % BUCKETS * (2 * WAYS)
        keys = cells[keys_at : keys_at + WAYS].tolist()
        if key in keys:
            return keys_at + WAYS + keys.index(key)
        numbers = cells[keys_at + WAYS : keys_at + 2 * WAYS].tolist()
        way = numbers.index(min(numbers))
        cells[keys_at + WAYS + way] = 0
        cells[keys_at + way] = key
        return keys_at + WAYS + way

    def read(self, at: int) -> int:
        """The number at a place."""
        return self._cells[at]

    def write(self, at: int, number: int) -> None:
        """Change it."""
        self._cells[at] = number

    def close(self) -> None:
        """Unmap; the table is of no use afterwards."""
        self._cells.release()
        self._map.close()
        os.close(self._file)


def _this_boot() -> int:
    """Tells one boot of the machine from another; 0 where the system does not say."""
    try:
        text = _BOOT.read_text()
    except OSError:
        return 0
    return int(text.replace("-", "")[:15], 16)
