"""The audit trail against those who would have it tell something else: attacks on rows and head."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.audit.actor import acting
from edge.audit.chain import linked
from edge.audit.record import Actor
from edge.audit.store import HEAD, AuditTrail
from tokens.database import FILE, Database

ACTOR = Actor("access_token", "laptop", "pat_1", "192.0.2.7")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(tmp_path, create=True)) as opened:
        yield opened


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    """Ten records."""
    made = AuditTrail(database)
    for number in range(1, 11):
        with acting(ACTOR):
            made.note("token.created", function="shop", subject=f"tok_{number}", name=f"n{number}")
    return made


def alter(tmp_path: Path, *statements: str) -> None:
    """Change the file as its owner can, past the program."""
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_stays")
        for statement in statements:
            connection.execute(statement)


def remake(tmp_path: Path, first: int) -> None:
    """Alter a row and make the chain good again from there on, as one who knows the rule can."""
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_stays")
        rows = connection.execute("SELECT number, record, hash FROM audit ORDER BY 1").fetchall()
        before = rows[first - 2][2]
        for number, text, _ in rows[first - 1 :]:
            made = text.replace("laptop", "nobody") if number == first else text
            before = linked(before, made.encode())
            query = "UPDATE audit SET record = ?, hash = ? WHERE number = ?"
            connection.execute(query, (made, before, number))


def test_an_untouched_trail_is_whole(trail: AuditTrail) -> None:
    verdict = trail.verify()
    assert (verdict.broken, verdict.rows, verdict.first, verdict.last.number) == (None, 10, 1, 10)
    assert verdict.head == verdict.last


def test_a_record_says_who_what_when_and_from_where(trail: AuditTrail) -> None:
    [(record, _)] = trail.records(None, 0.0, 1)
    assert record.actor == ACTOR
    assert (record.event, record.function, record.subject) == ("token.created", "shop", "tok_10")
    assert record.at > 1_700_000_000


ATTACKS: dict[str, tuple[Callable[[Path], None], int]] = {
    "altered": (
        lambda p: alter(
            p, "UPDATE audit SET record = replace(record, 'laptop', 'nobody') WHERE number = 4"
        ),
        4,
    ),
    "removed": (lambda p: alter(p, "DELETE FROM audit WHERE number = 4"), 4),
    "removed at the start": (lambda p: alter(p, "DELETE FROM audit WHERE number < 4"), 1),
    "removed and renumbered": (
        lambda p: alter(
            p,
            "DELETE FROM audit WHERE number = 4",
            "UPDATE audit SET number = number - 1 WHERE number > 4",
        ),
        4,
    ),
    "swapped": (
        lambda p: alter(
            p,
            "UPDATE audit SET number = -1 WHERE number = 4",
            "UPDATE audit SET number = 4 WHERE number = 5",
            "UPDATE audit SET number = 5 WHERE number = -1",
        ),
        4,
    ),
    "cut off at the end": (lambda p: alter(p, "DELETE FROM audit WHERE number > 7"), 8),
    "emptied": (lambda p: alter(p, "DELETE FROM audit"), 1),
    "no record any more": (
        lambda p: alter(p, "UPDATE audit SET record = '[]' WHERE number = 6"),
        6,
    ),
    "made anew from a row on": (lambda p: remake(p, 5), 10),
    "put in at the end, hash made up": (
        lambda p: alter(p, "INSERT INTO audit VALUES (11, '{}', x'00')"),
        11,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_verify_names_the_first_row_that_is_not_what_was_written(
    name: str, trail: AuditTrail, tmp_path: Path
) -> None:
    attack, first = ATTACKS[name]
    attack(tmp_path)
    assert trail.verify().broken == first


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_a_break_stays_to_be_seen_when_the_trail_goes_on(
    name: str, trail: AuditTrail, tmp_path: Path
) -> None:
    attack, _ = ATTACKS[name]
    attack(tmp_path)
    for _ in range(3):
        trail.note("token.revoked", function="shop", subject="tok_1")
    assert trail.verify().broken is not None


def test_a_forged_record_at_the_end_is_told_apart_by_the_next_one(
    trail: AuditTrail, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        query = "SELECT record, hash FROM audit WHERE number = 10"
        text, before = connection.execute(query).fetchone()
        text = text.replace('"number":10', '"number":11').replace("laptop", "forged")
        row = (11, text, linked(before, text.encode()))
        connection.execute("INSERT INTO audit VALUES (?, ?, ?)", row)
    verdict = trail.verify()
    assert verdict.head is not None
    assert verdict.last.number - verdict.head.number == 1
    trail.note("token.revoked")
    [(_, _), (behind, _)] = trail.records(None, 0.0, 2)
    assert (behind.event, behind.detail) == ("audit.head_behind", {"from": 11, "to": 11})


def test_a_head_that_is_gone_is_recorded(trail: AuditTrail, tmp_path: Path) -> None:
    (tmp_path / HEAD).unlink()
    assert trail.verify().head is None
    trail.note("token.revoked")
    events = [record.event for record, _ in trail.records(None, 0.0, 2)]
    assert events == ["token.revoked", "audit.head_lost"]
    assert trail.verify().broken is None


def test_rows_are_not_changed_in_passing(trail: AuditTrail, database: Database) -> None:
    with pytest.raises(Exception, match="append-only"), database.write() as write:
        write.connection.execute("UPDATE audit SET record = '' WHERE number = 1")


def test_what_is_undone_leaves_no_record(trail: AuditTrail, database: Database) -> None:
    def undone() -> None:
        with database.write():
            trail.note("token.revoked")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    verdict = trail.verify()
    assert (verdict.last.number, verdict.broken) == (10, None)
    trail.note("token.revoked")
    assert trail.verify().last.number == 11


def test_pruning_takes_the_oldest_and_the_rest_stays_verifiable(
    trail: AuditTrail, tmp_path: Path
) -> None:
    assert trail.prune(5) == 5
    verdict = trail.verify()
    assert (verdict.broken, verdict.first, verdict.last.number) == (None, 6, 11)
    for _ in range(20):
        trail.note("token.revoked")
    assert trail.prune(5) == 21
    assert trail.verify().broken is None
    assert trail.records(None, 0.0, 1)[0][0].event == "audit.pruned"
    alter(tmp_path, "DELETE FROM audit WHERE number < 29")
    assert trail.verify().broken == 27


def test_a_broken_trail_is_not_pruned(trail: AuditTrail, tmp_path: Path) -> None:
    alter(tmp_path, "DELETE FROM audit WHERE number = 2")
    assert trail.prune(3) == 0


def test_what_goes_on_is_recorded_once_in_a_while(trail: AuditTrail) -> None:
    told = [trail.note_once("tok_1", "token.refused", subject="tok_1") for _ in range(5)]
    assert told == [True, False, False, False, False]
    assert trail.note_once("tok_1", "token.refused", every=0.0, subject="tok_1")


def test_records_are_found_by_function_time_and_page(trail: AuditTrail) -> None:
    trail.note("token.created", function="other")
    assert [r.number for r, _ in trail.records("other", 0.0, 10)] == [11]
    assert [r.number for r, _ in trail.records("shop", 0.0, 3, before=9)] == [8, 7, 6]
    assert trail.records(None, 1e12, 10) == []


def test_no_token_gets_into_a_record(trail: AuditTrail) -> None:
    token = "jfn_rt_" + "0" * 32 + "2Freyo"
    trail.note("secret.set", function=token, name=f"a {token}", names=[token], **{token: 1})
    [(record, _)] = trail.records(None, 0.0, 1)
    assert token not in repr(record)
    assert trail.verify().broken is None


def test_what_is_no_unicode_or_too_long_is_recorded_all_the_same(trail: AuditTrail) -> None:
    trail.note("secret.set", name="\ud800x", names=["y" * 10_000] * 1000)
    [(record, _)] = trail.records(None, 0.0, 1)
    assert (record.name, len(record.detail["names"])) == ("?x", 200)
    assert trail.verify().broken is None


def test_two_writers_make_one_chain(tmp_path: Path, trail: AuditTrail) -> None:
    with closing(Database.open(tmp_path)) as second:
        other = AuditTrail(second)
        for _ in range(10):
            other.note("token.revoked")
            trail.note("token.revoked")
        assert other.verify().last.number == 30
        assert other.verify().broken is None
