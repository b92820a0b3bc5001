"""The generation protocol between real processes: what a command has done is known at its return.

A worker is played by its two looks: at the mirror, on every request, and by `publish()`, ten times
a second.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.store_process import StoreProcess
from tokens import database as module
from tokens import secret
from tokens.database import KEPT_GENERATIONS, Changes, Database
from tokens.errors import StoreLocked
from tokens.generation import Mirror, WriterLock
from tokens.model import Refused
from tokens.service import Minted, TokenService
from tokens.sqlite import SqliteTokens


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path, create=True, patience=10)
    yield opened
    opened.close()


@pytest.fixture
def service(database: Database) -> TokenService:
    return TokenService(SqliteTokens(database), database.clock, os.urandom)


Start = Callable[..., StoreProcess]


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Iterator[Start]:
    started: list[StoreProcess] = []

    def begin(*, pause: bool = False) -> StoreProcess:
        process = StoreProcess(tmp_path, pause=pause)
        started.append(process)
        process.open()
        return process

    yield begin
    for process in started:
        with process:
            pass


def key(minted: Minted) -> tuple[str, str]:
    return "token", secret.digest(minted.secret).hex()


def verdict(service: TokenService, minted: Minted) -> str:
    found = service.verify(minted.secret, "shop")
    return found.reason if isinstance(found, Refused) else "good"


def test_a_change_by_another_process_is_in_the_mirror_before_its_command_returns(
    database: Database, service: TokenService, start: Start
) -> None:
    minted = service.create("shop", "default")
    seen = database.mirror.read()
    assert start().ask("revoke", "shop", "default") == minted.token.id
    assert database.mirror.read() > seen
    assert database.changes_since(seen) == Changes(database.mirror.read(), (key(minted),))
    assert verdict(service, minted) == "revoked"


def may_write(directory: Path) -> bool:
    """Whether no writer is between its beginning and its publication."""
    with closing(WriterLock(directory / "edge.lock")) as lock, lock.held(0) as held:
        return held


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_writers_paused_before_publication_publish_in_the_order_of_their_commits(
    database: Database, service: TokenService, start: Start, order: tuple[int, int], tmp_path: Path
) -> None:
    tokens = [service.create("shop", "a"), service.create("shop", "b")]
    writers = [start(pause=True), start(pause=True)]
    first, second = (writers[place] for place in order)
    early, late = (tokens[place] for place in order)
    seen = database.mirror.read()

    first.tell("revoke", "shop", early.token.id)
    assert first.hear() == f"committed {seen + 1}"
    second.tell("revoke", "shop", late.token.id)

    # The other one waits until this one has published, so that the mirror rises in their order.
    assert not may_write(tmp_path)
    # Neither look waits for the paused writer, and the poll knows what it has committed.
    assert database.mirror.read() == seen
    assert database.publish() == seen + 1
    assert database.changes_since(seen) == Changes(seen + 1, (key(early),))
    assert (verdict(service, early), verdict(service, late)) == ("revoked", "good")

    assert first.ask("go") == early.token.id
    assert database.mirror.read() == seen + 1
    assert second.hear() == f"committed {seen + 2}"
    assert database.mirror.read() == seen + 1
    assert second.ask("go") == late.token.id
    assert database.mirror.read() == seen + 2
    assert database.changes_since(seen) == Changes(seen + 2, (key(early), key(late)))


def foreign_revoke(database: Database) -> None:
    """What a writer does that knows the rows but nothing of lock and mirror."""
    with sqlite3.connect(database.path) as connection:
        connection.execute("UPDATE tokens SET revoked = 1 WHERE name = 'foreign'")
        connection.execute("UPDATE state SET generation = generation + 1")
        connection.execute(
            "INSERT INTO changes SELECT (SELECT generation FROM state), 'token', hex(digest)"
            " FROM tokens WHERE name = 'foreign'"
        )
    connection.close()


def test_a_foreign_writer_beside_a_paused_one_is_published_by_the_next_look(
    database: Database, service: TokenService, start: Start
) -> None:
    minted = [service.create("shop", "own"), service.create("shop", "foreign")]
    writer = start(pause=True)
    seen = database.mirror.read()
    writer.tell("revoke", "shop", "own")
    assert writer.hear() == f"committed {seen + 1}"
    foreign_revoke(database)
    assert database.publish() == seen + 2
    writer.ask("go")
    assert database.mirror.read() == seen + 1
    assert database.publish() == seen + 2
    assert database.mirror.read() == seen + 2
    assert [verdict(service, token) for token in minted] == ["revoked", "revoked"]


def test_a_writer_that_publishes_late_does_not_take_the_mirror_back(
    database: Database, service: TokenService, start: Start, tmp_path: Path
) -> None:
    service.create("shop", "own")
    writer = start(pause=True)
    seen = database.mirror.read()
    writer.tell("revoke", "shop", "own")
    assert writer.hear() == f"committed {seen + 1}"
    foreign_revoke(database)
    other = Mirror(tmp_path / "generation")
    other.raise_to(seen + 2)
    other.close()
    writer.ask("go")
    assert database.mirror.read() == seen + 2


def test_what_a_writer_killed_before_publication_left_is_published_by_the_next_look(
    database: Database, service: TokenService, start: Start
) -> None:
    minted = service.create("shop", "default")
    writer = start(pause=True)
    seen = database.mirror.read()
    writer.tell("revoke", "shop", "default")
    assert writer.hear() == f"committed {seen + 1}"
    writer.kill()
    assert database.mirror.read() == seen
    assert database.publish() == seen + 1
    assert database.mirror.read() == seen + 1
    assert database.changes_since(seen).keys == (key(minted),)
    assert verdict(service, minted) == "revoked"


def test_what_a_writer_killed_before_publication_left_is_published_by_the_next_writer(
    database: Database, service: TokenService, start: Start
) -> None:
    minted = service.create("shop", "default")
    writer = start(pause=True)
    seen = database.mirror.read()
    writer.tell("revoke", "shop", "default")
    assert writer.hear() == f"committed {seen + 1}"
    writer.kill()
    other = service.create("shop", "other")
    assert database.mirror.read() == seen + 2
    assert database.changes_since(seen).keys == (key(minted), key(other))


def test_what_a_killed_writer_left_is_published_by_the_next_start(
    database: Database, service: TokenService, start: Start
) -> None:
    service.create("shop", "default")
    writer = start(pause=True)
    seen = database.mirror.read()
    writer.tell("revoke", "shop", "default")
    writer.hear()
    writer.kill()
    start()
    assert database.mirror.read() == seen + 1


def test_a_killed_writer_leaves_no_half_made_token(
    database: Database, service: TokenService, start: Start
) -> None:
    seen = database.generation()
    writer = start()
    assert writer.ask("half", "shop", "ci") == "half made"
    writer.kill()
    assert service.list(None) == []
    assert database.publish() == seen
    assert service.create("shop", "ci").token.name == "ci"


def test_a_stopped_writer_makes_others_give_up_with_a_clear_error_and_readers_never(
    database: Database, service: TokenService, start: Start, tmp_path: Path
) -> None:
    minted = service.create("shop", "default")
    writer = start()
    assert writer.ask("hold") == "held"
    impatient = Database.open(tmp_path, patience=0.05)
    hurried = TokenService(SqliteTokens(impatient), impatient.clock, os.urandom)
    with pytest.raises(StoreLocked, match="locked by another process"):
        hurried.revoke("shop", "default")
    assert verdict(hurried, minted) == "good"
    assert writer.ask("go") == "released"
    hurried.revoke("shop", "default")
    assert verdict(service, minted) == "revoked"
    impatient.close()


def test_processes_that_create_a_store_at_once_share_one(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "store"
    processes = [StoreProcess(directory) for _ in range(4)]
    for process in processes:
        process.tell("go")
    assert [process.hear() for process in processes] == ["open"] * 4
    for number, process in enumerate(processes):
        process.ask("create", "shop", f"token-{number}")
    assert {process.ask("mirror") for process in processes} == {"4"}
    assert len(list(directory.glob("*generation*"))) == 1
    for process in processes:
        with process:
            pass


def test_of_many_processes_that_revoke_a_token_exactly_one_does(
    service: TokenService, start: Start
) -> None:
    minted = service.create("shop", "default")
    processes = [start() for _ in range(3)]
    for process in processes:
        process.tell("revoke", "shop", minted.token.id)
    answers = [process.hear() for process in processes]
    assert answers.count(minted.token.id) == 1
    assert sum("revoked already" in answer for answer in answers) == 2


def test_the_generation_is_raised_by_writers_in_many_threads_without_a_gap(
    database: Database, service: TokenService
) -> None:
    seen = database.generation()
    with ThreadPoolExecutor(8) as pool:
        minted = list(pool.map(lambda n: service.create("shop", f"t{n}"), range(40)))
    assert database.mirror.read() == database.generation() == seen + 40
    keys = database.changes_since(seen).keys
    assert keys is not None
    assert set(keys) == {key(token) for token in minted}


def test_last_use_raises_no_generation(database: Database, service: TokenService) -> None:
    minted = service.create("shop", "default")
    seen = database.generation()
    service.touch({minted.token.id: 5.0})
    assert (database.generation(), database.mirror.read()) == (seen, seen)
    assert service.list("shop")[0].last_used == 5.0


def test_a_transaction_is_one_generation_with_all_its_keys(
    database: Database, service: TokenService
) -> None:
    one, two = service.create("shop", "one"), service.create("shop", "two")
    seen = database.generation()
    with database.write() as write:
        service.revoke_all("shop")
        write.changed("function", "shop")
        write.changed("function", "shop")
    assert database.changes_since(seen) == Changes(
        seen + 1, (key(one), key(two), ("function", "shop"))
    )


def test_a_transaction_that_fails_changes_and_publishes_nothing(
    database: Database, service: TokenService
) -> None:
    minted = service.create("shop", "one")
    seen = database.generation()

    def fail() -> None:
        with database.write():
            service.revoke("shop", "one")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert (database.generation(), database.mirror.read()) == (seen, seen)
    assert verdict(service, minted) == "good"


def change(database: Database, key: str) -> int:
    with database.write() as write:
        write.changed("function", key)
    return database.generation()


def test_who_is_up_to_date_has_nothing_to_load(database: Database) -> None:
    now = change(database, "shop")
    assert database.changes_since(now) == Changes(now, ())


def test_who_is_too_far_behind_loads_all(database: Database) -> None:
    seen = database.generation()
    with sqlite3.connect(database.path) as connection:
        connection.execute("UPDATE state SET generation = ?", (KEPT_GENERATIONS + 10,))
    connection.close()
    now = change(database, "shop")
    assert database.changes_since(seen) == Changes(now, None)
    assert database.changes_since(now - 1).keys == (("function", "shop"),)


def test_old_changes_are_forgotten(database: Database) -> None:
    old = change(database, "old")
    with sqlite3.connect(database.path) as connection:
        connection.execute("UPDATE state SET generation = ?", (old + KEPT_GENERATIONS,))
    connection.close()
    change(database, "new")
    assert database.rows("SELECT key FROM changes") == [("new",)]


def test_more_changes_than_are_worth_applying_one_by_one_load_all(database: Database) -> None:
    seen = database.generation()
    with database.write() as write:
        for number in range(10_001):
            write.changed("function", f"f{number}")
    assert database.changes_since(seen).keys is None
    assert database.rows("SELECT count(*) FROM changes") == [(0,)]


def test_changes_that_are_too_many_to_be_applied_are_not_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CHANGES", 10)
    seen = [database.generation()]
    for number in range(20):
        with database.write() as write:
            for key in range(4):
                write.changed("function", f"f{number}-{key}")
        seen.append(database.generation())
    [(rows,)] = database.rows("SELECT count(*) FROM changes")
    assert rows <= 10
    assert database.changes_since(seen[0]).keys is None
    assert database.changes_since(seen[-3]).keys == tuple(
        ("function", f"f{number}-{key}") for number in (18, 19) for key in range(4)
    )


def test_who_knows_a_future_that_was_undone_loads_all(database: Database) -> None:
    assert database.changes_since(database.generation() + 5).keys is None


def test_an_older_copy_put_in_place_is_outlived_by_its_first_start(
    database: Database, service: TokenService, tmp_path: Path
) -> None:
    minted = service.create("shop", "default")
    copy = sqlite3.connect(tmp_path / "copy.db")
    with sqlite3.connect(database.path) as connection:
        connection.backup(copy)
    connection.close()
    service.revoke("shop", "default")
    service.create("shop", "later")
    seen = database.mirror.read()
    database.close()
    for file in (database.path, database.path.with_name("edge.db-wal")):
        file.unlink(missing_ok=True)
    copy.execute("PRAGMA journal_mode = DELETE")
    copy.close()
    (tmp_path / "copy.db").rename(database.path)

    restored = Database.open(tmp_path)
    assert restored.generation() == restored.mirror.read() == seen + 1
    assert restored.changes_since(seen).keys is None
    again = TokenService(SqliteTokens(restored), restored.clock, os.urandom)
    assert verdict(again, minted) == "good"
    restored.close()
