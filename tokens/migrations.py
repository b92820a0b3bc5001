"""How the database's schema came to be, step by step, and how steps are applied.

The one module that knows sqlite-utils. A step, once released, is never edited: append another.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import sqlite_utils

Schema: TypeAlias = "sqlite_utils.Database"
"""What a step is given: tables are made and changed through it."""

Migration: TypeAlias = Callable[[Schema], None]
"""One step; its function's name is the name under which it is recorded as applied."""


def create_state(schema: Schema) -> None:
    """The generation (with the first one whose changes are known) and the clock, in one row."""
    state = schema.create_table(
        "state",
        {"id": int, "generation": int, "known_from": int, "clock": int},
        pk="id",
        not_null={"generation", "known_from", "clock"},
    )
    state.insert({"id": 1, "generation": 0, "known_from": 0, "clock": 0})


def create_changes(schema: Schema) -> None:
    """What each generation changed."""
    changes = schema.create_table("changes", {"generation": int, "kind": str, "key": str})
    changes.create_index(["generation"])


def create_tokens(schema: Schema) -> None:
    """Runtime tokens; times are Unix seconds, scopes one to a line."""
    times = {"created": float, "expires": float, "revoked": float, "last_used": float}
    texts = {"id": str, "function": str, "name": str, "hint": str, "lineage": str, "scopes": str}
    tokens = schema.create_table(
        "tokens",
        {"digest": bytes, **texts, "rate": str, "replaced_by": str, **times},
        pk="digest",
        not_null={*texts, "created"},
    )
    tokens.create_index(["id"], unique=True)
    tokens.create_index(["function"])


def create_access_tokens(schema: Schema) -> None:
    """Access tokens; times are Unix seconds."""
    tokens = schema.create_table(
        "access_tokens",
        {
            "digest": bytes,
            "id": str,
            "name": str,
            "hint": str,
            "created": float,
            "last_used": float,
            "revoked": float,
        },
        pk="digest",
        not_null={"id", "name", "hint", "created"},
    )
    tokens.create_index(["id"], unique=True)


def index_tokens_in_order(schema: Schema) -> None:
    """Lists page by page, and a name of one function, however many tokens there are."""
    tokens = schema.table("tokens")
    tokens.create_index(["function", "created"])
    tokens.create_index(["function", "name"])
    tokens.create_index(["created"])
    schema.execute("DROP INDEX idx_tokens_function")


def limit_access_tokens(schema: Schema) -> None:
    """What an access token may do, words between spaces (none: everything), and until when."""
    schema.execute("ALTER TABLE access_tokens ADD COLUMN expires FLOAT")
    schema.execute("ALTER TABLE access_tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT ''")


STEPS: tuple[Migration, ...] = (
    create_state,
    create_changes,
    create_tokens,
    create_access_tokens,
    index_tokens_in_order,
    limit_access_tokens,
)


def applied(connection: sqlite3.Connection, set_name: str) -> set[str]:
    """Names of the steps of a set that a database has gone through."""
    tables = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
    if connection.execute(tables).fetchone() is None:
        return set()
    steps = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"
    return {name for (name,) in connection.execute(steps, (set_name,)).fetchall()}


def apply(connection: sqlite3.Connection, set_name: str, steps: Sequence[Migration]) -> None:
    """Apply what is pending, within the transaction that the connection is in."""
    # A database that is up to date, nearly always, is opened without the 0.15 s of this import.
    from sqlite_utils import Database, Migrations  # noqa: PLC0415

    migrations = Migrations(set_name)
    for step in steps:
        migrations(name=step.__name__)(step)
    migrations.apply(Database(connection, execute_plugins=False))
