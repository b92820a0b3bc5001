"""Secrets at rest: sealed under a key outside the database, each bound to its place."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.keys import KeysError, load
from edge.secrets.names import BadSecret, UnknownSecret
from edge.secrets.store import KEYS, SecretsUnreadable, SqliteSecrets
from tokens.database import FILE, Database

VALUE = "hunter2-correct-horse"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "data", create=True)
    yield opened
    opened.close()


@pytest.fixture
def secrets(database: Database) -> SqliteSecrets:
    return SqliteSecrets(database, os.urandom)


def test_what_was_set_is_read_by_the_function_alone(secrets: SqliteSecrets) -> None:
    secrets.set("shop", {"A": VALUE, "B": "ü\n€" * 1000, "EMPTY": ""}, 5.0)
    assert secrets.of("shop") == {"A": VALUE, "B": "ü\n€" * 1000, "EMPTY": ""}
    assert secrets.of("other") == {}
    assert [(found.name, found.updated) for found in secrets.names("shop")] == [
        ("A", 5.0),
        ("B", 5.0),
        ("EMPTY", 5.0),
    ]


def test_the_largest_value_survives(secrets: SqliteSecrets) -> None:
    largest = "x" * 65536
    secrets.set("shop", {"A": largest}, 1.0)
    assert secrets.of("shop")["A"] == largest


def test_setting_replaces_and_deleting_forgets(secrets: SqliteSecrets) -> None:
    secrets.set("shop", {"A": "1", "B": "2"}, 1.0)
    secrets.set("shop", {"A": "3"}, 2.0)
    assert secrets.of("shop") == {"A": "3", "B": "2"}
    secrets.delete("shop", ["A"])
    assert secrets.of("shop") == {"B": "2"}
    with pytest.raises(UnknownSecret):
        secrets.delete("shop", ["B", "A"])
    assert secrets.of("shop") == {"B": "2"}
    secrets.delete_all("shop")
    assert secrets.of("shop") == {}


def test_nothing_is_set_if_one_is_bad(secrets: SqliteSecrets) -> None:
    with pytest.raises(BadSecret):
        secrets.set("shop", {"GOOD": "1", "bad": "2"}, 1.0)
    assert secrets.names("shop") == ()
    secrets.set("shop", {f"K{n}": "x" for n in range(100)}, 1.0)
    with pytest.raises(BadSecret):
        secrets.set("shop", {"ONE_MORE": "x"}, 1.0)
    secrets.set("shop", {"K1": "y"}, 1.0)


def test_neither_database_nor_repr_holds_a_value(secrets: SqliteSecrets, tmp_path: Path) -> None:
    secrets.set("shop", {"A": VALUE}, 1.0)
    stored = b"".join(
        file.read_bytes() for file in (tmp_path / "data").iterdir() if file.name.startswith(FILE)
    )
    assert VALUE.encode() not in stored
    assert b"shop" in stored
    assert VALUE not in repr(secrets.of("shop"))
    assert VALUE not in f"{secrets.of('shop')} {secrets!r}"


def test_the_key_is_a_file_of_its_owner(secrets: SqliteSecrets, tmp_path: Path) -> None:
    path = tmp_path / "data" / KEYS
    assert not path.exists()
    secrets.set("shop", {"A": VALUE}, 1.0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert VALUE.encode() not in path.read_bytes()


def test_rows_swapped_behind_its_back_are_unreadable(
    secrets: SqliteSecrets, database: Database
) -> None:
    secrets.set("shop", {"A": VALUE, "B": "other"}, 1.0)
    with database.write() as write:
        write.connection.execute("UPDATE secrets SET function = 'thief' WHERE name = 'A'")
        write.connection.execute("UPDATE secrets SET name = 'C' WHERE name = 'B'")
    for slug in ("thief", "shop"):
        with pytest.raises(SecretsUnreadable, match="cannot be unsealed") as lost:
            secrets.of(slug)
        assert VALUE not in str(lost.value)


def test_a_lost_key_is_told_and_can_be_got_over(secrets: SqliteSecrets, tmp_path: Path) -> None:
    secrets.set("shop", {"A": VALUE, "B": VALUE}, 1.0)
    (tmp_path / "data" / KEYS).unlink()
    with pytest.raises(KeysError, match="missing"):
        secrets.of("shop")
    secrets.set("shop", {"A": "new"}, 2.0)
    with pytest.raises(SecretsUnreadable, match="B of shop"):
        secrets.of("shop")
    secrets.set("shop", {"B": "new"}, 3.0)
    assert secrets.of("shop") == {"A": "new", "B": "new"}


def test_a_new_key_seals_everything_anew(
    secrets: SqliteSecrets, database: Database, tmp_path: Path
) -> None:
    secrets.set("shop", {"A": VALUE}, 1.0)
    secrets.set("other", {"B": "2"}, 1.0)
    before = load(secrets.keys_file)[0].key.kid
    assert secrets.rotate_key(1e9) == 2
    assert secrets.of("shop") == {"A": VALUE}
    sealed = database.rows("SELECT sealed FROM secrets")
    assert all(f".{before}." not in text for (text,) in sealed)


def test_every_change_reaches_the_workers(secrets: SqliteSecrets, database: Database) -> None:
    before = database.generation()
    secrets.set("shop", {"A": "1"}, 1.0)
    assert database.changes_since(before).keys == (("function", "shop"),)
    before = database.generation()
    secrets.delete("shop", ["A"])
    assert database.changes_since(before).keys == (("function", "shop"),)
