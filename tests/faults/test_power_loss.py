"""Power loss at any moment: what was acknowledged is there, what was not is there whole or not."""

import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from edge.audit.store import AuditTrail
from tests.support.power import Acknowledged, Record, Sync, Write, library, recorded
from tokens.database import FILE, Database
from tokens.model import Principal
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

SQLITE = library()
pytestmark = pytest.mark.skipif(
    SQLITE is None, reason="Python's SQLite is not a library of its own here"
)
SEED = 20260729


def history(directory: Path, count: int) -> Record:
    """Create, rotate and revoke tokens, folding the log now and then; all of it recorded."""
    with closing(Database.open(directory, create=True)) as database:
        AuditTrail(database)
    with recorded(SQLITE, directory) as record, closing(Database.open(directory)) as database:
        service, trail = (
            TokenService(SqliteTokens(database), database.clock, os.urandom),
            AuditTrail(database),
        )
        for number in range(count):
            with database.write():
                made = service.create("shop", f"t{number}")
                trail.note("token.created", subject=made.token.id)
            record.acknowledge(("good", made.secret))
            if number % 3 == 1:
                service.revoke("shop", made.token.id)
                record.acknowledge(("revoked", made.secret))
            if number % 3 == 2:
                fresh = service.rotate("shop", made.token.id)
                record.acknowledge(("expired", made.secret))
                record.acknowledge(("good", fresh.secret))
            if number % 10 == 9:
                database.rows("PRAGMA wal_checkpoint(RESTART)")
    return record


def check(record: Record, moment: int, directory: Path, dice: random.Random) -> None:
    """The store opens after a power loss, and keeps what was promised by then."""
    directory.mkdir()
    for name, content in record.after_power_loss(moment, dice).items():
        if name.startswith(FILE) and not name.endswith("-shm"):
            (directory / name).write_bytes(content)
    promised: dict[str, str] = {}
    for event in record.events[:moment]:
        if isinstance(event, Acknowledged):
            state, secret = event.what
            promised[secret] = state
    later = {
        event.what[1]: event.what[0]
        for event in reversed(record.events[moment:])
        if isinstance(event, Acknowledged)
    }
    with closing(Database.open(directory)) as database:
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
        service = TokenService(SqliteTokens(database), database.clock, os.urandom)
        for secret, state in promised.items():
            verdict = service.verify(secret, "shop")
            found = "good" if isinstance(verdict, Principal) else verdict.reason
            assert found == state or (state == "good" and found == later.get(secret)), moment
        query = (
            "SELECT (SELECT count(*) FROM tokens WHERE id = lineage), (SELECT count(*) FROM audit)"
        )
        [(tokens, records)] = database.rows(query)
        assert tokens == records, "a token without its record, or a record without its token"


@pytest.mark.parametrize("losses", [150, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_nothing_that_was_acknowledged_is_lost_with_the_power(tmp_path: Path, losses: int) -> None:
    record = history(tmp_path / "data", 40)
    kinds = Counter(type(event) for event in record.events)
    assert kinds[Write] > 100
    assert kinds[Sync] > 40
    dice = random.Random(SEED)
    for number in range(losses):
        moment = dice.randrange(len(record.events) + 1)
        check(record, moment, tmp_path / f"after-{number}", dice)


def test_a_commit_that_does_not_wait_for_the_disk_would_be_found_out(tmp_path: Path) -> None:
    """The same look at a store that acknowledges before it has synced does find losses."""
    directory = tmp_path / "data"
    directory.mkdir()
    setup = sqlite3.connect(directory / FILE)
    setup.execute("PRAGMA journal_mode = WAL")
    setup.execute("CREATE TABLE promises (number)")
    setup.close()
    with recorded(SQLITE, directory) as record:
        connection = sqlite3.connect(directory / FILE, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        for number in range(20):
            connection.execute("INSERT INTO promises VALUES (?)", (number,))
            record.acknowledge(number)
        events = len(record.events)
        connection.close()
    dice, lost = random.Random(SEED), 0
    for attempt in range(20):
        place = tmp_path / f"after-{attempt}"
        place.mkdir()
        for name, content in record.after_power_loss(events, dice).items():
            if not name.endswith("-shm"):
                (place / name).write_bytes(content)
        with closing(sqlite3.connect(place / FILE)) as after:
            (count,) = after.execute("SELECT count(*) FROM promises").fetchone()
            lost += count < 20
    assert lost
