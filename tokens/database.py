"""The SQLite file that a node's processes share, and the generation protocol over it.

A writer holds the WriterLock from before BEGIN IMMEDIATE until the generation that it committed is
in the Mirror; so a command that has returned is known to every worker on its next request. What a
killed or foreign writer left unpublished, the next writer or the next `publish()` publishes.
Not here: what the rows mean (`tokens.sqlite`, and the edge's registry).
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from weakref import WeakSet

from tokens import migrations
from tokens.errors import StoreCorrupt, StoreError, StoreTooNew
from tokens.faults import being_replaced, explained, locked, missing, not_writable, usable
from tokens.generation import Mirror, Use, WriterLock, create_private

FILE = "edge.db"
MIRROR = "generation"
"""Names in the data directory."""

PATIENCE = 5.0
"""Seconds that a writer waits for the others."""

KEPT_GENERATIONS = 4096
MOST_CHANGES = 10_000
_CLOCK_SAVED_EVERY = 60_000_000  # microseconds

_CHANGES = """
    SELECT generation_now, known_from, kind, key
    FROM (SELECT generation AS generation_now, known_from FROM state)
    LEFT JOIN changes ON generation > ? LIMIT ?"""
_TOO_MANY_SINCE = """
    SELECT generation FROM changes WHERE rowid = (SELECT max(rowid) FROM changes) - ?"""
_RAISE = """
    UPDATE state SET clock = max(clock, :clock),
        generation = CASE WHEN :changed THEN max(generation, :mirror) + 1 ELSE generation END
    RETURNING generation"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a generation.

    Attributes:
        generation: the one that the changes lead to.
        keys: (kind, key) pairs, each once; None if they are too many or too long ago: load all.
    """

    generation: int
    keys: tuple[tuple[str, str], ...] | None


@dataclass(slots=True)
class Write:
    """A write transaction in progress.

    Attributes:
        connection: for the statements of this transaction; never to be committed by hand.
    """

    connection: sqlite3.Connection
    _changed: dict[tuple[str, str], None] = field(default_factory=dict)
    _everything: bool = False
    _after: dict[str, Callable[[], None]] = field(default_factory=dict)

    def changed(self, kind: str, key: str) -> None:
        """Tell the workers to load this anew: `("token", digest hex)`, `("function", slug)`."""
        self._changed[kind, key] = None

    def everything_changed(self) -> None:
        """Tell the workers to forget all they know."""
        self._everything = True

    def after_commit(self, name: str, work: Callable[[], None]) -> None:
        """Have something done once this is durable, before another can write; it must not raise.

        What has a name that was given before takes its place.
        """
        self._after[name] = work

    def is_pending(self, name: str) -> bool:
        """Whether `after_commit` was given something by this name."""
        return name in self._after

    def committed(self) -> None:
        """Do what was asked for."""
        for work in self._after.values():
            work()

    def seal(self, mirrored: int, clock: int) -> int:
        """Raise the generation if anything was reported changed; returns the row's, either way.

        It becomes greater than the mirror's too, which is ahead where an older copy of the
        database was put in place.
        """
        # No worker would apply so many one by one, and they would be kept for a long time.
        self._everything = self._everything or len(self._changed) > MOST_CHANGES
        if self._everything:
            self._changed.clear()
        changed = bool(self._changed) or self._everything
        values = {"clock": clock, "changed": changed, "mirror": mirrored}
        [(generation,)] = self.connection.execute(_RAISE, values).fetchall()
        self.connection.executemany(
            "INSERT INTO changes (generation, kind, key) VALUES (?, ?, ?)",
            [(generation, *pair) for pair in self._changed],
        )
        self._forget(generation if self._everything else self._past_use(generation))
        return int(generation)

    def _past_use(self, generation: int) -> int:
        """The last generation whose changes nobody applies one by one any more."""
        found = self.connection.execute(_TOO_MANY_SINCE, (MOST_CHANGES,)).fetchone()
        return max(generation - KEPT_GENERATIONS, found[0] if found else 0)

    def _forget(self, through: int) -> None:
        raised = self.connection.execute(
            "UPDATE state SET known_from = ? WHERE known_from < ?", (through, through)
        )
        if raised.rowcount:
            self.connection.execute("DELETE FROM changes WHERE generation <= ?", (through,))


class _Connection:
    """A thread's connection, closed when its thread ends or the database is closed."""

    def __init__(self, path: Path, patience: float) -> None:
        # mode=rw: whoever removed the file must not find an empty one made in its place.
        address = f"file:{quote(str(path))}?mode=rw"
        self.raw = sqlite3.connect(
            address, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
        )
        self.raw.execute("PRAGMA synchronous = FULL")

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.raw.close()


class _ThreadState(threading.local):
    connection: _Connection | None = None
    write: Write | None = None


class Database:
    """See the module. Safe under many threads, each of which has a connection of its own.

    Every method that touches the file may raise StoreError.
    """

    def __init__(
        self,
        directory: Path,
        patience: float,
        wall_clock: Callable[[], float],
        on_commit: Callable[[int], None],
    ) -> None:
        """Use `Database.open`."""
        self.path = directory / FILE
        self.mirror = Mirror(directory / MIRROR)
        self._use = Use(directory / MIRROR)
        self._lock = WriterLock(directory / "edge.lock")
        self._patience = patience
        self._wall_clock = wall_clock
        self._on_commit = on_commit
        self._here = _ThreadState()
        self._connections: WeakSet[_Connection] = WeakSet()
        self._connecting = threading.Lock()
        self._latest = 0
        self._clock_saved = 0

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        create: bool = False,
        patience: float = PATIENCE,
        wall_clock: Callable[[], float] = time.time,
        on_commit: Callable[[int], None] = lambda _: None,
    ) -> Self:
        """Open the store in a directory, bring its schema up to date and publish its generation.

        Args:
            directory: the data directory; created with mode 0700, as files are with 0600.
            create: whether to create what is missing, rather than raise StoreMissing.
            patience: seconds to wait for other writers before StoreLocked.
            wall_clock: Unix time in seconds; may run backwards.
            on_commit: told the generation after each COMMIT, before it is published; what it does
                is done under the writers' lock.
        """
        directory = directory.absolute()
        with usable(directory / FILE):
            _prepare(directory, create)
            database = cls(directory, patience, wall_clock, on_commit)
        try:
            database._start()
        except BaseException:
            database.close()
            raise
        return database

    def _start(self) -> None:
        if not self._use.share(self._patience):
            raise being_replaced(self.path)
        with explained(self.path):
            self._use_write_ahead_log()
        self.migrate("tokens", migrations.STEPS)
        [(clock,)] = self.rows("SELECT clock FROM state")
        self.mirror.raise_clock(clock)
        self._clock_saved = clock
        if self.publish() < self.mirror.read():
            self._outlive_older_copy()

    def _use_write_ahead_log(self) -> None:
        """Readers never wait for writers in this mode, which is a property of the file."""
        if self.read().execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return
        with self._lock.held(self._patience) as held:
            if not held:
                raise locked(self.path)
            if self.read().execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                raise not_writable(self.path, "its file system has no shared memory")

    def _outlive_older_copy(self) -> None:
        with self.write() as write:
            if self.generation() < self.mirror.read():
                write.everything_changed()

    def migrate(self, set_name: str, steps: Sequence[migrations.Migration]) -> None:
        """Apply the steps of a set that this database has not been through, in their order.

        Raises StoreTooNew if it has been through one that is not among them.
        """
        names = [step.__name__ for step in steps]
        with explained(self.path):
            done = migrations.applied(self.read(), set_name)
        unknown = sorted(done - set(names))
        if unknown:
            raise StoreTooNew(
                f"The store {self.path} was written by a newer version of this program (it knows"
                f" {unknown[0]!r}). Upgrade this one, or put an older backup in its place."
            )
        if not done.issuperset(names):
            with self._exclusive() as connection:
                migrations.apply(connection, set_name, steps)
                connection.execute("COMMIT")

    @contextmanager
    def write(self) -> Iterator[Write]:
        """A transaction, alone among all writers; committed, durable and published at its end.

        Re-entrant in one thread: an inner block is part of the outer one. An exception undoes the
        outermost block whole, so let one that comes out of an inner block through. Raises
        StoreLocked after the patience that the database was opened with.
        """
        if self._here.write is not None:
            yield self._here.write
            return
        with self._exclusive() as connection:
            write = self._here.write = Write(connection)
            try:
                yield write
                clock = self._microseconds()
                generation = write.seal(self.mirror.read(), clock)
                connection.execute("COMMIT")
            finally:
                self._here.write = None
            self._clock_saved = clock
            try:
                write.committed()
                self._on_commit(generation)
            finally:
                self.mirror.raise_to(generation)

    @contextmanager
    def _exclusive(self) -> Iterator[sqlite3.Connection]:
        """Within BEGIN IMMEDIATE, under the writers' lock; undone unless the block commits."""
        with self._lock.held(self._patience) as held, explained(self.path):
            if not held:
                raise locked(self.path)
            connection = self.read()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def read(self) -> sqlite3.Connection:
        """This thread's connection; within `write()` it sees what was written so far."""
        if self._here.connection is None:
            with explained(self.path):
                connection = _Connection(self.path, self._patience)
            with self._connecting:
                self._connections.add(connection)
            self._here.connection = connection
        return self._here.connection.raw

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT, with what may be wrong with the store explained."""
        try:
            with explained(self.path):
                return self.read().execute(query, values).fetchall()
        except StoreCorrupt:
            # It would go on believing what it has cached, also once the file is whole again.
            with suppress(sqlite3.Error):
                self.read().execute("PRAGMA shrink_memory")
            raise

    def generation(self) -> int:
        """The generation committed last, which is the authority."""
        [(generation,)] = self.rows("SELECT generation FROM state")
        return int(generation)

    def changes_since(self, generation: int) -> Changes:
        """What changed after a generation that a worker has caught up with."""
        found = self.rows(_CHANGES, (generation, MOST_CHANGES + 1))
        now, known_from = found[0][:2]
        if not known_from <= generation <= now or len(found) > MOST_CHANGES:
            return Changes(now, None)
        return Changes(now, tuple(dict.fromkeys((row[2], row[3]) for row in found if row[2])))

    def publish(self) -> int:
        """Mirror what a killed or foreign writer committed; returns the row's generation.

        For each start and ten times a second. Never waits: where a writer is at work, it is that
        writer who publishes. Saves the clock once a minute.
        """
        generation = self.generation()
        if generation > self.mirror.read() or self._clock_is_unsaved():
            with self._lock.held(0) as held:
                if held:
                    self.mirror.raise_to(self.generation())
                    self._save_clock()
        return generation

    def clock(self) -> float:
        """Unix time in seconds that never runs backwards, in no process and across no restart."""
        return self._microseconds() / 1e6

    def _microseconds(self) -> int:
        now = max(int(self._wall_clock() * 1e6), self._latest, self.mirror.clock())
        self._latest = now
        self.mirror.raise_clock(now)
        return now

    def _clock_is_unsaved(self) -> bool:
        return self.mirror.clock() - self._clock_saved >= _CLOCK_SAVED_EVERY

    def _save_clock(self) -> None:
        clock = self._clock_saved = self.mirror.clock()
        connection = self.read()
        # A poll waits for nobody, and the mapped copy goes on serving until the next minute.
        connection.execute("PRAGMA busy_timeout = 0")
        with suppress(StoreError), explained(self.path):
            connection.execute("UPDATE state SET clock = max(clock, ?)", (clock,))
        connection.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")

    def close(self) -> None:
        """Close every thread's connection, the locks and the mirror."""
        with self._connecting:
            for connection in self._connections:
                connection.raw.close()
        self._use.close()
        self._lock.close()
        self.mirror.close()


def _prepare(directory: Path, create: bool) -> None:
    path = directory / FILE
    if create:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        create_private(path)
    elif not path.exists():
        raise missing(directory)
    if not (_may(path, os.R_OK | os.W_OK) and _may(directory, os.W_OK | os.X_OK)):
        raise not_writable(path, "permission denied")
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
