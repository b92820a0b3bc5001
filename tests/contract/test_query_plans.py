"""What is asked of the store on a request's way, or by a command, is found through an index.

The statements are those that the adapters really run, caught on their way to SQLite.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge.project_file.parse import project_for_url
from edge.registry.sqlite import SqliteRegistry
from edge.registry.store import RegistryError
from edge.state.ended_sessions import StoredEndedSessions
from tokens.database import Database
from tokens.secret import digest
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

SMALL = {"CONSTANT", "state", "sqlite_master", "_sqlite_migrations"}
"""What may be read whole: it has few rows, however large the store."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store with two functions and their tokens."""
    with closing(Database.open(tmp_path, create=True)) as opened:
        registry, service = SqliteRegistry(opened, os.urandom), tokens(opened)
        for slug in ("shop", "other"):
            project = project_for_url("http://127.0.0.1:9000", slug)
            registry.deploy(project, b"{}", (), "deploy", 1)
            service.create(slug, "default")
        yield opened


def tokens(database: Database) -> TokenService:
    """The rules about tokens, on a store."""
    return TokenService(SqliteTokens(database), database.clock, os.urandom)


def registry(database: Database) -> SqliteRegistry:
    """Functions and deployments, in a store."""
    return SqliteRegistry(database, os.urandom)


def statements(database: Database, work: Callable[[], object]) -> list[str]:
    """What a piece of work has SQLite do."""
    seen: list[str] = []
    connection = database.read()
    connection.set_trace_callback(seen.append)
    with suppress(RegistryError):
        work()
    connection.set_trace_callback(None)
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return [text for text in seen if text.lstrip().startswith(verbs)]


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The steps that SQLite takes for a statement."""
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def read_whole(database: Database, work: Callable[[], object]) -> list[str]:
    """The steps of a piece of work that read a table from end to end."""
    steps = [step for text in statements(database, work) for step in plan(database.read(), text)]
    assert steps
    return [step for step in steps if step.startswith("SCAN ") and step.split()[1] not in SMALL]


WORK: dict[str, Callable[[Database], object]] = {
    "check a token": lambda store: tokens(store).find(digest("x")),
    "learn what changed": lambda store: store.changes_since(1),
    "load one function": lambda store: registry(store).function("shop"),
    "load one document": lambda store: registry(store).document("dep_abc12345"),
    "find a host": lambda store: registry(store).by_host("api.shop.example"),
    "create a token": lambda store: tokens(store).create("shop", "ci"),
    "revoke a token": lambda store: tokens(store).revoke("shop", "default"),
    "rotate a token": lambda store: tokens(store).rotate("shop", "default"),
    "list a function's tokens": lambda store: tokens(store).list("shop"),
    "list a page of them": lambda store: tokens(store).list("shop", after="tok_x", limit=9),
    "note last use": lambda store: tokens(store).touch({"tok_x": 1.0}),
    "deploy": lambda store: registry(store).deploy(
        project_for_url("http://127.0.0.1:9001", "shop"), b"{}", (), "deploy", 2
    ),
    "roll back": lambda store: registry(store).rollback("shop", None, 3),
    "delete a function": lambda store: registry(store).delete("shop"),
    "publish": lambda store: store.publish(),
}


@pytest.mark.parametrize("name", WORK)
def test_no_table_is_read_from_end_to_end(name: str, database: Database) -> None:
    assert read_whole(database, lambda: WORK[name](database)) == []


@pytest.mark.parametrize("function", [None, "shop"])
def test_a_page_of_a_list_comes_in_order_without_sorting_the_rest(
    function: str | None, database: Database
) -> None:
    service = tokens(database)
    [first] = service.list("shop")
    found = statements(database, lambda: service.list(function, after=first.id, limit=9))
    steps = [step for text in found for step in plan(database.read(), text)]
    assert any("INDEX" in step for step in steps)
    assert [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step] == []


def test_a_session_is_ended_and_heard_of_through_an_index(database: Database) -> None:
    ended = StoredEndedSessions(database, lambda: 2.0)
    assert read_whole(database, lambda: ended.end("n1", 3.0)) == []
    assert read_whole(database, lambda: ended.heard("n1")) == []
