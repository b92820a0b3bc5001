"""Ended sessions: known in every worker, and forgotten once their age is out."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.state.ended_sessions import KIND, StoredEndedSessions
from tokens.database import Database


@dataclass
class Clock:
    """Unix seconds that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(tmp_path, create=True)) as opened:
        yield opened


def test_another_worker_knows_it_once_it_has_heard(database: Database) -> None:
    clock = Clock()
    here, there = (StoredEndedSessions(database, clock) for _ in range(2))
    before = database.generation()
    here.end("n1", 2000.0)
    assert here.ended("n1")
    keys = database.changes_since(before).keys
    assert keys == ((KIND, "n1"),)
    there.heard("n1")
    assert there.ended("n1")
    assert not there.ended("n2")
    there.heard("n2")  # of one that is over and gone from the store
    assert not there.ended("n2")
    assert StoredEndedSessions(database, clock).ended("n1")


def test_one_whose_age_is_out_is_forgotten_in_memory_and_in_the_store(database: Database) -> None:
    clock = Clock()
    ended = StoredEndedSessions(database, clock)
    for number in range(5):
        ended.end(f"n{number}", 2000.0 + number)
    clock.now = 2002.0
    ended.forget_old()
    assert [ended.ended(f"n{number}") for number in range(5)] == [False] * 3 + [True] * 2
    ended.end("later", 9000.0)
    kept = {row[0] for row in database.rows("SELECT nonce FROM ended_sessions")}
    assert kept == {"n3", "n4", "later"}
    clock.now = 9000.0
    ended.forget_old()
    assert not any(ended.ended(nonce) for nonce in ("n3", "n4", "later"))


def test_all_are_known_again_after_changes_that_are_not_known_one_by_one(
    database: Database,
) -> None:
    clock = Clock()
    here, there = (StoredEndedSessions(database, clock) for _ in range(2))
    for number in range(20):
        here.end(f"n{number}", 3000.0 - number)
    there.reload()
    assert all(there.ended(f"n{number}") for number in range(20))
    clock.now = 2990.0
    there.forget_old()
    assert [there.ended(f"n{number}") for number in range(20)] == [True] * 10 + [False] * 10
