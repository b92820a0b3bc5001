"""Runs of schedules in the shared file: a tick is claimed here once, by whoever comes first.

What is written never disturbs workers: no generation moves. Not here: when a tick is due
(`schedule`, `loop`), what is sent (`firing`), and the secrets that sign (`signing_secrets`).
"""

import sqlite3
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.cron.presence import is_gone
from edge.cron.schedule import Schedule
from tokens.database import Database
from tokens.migrations import Migration

SET = "cron"
KEPT = 1000
"""Runs kept for each function, unless the settings say otherwise."""

State = Literal["running", "ok", "error", "skipped", "unknown"]
"""`skipped`: the one before was still running. `unknown`: cut by the end of its process."""

_COLUMNS = (
    "id, function, schedule, name, tool, expression, tick, manual, state, status, code, started,"
    " ended, duration"
)
_INSERT = (
    f"INSERT INTO cron_runs ({_COLUMNS}, owner) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, NULL, ?)"
)
_SELECT = f"SELECT {_COLUMNS} FROM cron_runs"  # noqa: S608
_TAKEN = "SELECT 1 FROM cron_runs WHERE function = ? AND schedule = ? AND tick = ?"
_KNOWN = "SELECT since, through FROM cron_schedules WHERE function = ? AND schedule = ?"
_RUNNING = (
    "SELECT 1 FROM cron_runs WHERE function = ? AND schedule = ? AND state = 'running' LIMIT 1"
)
_PAST_KEEPING = (
    "function = :function AND state != 'running' AND coalesce(tick, 0) <= :now AND number <="
    " (SELECT number FROM cron_runs WHERE function = :function"
    " ORDER BY number DESC LIMIT 1 OFFSET :kept)"
)
_REMEMBER = (
    "UPDATE cron_schedules SET through = max(through, ?) WHERE function = ? AND schedule = ?"
)


def create_cron_runs(schema: Any) -> None:
    """Runs in the order in which they were claimed.

    `tick` is the instant that it is for, NULL where somebody asked for it; `owner` the process
    that carries it out (`Presence`); `duration` seconds, and all times are Unix seconds.
    """
    texts = ("id", "function", "schedule", "name", "tool", "expression", "state", "owner")
    numbers = {"tick": int, "manual": int, "status": int, "code": str}
    times = {"started": float, "ended": float, "duration": float}
    schema.create_table(
        "cron_runs",
        {"number": int, **dict.fromkeys(texts, str), **numbers, **times},
        pk="number",
        not_null={*texts, "manual", "started"},
    )
    runs = schema.table("cron_runs")
    runs.create_index(["id"], unique=True)
    runs.create_index(["function", "schedule", "tick"], unique=True)
    runs.create_index(["function", "number"])
    runs.create_index(["state", "owner"])


def create_cron_schedules(schema: Any) -> None:
    """Live schedules: no tick before `since` is theirs, none up to `through` is claimed any more.

    `through` is what runs said that are not kept any longer.
    """
    columns = {"function": str, "schedule": str, "since": float, "through": int}
    schema.create_table(
        "cron_schedules", columns, pk=("function", "schedule"), not_null=set(columns)
    )


STEPS: tuple[Migration, ...] = (create_cron_runs, create_cron_schedules)


@dataclass(frozen=True, slots=True)
class Due:
    """A tick of a schedule: Unix seconds, or None for a run that somebody asks for."""

    schedule: Schedule
    tick: int | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that is this process's to carry out: nobody else will, and nobody again.

    Attributes:
        skipped: whether it is not to be carried out, since the one before is still running.
    """

    id: str
    due: Due
    skipped: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is kept.

    Attributes:
        name: of the schedule, or empty.
        tick: what it is for, Unix seconds; None if somebody asked for it.
        status: of the function's answer, or None if there was none.
        code: the edge's error, where it has one.
        started, ended: Unix seconds.
        duration: seconds.
    """

    id: str
    function: str
    schedule: str
    name: str
    tool: str
    expression: str
    tick: int | None
    manual: bool
    state: State
    status: int | None
    code: str | None
    started: float
    ended: float | None
    duration: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a run; the fields are those of `Run`."""

    state: State
    status: int | None
    code: str | None
    ended: float
    duration: float


class Stale(Exception):
    """What is live has changed since the caller looked."""


class CronStore:
    """Every call may raise `tokens.errors.StoreError`; safe in several threads."""

    def __init__(self, database: Database, random: Callable[[int], bytes], kept: int) -> None:
        """Bring the tables up to date.

        Args:
            kept: runs kept for each function.
        """
        self._database = database
        self._directory = database.path.parent
        self._random = random
        self._kept = kept
        database.migrate(SET, STEPS)

    def know(self, live: Sequence[tuple[Schedule, float]], generation: int) -> None:
        """Take up the schedules that are live: each with when it may have become so.

        No tick before that will be theirs; an unchanged schedule keeps the time of its first call.

        Raises:
            Stale: a function has changed since this generation.
        """
        wanted = {(one.function, one.key): since for one, since in live}
        known = self._known()
        if known == wanted.keys():
            return
        with self._database.write() as write:
            self._refuse_stale(generation, None)
            write.connection.executemany(
                "DELETE FROM cron_schedules WHERE function = ? AND schedule = ?",
                list(known - wanted.keys()),
            )
            write.connection.executemany(
                "INSERT OR IGNORE INTO cron_schedules (function, schedule, since, through)"
                " VALUES (?, ?, ?, 0)",
                [(*key, since) for key, since in wanted.items()],
            )

    def claim(self, due: Iterable[Due], now: float, generation: int, owner: str) -> list[Claimed]:
        """Claim what nobody has claimed yet; each is never given to anybody again.

        A run that is not to start beside the one before is written down as skipped.

        Args:
            now: Unix time, seconds.
            generation: of the store, as the schedules were read.
            owner: the process that carries them out (`Presence`).

        Raises:
            Stale: one of the functions has changed; nothing was claimed.
        """
        due = list(due)
        with self._database.write() as write:
            self._refuse_stale(generation, {one.schedule.function for one in due})
            self.settle()
            tried = [self._claim(write.connection, one, now, owner) for one in due]
            claimed = [one for one in tried if one is not None]
            for function in {one.due.schedule.function for one in claimed}:
                self._prune(write.connection, function, now)
        return claimed

    def end(self, run: str, ended: Ended) -> None:
        """Write down what became of a run that is still running."""
        with self._database.write() as write:
            write.connection.execute(
                "UPDATE cron_runs SET state = ?, status = ?, code = ?, ended = ?, duration = ?"
                " WHERE id = ? AND state = 'running'",
                (ended.state, ended.status, ended.code, ended.ended, ended.duration, run),
            )

    def settle(self) -> None:
        """Write down as unknown what was running in processes that are gone."""
        owners = self._database.rows("SELECT DISTINCT owner FROM cron_runs WHERE state = 'running'")
        for (owner,) in owners:
            if is_gone(self._directory, owner):
                with self._database.write() as write:
                    write.connection.execute(
                        "UPDATE cron_runs SET state = 'unknown'"
                        " WHERE state = 'running' AND owner = ?",
                        (owner,),
                    )

    def runs(self, function: str, state: State | None, limit: int) -> list[Run]:
        """A function's runs, newest first."""
        where = "function = ?" + (" AND state = ?" if state else "")
        values = [function, *([state] if state else []), limit]
        rows = self._database.rows(f"{_SELECT} WHERE {where} ORDER BY number DESC LIMIT ?", values)
        return [_run(row) for row in rows]

    def run(self, function: str, id_: str) -> Run | None:
        """One run, or None."""
        rows = self._database.rows(f"{_SELECT} WHERE function = ? AND id = ?", (function, id_))
        return _run(rows[0]) if rows else None

    def forget(self, function: str) -> None:
        """Forget a function that is being deleted: its schedules and their runs."""
        with self._database.write() as write:
            for table in ("cron_runs", "cron_schedules"):
                write.connection.execute(f"DELETE FROM {table} WHERE function = ?", (function,))  # noqa: S608

    def _known(self) -> set[tuple[str, str]]:
        rows = self._database.rows("SELECT function, schedule FROM cron_schedules")
        return {(function, schedule) for function, schedule in rows}

    def _refuse_stale(self, generation: int, functions: Container[str] | None) -> None:
        """Raise Stale if one of these functions (None: any) has changed since a generation."""
        keys = self._database.changes_since(generation).keys
        if keys is None or any(
            kind == "function" and (functions is None or key in functions) for kind, key in keys
        ):
            raise Stale

    def _claim(
        self, connection: sqlite3.Connection, due: Due, now: float, owner: str
    ) -> Claimed | None:
        schedule = due.schedule
        which = (schedule.function, schedule.key)
        if due.tick is not None and not _is_free(connection, which, due.tick):
            return None
        busy = schedule.cron.overlap == "skip" and connection.execute(_RUNNING, which).fetchone()
        id_ = f"run_{self._random(12).hex()}"
        cron = schedule.cron
        of = (id_, *which, cron.name or "", schedule.tool, cron.expression, due.tick)
        state, ended = ("skipped", now) if busy else ("running", None)
        connection.execute(_INSERT, (*of, due.tick is None, state, now, ended, owner))
        return Claimed(id_, due, bool(busy))

    def _prune(self, connection: sqlite3.Connection, function: str, now: float) -> None:
        """Keep so many runs, and of the others that their ticks were claimed."""
        values = {"function": function, "now": now, "kept": self._kept}
        gone = connection.execute(
            f"SELECT max(tick), function, schedule FROM cron_runs WHERE {_PAST_KEEPING}"  # noqa: S608
            " GROUP BY schedule",
            values,
        ).fetchall()
        if gone:
            connection.executemany(_REMEMBER, [row for row in gone if row[0] is not None])
            connection.execute(f"DELETE FROM cron_runs WHERE {_PAST_KEEPING}", values)  # noqa: S608


def _is_free(connection: sqlite3.Connection, which: tuple[str, str], tick: int) -> bool:
    """Whether a tick is the schedule's and nobody's yet."""
    known = connection.execute(_KNOWN, which).fetchone()
    if known is None or tick <= known[0] or tick <= known[1]:
        return False
    return connection.execute(_TAKEN, (*which, tick)).fetchone() is None


def _run(row: tuple[Any, ...]) -> Run:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Run(**values | {"manual": bool(values["manual"])})
