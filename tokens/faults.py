"""What SQLite and the operating system report, as errors that say what to do about it. Pure."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokens.errors import StoreCorrupt, StoreError, StoreLocked, StoreMissing, StoreNotWritable

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REFUSED = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says is wrong with the store at `path` into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        explanation = _explain(path, error)
        if explanation is None:
            raise
        raise explanation from error


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn what the operating system says is wrong with the place into StoreNotWritable."""
    try:
        yield
    except OSError as error:
        raise not_writable(path, error.strerror or type(error).__name__) from error


def locked(path: Path) -> StoreLocked:
    """The error for a store that another process does not let go of."""
    return StoreLocked(
        f"The store {path} is locked by another process; try again, and if it stays so, look for a"
        f" program that keeps it open (fuser {path})."
    )


def missing(directory: Path) -> StoreMissing:
    """The error for a data directory without a store."""
    return StoreMissing(
        f"There is no store in {directory}. Start the edge with jelou serve or deploy with"
        " jelou deploy, or name the right directory with --data-dir."
    )


def being_replaced(path: Path) -> StoreLocked:
    """The error for a store in whose place a backup is being put."""
    return StoreLocked(f"A backup is being restored over the store {path}; try again after that.")


def damaged(path: Path, cause: str) -> StoreCorrupt:
    """The error for a file that is not a database, or not a whole one."""
    return StoreCorrupt(
        f"The store {path} is damaged or not a database ({cause}). Put a backup in its place"
        " (jelou restore FILE), or move the file away to begin anew."
    )


def not_writable(path: Path, cause: str) -> StoreNotWritable:
    """The error for a place that cannot be used; `cause` is the system's word for it."""
    return StoreNotWritable(
        f"The store {path} cannot be used: {cause}. See that its directory belongs to the user who"
        " runs this and that the disk is not full, or name another one with --data-dir."
    )


def _explain(path: Path, error: sqlite3.Error) -> StoreError | None:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _LOCKED:
        return locked(path)
    if primary in _CORRUPT:
        return damaged(path, str(error))
    return not_writable(path, str(error)) if primary in _REFUSED else None
