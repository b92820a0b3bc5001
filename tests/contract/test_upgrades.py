"""A store of any schema that there ever was is brought up to date, and keeps its rows."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.audit import store as audit
from edge.compose import open_store
from edge.config import Config
from edge.cron import signing_secrets
from edge.cron import store as cron
from edge.registry import migrations as registry
from edge.secrets import store as secrets
from edge.state import ended_sessions
from tokens import migrations as tokens
from tokens.database import FILE, Database
from tokens.migrations import Migration

SETS: dict[str, Sequence[Migration]] = {
    "tokens": tokens.STEPS,
    registry.SET: registry.STEPS,
    cron.SET: cron.STEPS,
    signing_secrets.SET: signing_secrets.STEPS,
    audit.SET: audit.STEPS,
    secrets.SET: secrets.STEPS,
    ended_sessions.SET: ended_sessions.STEPS,
}
AGES = [(name, taken) for name, steps in SETS.items() for taken in range(len(steps))]
"""Schemas of the past: one set has gone through so many of its steps, the others through all."""


def opened(directory: Path) -> Database:
    """The store, as an edge opens it, with every part that has tables there."""
    store = open_store(Config(directory))
    database = store.database
    audit.AuditTrail(database)
    cron.CronStore(database, os.urandom, 1000)
    secrets.SqliteSecrets(database)
    signing_secrets.SigningSecrets(database, os.urandom)
    store.rates.close()
    return database


def schema(directory: Path) -> set[tuple[str, str]]:
    """Each table's columns, and whatever else is in the schema, by name."""
    found = set()
    with closing(sqlite3.connect(directory / FILE)) as connection:
        for kind, name, text in connection.execute("SELECT type, name, sql FROM sqlite_master"):
            if kind == "table":
                for row in connection.execute(f"PRAGMA table_info({name})"):
                    found.add((name, repr(row[1:])))
            else:
                found.add((name, text or ""))
    return found


def of_age(directory: Path, name: str, taken: int) -> dict[str, int]:
    """Make a store of the past with a row in every table; the tables' sizes."""
    with closing(sqlite3.connect(directory / FILE)) as connection:
        for each, steps in SETS.items():
            tokens.apply(connection, each, steps[:taken] if each == name else steps)
        tables = [row[0] for row in connection.execute(_TABLES)]
        for table in tables:
            columns = list(connection.execute(f"PRAGMA table_info({table})"))
            if not connection.execute(f"SELECT 1 FROM {table}").fetchone():
                row = [_value(kind, column) for _, column, kind, *_ in columns]
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        connection.commit()
        return _sizes(connection, tables)


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite_%'"


def _value(kind: str, column: str) -> Any:
    if column == "expires":
        return 4e9  # what is over may be dropped
    return {"INTEGER": 1, "FLOAT": 1.0, "REAL": 1.0, "BLOB": b"{}"}.get(kind, "[]")


def _sizes(connection: sqlite3.Connection, tables: Sequence[str]) -> dict[str, int]:
    count = "SELECT count(*) FROM "
    return {name: connection.execute(count + name).fetchone()[0] for name in tables}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """What the schema of a new store is."""
    directory = tmp_path_factory.mktemp("fresh")
    opened(directory).close()
    return schema(directory)


@pytest.mark.parametrize(("name", "taken"), AGES)
def test_a_store_of_the_past_becomes_one_of_today(
    tmp_path: Path, fresh: set[tuple[str, str]], name: str, taken: int
) -> None:
    before = of_age(tmp_path, name, taken)
    opened(tmp_path).close()
    assert schema(tmp_path) == fresh
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        after = _sizes(connection, list(before))
    assert {table: rows for table, rows in after.items() if rows < before[table]} == {}
