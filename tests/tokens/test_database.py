"""The shared file: created, opened, refused, migrated, and its clock."""

import gc
import os
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tests.support.store_process import StoreProcess
from tokens import secret
from tokens.database import FILE, Database
from tokens.errors import (
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreMissing,
    StoreNotWritable,
    StoreTooNew,
)
from tokens.generation import Mirror
from tokens.memory import MemoryTokens
from tokens.migrations import Migration, Schema
from tokens.model import Principal
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(tmp_path / "store", create=True)) as opened:
        yield opened


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Created


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_its_owner_may_read_a_store(tmp_path: Path, umask: int) -> None:
    directory = tmp_path / "deep" / "store"
    before = os.umask(umask)
    try:
        with closing(Database.open(directory, create=True)) as database:
            TokenService(SqliteTokens(database), database.clock, os.urandom).create("shop", "x")
            assert mode(directory) == 0o700
            assert {mode(path) for path in directory.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_a_file_that_others_could_read_is_closed_to_them(database: Database) -> None:
    database.path.chmod(0o644)
    with closing(Database.open(database.path.parent)):
        assert mode(database.path) == 0o600


def test_a_store_is_durable_and_its_readers_never_wait(database: Database) -> None:
    assert database.rows("PRAGMA journal_mode") == [("wal",)]
    assert database.rows("PRAGMA synchronous") == [(2,)]


def test_a_directory_may_be_named_with_any_characters(tmp_path: Path) -> None:
    directory = tmp_path / "a b%20#?&é'"
    with closing(Database.open(directory, create=True)):
        assert (directory / FILE).stat().st_size > 0
    with closing(Database.open(directory)) as database:
        assert database.generation() == 0


def test_root_gives_the_files_to_whom_the_directory_belongs(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    directory = tmp_path / "store"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    with closing(Database.open(directory, create=True)) as database:
        database.publish()
        assert {path.stat().st_uid for path in directory.iterdir()} == {65534}


# Refused


def test_a_missing_store_says_how_to_get_one_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match=r"jelou serve.*jelou deploy.*--data-dir"):
        Database.open(tmp_path / "nothing")
    with pytest.raises(StoreMissing):
        Database.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"this is not a database\n" * 500, b"SQLite format 3\0" * 99])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StoreCorrupt, match="backup"):
        Database.open(tmp_path, create=True)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_damaged_database_is_refused_when_the_damage_is_met(database: Database) -> None:
    service = TokenService(SqliteTokens(database), database.clock, os.urandom)
    for number in range(20):
        service.create("shop", f"t{number}")
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    size = database.path.stat().st_size
    with database.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreCorrupt, match="damaged"):
        Database.open(database.path.parent)


def test_a_store_that_another_program_keeps_to_itself_is_locked(tmp_path: Path) -> None:
    with closing(Database.open(tmp_path, create=True)):
        pass
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as selfish:
        selfish.execute("PRAGMA locking_mode = EXCLUSIVE")
        selfish.execute("BEGIN EXCLUSIVE")
        selfish.execute("UPDATE state SET clock = clock")
        with pytest.raises(StoreLocked, match="fuser"):
            Database.open(tmp_path, patience=0.05)


def test_a_transaction_of_a_foreign_program_makes_writers_wait_and_then_give_up(
    database: Database,
) -> None:
    impatient = Database.open(database.path.parent, patience=0.05)
    with (
        closing(sqlite3.connect(database.path, isolation_level=None)) as foreign,
        closing(impatient),
    ):
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked), impatient.write():
            pass
        assert impatient.generation() == 0
        foreign.execute("ROLLBACK")
        with impatient.write() as write:
            write.changed("function", "shop")
        assert impatient.generation() == 1


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(StoreNotWritable, match="--data-dir"):
            Database.open(place, create=True)


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user who owns nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as somebody else")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("permissions", [0o700, 0o755])
def test_somebody_elses_store_is_refused(permissions: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        directory = Path(place) / "store"
        Database.open(directory, create=True).close()
        directory.chmod(permissions)
        with nobody(), pytest.raises(StoreNotWritable, match=r"(?i)permission denied"):
            Database.open(directory)


def test_a_directory_that_one_may_not_write_to_is_refused() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        for directory in (Path(place), Path(place) / "store"):
            with nobody(), pytest.raises(StoreNotWritable, match=r"(?i)permission denied"):
                Database.open(directory, create=True)


def test_a_store_that_is_removed_under_a_running_program_is_not_made_anew(
    database: Database,
) -> None:
    database.path.unlink()
    errors: list[BaseException] = []

    def look() -> None:
        try:
            database.generation()
        except StoreError as error:
            errors.append(error)

    thread = Thread(target=look)
    thread.start()
    thread.join(10)
    assert isinstance(errors[0], StoreNotWritable)
    assert not database.path.exists()


# Migrated


def create_things(schema: Schema) -> None:
    schema.create_table("things", {"id": int}, pk="id")


def add_color(schema: Schema) -> None:
    schema.table("things").add_column("color", str)


def fail_halfway(schema: Schema) -> None:
    schema.create_table("halves", {"id": int})
    raise LookupError


def test_another_set_of_steps_lives_in_the_same_file(database: Database) -> None:
    database.migrate("edge", [create_things])
    database.migrate("edge", [create_things, add_color])
    database.migrate("edge", [create_things, add_color])
    assert database.rows("SELECT id, color FROM things") == []


def test_a_step_that_fails_leaves_nothing_behind(database: Database) -> None:
    steps: list[Migration] = [create_things, fail_halfway]
    with pytest.raises(LookupError):
        database.migrate("edge", steps)
    tables = {name for (name,) in database.rows("SELECT name FROM sqlite_master")}
    assert tables.isdisjoint({"things", "halves"})
    database.migrate("edge", [create_things])


def test_a_schema_of_a_later_version_is_refused_with_the_way_out(database: Database) -> None:
    database.migrate("edge", [create_things, add_color])
    with pytest.raises(StoreTooNew, match=r"newer version.*'add_color'.*Upgrade"):
        database.migrate("edge", [create_things])
    with database.write() as write:
        write.connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('tokens', 'invented_later', '')"
        )
    with pytest.raises(StoreTooNew, match="'invented_later'"):
        Database.open(database.path.parent)


def test_a_scope_of_a_later_version_opens_nothing(database: Database) -> None:
    service = TokenService(SqliteTokens(database), database.clock, os.urandom)
    minted = service.create("shop", "default", scopes=["http"])
    with database.write() as write:
        write.connection.execute("UPDATE tokens SET scopes = 'quantum:*'")
    with pytest.raises(StoreTooNew, match="quantum"):
        service.verify(minted.secret, "shop")


def test_an_up_to_date_store_is_opened_without_the_migration_library(database: Database) -> None:
    with StoreProcess(database.path.parent) as process:
        process.open()
        assert process.ask("imported", "tokens.migrations") == "True"
        assert process.ask("imported", "sqlite_utils") == "False"


# The clock


class WallClock:
    """A wall clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def at(directory: Path, wall: WallClock) -> Iterator[Database]:
    with closing(Database.open(directory, create=True, wall_clock=wall)) as database:
        yield database


def test_the_clock_goes_forward_with_the_wall_and_never_back(tmp_path: Path) -> None:
    wall = WallClock(1000)
    with at(tmp_path, wall) as database:
        times = []
        for wall.now in (1000, 1001.5, 500, 1001, 2000):
            times.append(database.clock())
    assert times == [1000, 1001.5, 1001.5, 1001.5, 2000]


def test_the_clock_is_not_set_back_by_a_restart(tmp_path: Path) -> None:
    wall = WallClock(1000)
    with at(tmp_path, wall) as database:
        service = TokenService(SqliteTokens(database), database.clock, os.urandom)
        minted = service.create("shop", "default", expires=1100)
        wall.now = 1200
        assert not isinstance(service.verify(minted.secret, "shop"), Principal)
    wall.now = 1050
    with at(tmp_path, wall) as database:
        assert database.clock() == 1200
        service = TokenService(SqliteTokens(database), database.clock, os.urandom)
        assert not isinstance(service.verify(minted.secret, "shop"), Principal)


def test_processes_on_one_store_share_the_latest_time(tmp_path: Path) -> None:
    ahead, behind = WallClock(2000), WallClock(1000)
    with at(tmp_path, behind) as one, at(tmp_path, ahead) as other:
        assert one.clock() == 1000
        assert other.clock() == 2000
        assert one.clock() == 2000


def test_the_clock_outlives_the_loss_of_the_mapped_file_by_every_write(tmp_path: Path) -> None:
    wall = WallClock(1000)
    with at(tmp_path, wall) as database, database.write():
        wall.now = 1500
    (tmp_path / "generation").unlink()
    with at(tmp_path, WallClock(10)) as database:
        assert database.clock() == 1500


def test_the_clock_of_an_idle_store_is_saved_every_minute(tmp_path: Path) -> None:
    wall = WallClock(1000)
    with at(tmp_path, wall) as database:
        for wall.now in (1000, 1030, 1060):
            database.clock()
            database.publish()
    (tmp_path / "generation").unlink()
    with at(tmp_path, WallClock(10)) as database:
        assert database.clock() == 1060


# The mirror, threads, the hot path


def test_the_mirror_never_falls(tmp_path: Path) -> None:
    with closing(Mirror(tmp_path / "m")) as one, closing(Mirror(tmp_path / "m")) as other:
        one.raise_to(7)
        other.raise_to(3)
        assert (one.read(), other.read()) == (7, 7)


@pytest.mark.parametrize("content", [b"", b"\0\0\0"])
def test_a_mapped_file_that_was_cut_short_is_made_whole(database: Database, content: bytes) -> None:
    with database.write() as write:
        write.changed("function", "shop")
    directory = database.path.parent
    database.close()
    (directory / "generation").write_bytes(content)
    with closing(Database.open(directory)) as again:
        assert again.mirror.read() == again.generation() == 1


def test_threads_that_come_and_go_leave_no_files_open(database: Database) -> None:
    def open_files() -> int:
        return sum(
            os.path.realpath(f"/proc/self/fd/{number}") == str(database.path)
            for number in os.listdir("/proc/self/fd")
        )

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    for _ in range(30):
        thread = Thread(target=database.generation)
        thread.start()
        thread.join(10)
    gc.collect()
    assert open_files() <= 3


def test_a_block_within_a_block_is_part_of_it(database: Database) -> None:
    with database.write() as outer:
        with database.write() as inner:
            inner.changed("function", "shop")
        assert inner is outer
        assert database.generation() == 0
    assert database.generation() == 1


def test_what_an_observer_of_commits_raises_does_not_stop_publication(tmp_path: Path) -> None:
    def fail(generation: int) -> None:
        raise LookupError(generation)

    def change(database: Database) -> None:
        with database.write() as write:
            write.changed("function", "shop")

    with closing(Database.open(tmp_path, create=True, on_commit=fail)) as database:
        with pytest.raises(LookupError):
            change(database)
        assert database.mirror.read() == database.generation() == 1


def create_mirror(path: Path, together: Barrier) -> Mirror:
    together.wait(10)
    return Mirror(path)


def test_threads_that_create_the_mirror_at_once_share_one(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(20):
            path, together = tmp_path / f"m{number}", Barrier(6)

            with ThreadPoolExecutor(6) as pool:
                tasks = [pool.submit(create_mirror, path, together) for _ in range(6)]
            mirrors = [task.result() for task in tasks]
            mirrors[0].raise_to(7)
            assert [mirror.read() for mirror in mirrors] == [7] * 6
            for mirror in mirrors:
                mirror.close()
    finally:
        sys.setswitchinterval(before)


_AUDITED: list[str] | None = None


def _audit(event: str, _arguments: tuple[object, ...]) -> None:
    if _AUDITED is not None:
        _AUDITED.append(event)


def test_a_warm_verify_in_memory_does_no_io(database: Database) -> None:
    global _AUDITED  # noqa: PLW0603
    service = TokenService(MemoryTokens(), database.clock, os.urandom)
    good, bad = service.create("shop", "default").secret, secret.mint(os.urandom)
    sys.addaudithook(_audit)
    _AUDITED = []
    for _ in range(100):
        service.verify(good, "shop")
        service.verify(bad, "shop")
    seen, _AUDITED = _AUDITED, None
    assert seen == []
