"""Backups: all comes back, nothing that was revoked does, and no bad file does any harm."""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from edge.admin.backing_up import back_up
from edge.admin.errors import AdminError
from edge.admin.local import LocalOperations
from edge.admin.opening import open_store
from edge.admin.operations import DeployRequest
from edge.admin.restoring import Question, Restored, restore
from edge.config import Config
from edge.secrets.store import SqliteSecrets
from edge.state.ended_sessions import StoredEndedSessions
from tokens.database import FILE, Database
from tokens.errors import StoreError, StoreLocked, StoreTooNew

UPSTREAM = "http://127.0.0.1:9"


class Store:
    """The store of a data directory, opened for each thing that is done to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = Config(data_dir=directory)

    def do(self, work: Callable[[LocalOperations], Any]) -> Any:
        """Do something as the command line does where no edge runs."""
        with closing(open_store(self.config, "1", "create")) as operations:
            return work(operations)

    def deploy(self, slug: str = "shop") -> str:
        """Deploy a function; its token."""
        project = json.dumps({"function": slug, "upstream": UPSTREAM, "openapi": False})
        return str(self.do(lambda each: each.deploy(DeployRequest(project=project))).token)

    def create(self, name: str, function: str = "shop") -> str:
        """A new token."""
        return str(self.do(lambda each: each.create_token(function, name)).token)

    def verdict(self, secret: str) -> str:
        """What a token is: `good`, or why it is not."""
        found = self.do(lambda each: each.check_token(secret))
        return "good" if found.valid else str(found.reason)

    def back_up(self, to: Path) -> Path:
        """A backup of it."""
        back_up(self.directory, to, "1")
        return to

    def restore(self, file: Path, ask: Callable[[Question], None] = lambda _: None) -> Restored:
        """Put a backup in its place."""
        return restore(self.config, file, "1", ask)

    def files(self) -> dict[str, bytes]:
        """All that is there and counts."""
        return {
            str(path.relative_to(self.directory)): path.read_bytes()
            for path in self.directory.rglob("*")
            if path.is_file() and path.name not in ("generation", f"{FILE}-shm")
        }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def code(store: Store, content: bytes = b"x = 1\n") -> Path:
    """Code as a deploy leaves it, with what npm and pip make: links and files of one content."""
    directory = store.directory / "code" / hashlib.sha256(content).hexdigest()
    for name in ("files/bin", "packages/one", "packages/two"):
        (directory / name).mkdir(parents=True)
    (directory / "files" / "index.py").write_bytes(content)
    (directory / "files" / "run").write_text("#!/bin/sh\n")
    (directory / "files" / "run").chmod(0o750)
    (directory / "files" / "bin" / "run").symlink_to("../run")
    (directory / "packages" / "one" / "__init__.py").touch()
    (directory / "packages" / "two" / "__init__.py").touch()
    (directory / "whole").touch()
    return directory


# All comes back


def test_a_restored_edge_has_all_that_the_backup_shows(store: Store, tmp_path: Path) -> None:
    token = store.deploy()
    store.do(lambda each: each.set_secrets("shop", {"KEY": "value"}))
    made = code(store)
    file = store.back_up(tmp_path / "backup.tar")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    elsewhere = Store(tmp_path / "elsewhere")
    done = elsewhere.restore(file)
    assert done.functions == 1
    assert done.kept is None
    assert elsewhere.verdict(token) == "good"
    with closing(Database.open(elsewhere.directory)) as database:
        assert SqliteSecrets(database).of("shop") == {"KEY": "value"}
    back = elsewhere.directory / "code" / made.name
    assert (back / "files" / "index.py").read_bytes() == b"x = 1\n"
    assert stat.S_IMODE((back / "files" / "run").stat().st_mode) == 0o750
    assert os.readlink(back / "files" / "bin" / "run") == "../run"
    assert (back / "packages" / "two" / "__init__.py").read_bytes() == b""
    assert (back / "whole").exists()
    assert stat.S_IMODE(elsewhere.directory.stat().st_mode) & 0o700 == 0o700
    assert stat.S_IMODE((elsewhere.directory / FILE).stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_directory(store: Store, tmp_path: Path) -> None:
    store.deploy()
    file = store.back_up(tmp_path / "backup.tar")
    before = set(store.files())
    done = store.restore(file)
    assert done.kept is not None
    assert set(store.files()) - before == {Path(done.kept).name}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "data"]


def test_a_backup_shows_one_moment_though_others_write(store: Store, tmp_path: Path) -> None:
    store.deploy()
    over = threading.Event()

    def write() -> None:
        with closing(Database.open(store.directory)) as database:
            number = 0
            while not over.is_set():
                number += 1
                with database.write() as written:
                    for key in ("a", "b"):
                        written.connection.execute(
                            "INSERT INTO ended_sessions VALUES (?, ?)", (f"{key}{number}", number)
                        )

    with closing(Database.open(store.directory)) as database:
        StoredEndedSessions(database, database.clock)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        files = [store.back_up(tmp_path / f"{number}.tar") for number in range(5)]
    finally:
        over.set()
        writer.join()
    counts = []
    for number, file in enumerate(files):
        back = Store(tmp_path / f"back{number}")
        back.restore(file)
        with closing(sqlite3.connect(back.directory / FILE)) as connection:
            query = "SELECT count(*), sum(nonce LIKE 'a%') FROM ended_sessions"
            count, of_a = connection.execute(query).fetchone()
        assert count == 2 * (of_a or 0)
        counts.append(count)
    assert counts == sorted(counts)


def test_a_backup_has_the_keys_of_its_secrets_though_they_are_rotated(
    store: Store, tmp_path: Path
) -> None:
    store.deploy()
    store.do(lambda each: each.set_secrets("shop", {"KEY": "value"}))

    def rotate() -> None:
        with closing(Database.open(store.directory)) as database:
            for _ in range(30):
                SqliteSecrets(database).rotate_key(database.clock())

    rotator, files = threading.Thread(target=rotate), []
    rotator.start()
    while rotator.is_alive():
        file = tmp_path / f"{len(files)}.tar"
        with suppress(AdminError):  # rotated all the time: it says so, and to try again
            files.append(store.back_up(file))
    files.append(store.back_up(tmp_path / "last.tar"))
    for number, file in enumerate(files):
        back = Store(tmp_path / f"back{number}")
        back.restore(file)
        with closing(Database.open(back.directory)) as database:
            assert SqliteSecrets(database).of("shop") == {"KEY": "value"}


def test_a_backup_replaces_a_file_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    file.write_bytes(b"the one before")
    with pytest.raises(StoreError):
        store.back_up(file)
    assert file.read_bytes() == b"the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["backup.tar"]


# What was revoked stays so


def test_what_was_ended_since_the_backup_stays_ended(store: Store, tmp_path: Path) -> None:
    kept = store.deploy()
    names = ("revoked", "rotated", "overlapping")
    secrets = {name: store.create(name) for name in names}
    gone = store.deploy("gone")
    store.do(lambda each: each.create_access("laptop"))
    file = store.back_up(tmp_path / "backup.tar")
    store.do(lambda each: each.revoke_token("shop", "revoked"))
    store.do(lambda each: each.rotate_token("shop", "rotated"))
    store.do(lambda each: each.rotate_token("shop", "overlapping", 1e6))
    store.do(lambda each: each.delete_function("gone"))
    store.do(lambda each: each.revoke_access("laptop"))
    with closing(Database.open(store.directory)) as database:
        StoredEndedSessions(database, database.clock).end("nonce", 9e9)
    done = store.restore(file)
    assert store.verdict(kept) == "good"
    assert store.verdict(secrets["revoked"]) == "revoked"
    assert store.verdict(secrets["rotated"]) == "expired"
    assert store.verdict(secrets["overlapping"]) == "good"
    assert store.verdict(gone) == "revoked"
    assert store.do(lambda each: each.access_tokens()) == ()
    assert (done.revoked, done.revived) == (5, ())
    assert {token.name for token in done.gone} == {"rotated", "overlapping"}
    with closing(Database.open(store.directory)) as database:
        assert StoredEndedSessions(database, database.clock).ended("nonce")
    with closing(Database.open(store.directory)) as database:
        (expires,) = database.rows(
            "SELECT expires FROM tokens WHERE name = 'overlapping' AND replaced_by IS NOT NULL"
        )
        assert expires[0] is not None


@pytest.mark.parametrize("is_damaged", [False, True])
def test_tokens_of_which_no_store_knows_are_asked_about(
    store: Store, tmp_path: Path, is_damaged: bool
) -> None:
    secret = store.deploy()
    file = store.back_up(tmp_path / "backup.tar")
    if is_damaged:
        (store.directory / FILE).write_bytes(b"no database" * 1000)
    else:
        store = Store(tmp_path / "new")
    before = store.files() if is_damaged else None
    asked: list[Question] = []

    def refuse(question: Question) -> None:
        asked.append(question)
        raise AdminError("INPUT_ERROR", "no")

    with pytest.raises(AdminError, match="no"):
        store.restore(file, refuse)
    assert [token.name for token in asked[0].revived] == ["default"]
    assert asked[0].revived[0].prefix == f"{secret[:11]}.."
    assert asked[0].replaces is is_damaged
    if before is not None:
        assert store.files() == before
    done = store.restore(file)
    assert [token.name for token in done.revived] == ["default"]
    assert store.verdict(secret) == "good"
    if is_damaged:
        assert done.kept is not None
        assert Path(done.kept).read_bytes().startswith(b"no database")


def test_generation_and_clock_lead_beyond_all_that_was_known(store: Store, tmp_path: Path) -> None:
    store.deploy()
    file = store.back_up(tmp_path / "backup.tar")
    later = 4_000_000_000.0
    with closing(Database.open(store.directory, wall_clock=lambda: later)) as database:
        for _ in range(5):
            with database.write() as write:
                write.changed("function", "shop")
        generation = database.generation()
        database.mirror.raise_to(generation + 7)
    store.restore(file)
    with closing(Database.open(store.directory)) as database:
        assert database.generation() > generation + 7
        assert database.mirror.read() == database.generation()
        assert database.changes_since(generation).keys is None
        assert database.clock() >= later


def test_runs_of_schedules_that_were_claimed_since_are_not_claimed_again(
    store: Store, tmp_path: Path
) -> None:
    store.deploy()
    insert = (
        "INSERT INTO cron_runs (id, function, schedule, name, tool, expression, tick, manual,"
        " state, started, owner) VALUES ('run_1', 'shop', 's', '', '', '* * * * *', 60, 0, 'ok',"
        " 60.0, 'p')"
    )
    file = store.back_up(tmp_path / "backup.tar")
    with closing(Database.open(store.directory)) as database, database.write() as write:
        write.connection.execute(insert)
    store.restore(file)
    with closing(Database.open(store.directory)) as database:
        assert database.rows("SELECT id, tick FROM cron_runs") == [("run_1", 60)]


def test_the_audit_trail_goes_on_unbroken(store: Store, tmp_path: Path) -> None:
    store.deploy()
    file = store.back_up(tmp_path / "backup.tar")
    store.create("late")
    store.restore(file)
    verdict = store.do(lambda each: each.verify_audit())
    assert verdict.broken is None
    with closing(Database.open(store.directory)) as database:
        events = [json.loads(row[0])["event"] for row in database.rows("SELECT record FROM audit")]
    assert events == ["deployment.created", "token.created", "token.created", "store.restored"]


# Who may not be disturbed


def test_a_store_in_use_is_not_replaced_and_one_being_replaced_not_opened(
    store: Store, tmp_path: Path
) -> None:
    store.deploy()
    file = store.back_up(tmp_path / "backup.tar")
    with closing(Database.open(store.directory)):
        before = store.files()
        with pytest.raises(AdminError, match="stop it first"):
            store.restore(file)
        assert store.files() == before

    def look(_: Question) -> None:
        with pytest.raises(StoreLocked, match="being restored"):
            Database.open(store.directory, patience=0.05)

    store.restore(file, look)


def test_a_backup_by_a_newer_version_is_refused_with_the_way_out(
    store: Store, tmp_path: Path
) -> None:
    store.deploy()
    newer = Store(tmp_path / "newer")
    shutil.copytree(store.directory, newer.directory)
    with closing(sqlite3.connect(newer.directory / FILE)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('tokens', 'tomorrow', '')"
        )
        connection.commit()
    file = newer.back_up(tmp_path / "backup.tar")
    before = store.files()
    with pytest.raises(StoreTooNew, match="newer version"):
        store.restore(file)
    assert store.files() == before


# Bad files


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as tar:
        found = []
        for member in tar:
            content = tar.extractfile(member)
            found.append((member, content.read() if content else b""))
        return found


def packed(file: Path, parts: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(file, "w") as tar:
        for member, content in parts:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def with_entries(file: Path, to: Path, *entries: dict[str, Any]) -> Path:
    """A backup with more entries in its manifest, its hashes right."""
    parts = []
    for member, content in members(file):
        if member.name == "manifest.json":
            manifest = json.loads(content)
            manifest["entries"] += entries
            altered = json.dumps(manifest).encode()
            sealed = f"{hashlib.sha256(altered).hexdigest()}  manifest.json\n".encode()
            parts.append((member, altered))
        elif member.name == "manifest.sha256":
            parts.append((member, sealed))
        else:
            parts.append((member, content))
    return packed(to, parts)


@pytest.fixture
def backup(store: Store, tmp_path: Path) -> Path:
    store.deploy()
    code(store)
    return store.back_up(tmp_path / "backup.tar")


def refused(store: Store, file: Path, match: str = "backup") -> None:
    before = store.files()
    with pytest.raises(AdminError, match=match):
        store.restore(file)
    assert store.files() == before
    assert not list(store.directory.glob(".restore-*"))


CODE = "code/" + "a" * 64
DIRECTORY = {"path": CODE, "mode": 0o750, "size": 0}
FILES = {"path": f"{CODE}/files", "mode": 0o750, "size": 0}
EMPTY = {"mode": 0o644, "size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
LINK = {"path": f"{CODE}/files/link", "mode": 0o777, "size": 0, "link": "/etc"}

ATTACKS: dict[str, list[dict[str, Any]]] = {
    "up": [EMPTY | {"path": "../evil"}],
    "absolute": [EMPTY | {"path": "/etc/evil"}],
    "up-below": [DIRECTORY, EMPTY | {"path": f"{CODE}/../../evil"}],
    "dot": [DIRECTORY, EMPTY | {"path": f"{CODE}/./x"}],
    "beside": [EMPTY | {"path": "authorized_keys"}],
    "a-socket": [EMPTY | {"path": "admin.sock"}],
    "the-lock": [EMPTY | {"path": "generation"}],
    "twice": [EMPTY | {"path": "edge.db"}],
    "through-a-link": [DIRECTORY, FILES, LINK, EMPTY | {"path": f"{CODE}/files/link/evil"}],
    "link-outside-of-code": [{**LINK, "path": "edge-id"}],
    "link-for-files": [DIRECTORY, {**LINK, "path": f"{CODE}/files"}],
    "no-directory": [EMPTY | {"path": f"{CODE}/x"}],
    "unknown-content": [EMPTY | {"path": "edge-id", "sha256": "b" * 64}],
    "bad-hash": [EMPTY | {"path": "edge-id", "sha256": "../../evil"}],
    "nul": [DIRECTORY, EMPTY | {"path": f"{CODE}/x\0y"}],
    "group": [DIRECTORY | {"group": -1}],
    "not-text": [EMPTY | {"path": 7}],
    "not-an-entry": [["edge.db"]],  # type: ignore[list-item]
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_manifest_that_would_write_elsewhere_is_refused(
    store: Store, backup: Path, tmp_path: Path, name: str
) -> None:
    refused(store, with_entries(backup, tmp_path / "bad.tar", *ATTACKS[name]))
    assert not (tmp_path / "evil").exists()


def test_modes_of_a_backup_give_nobody_more_than_a_file_of_his_own(
    store: Store, backup: Path, tmp_path: Path
) -> None:
    entry = {"path": f"{CODE}/x", "mode": 0o6777, "size": 0, "sha256": EMPTY["sha256"]}
    whole = {"path": f"{CODE}/whole", "mode": 0o600, "size": 0, "sha256": EMPTY["sha256"]}
    store.restore(with_entries(backup, tmp_path / "modes.tar", DIRECTORY, entry, whole))
    assert stat.S_IMODE((store.directory / CODE / "x").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_a_member_that_is_no_file_is_refused(
    store: Store, backup: Path, tmp_path: Path, kind: bytes
) -> None:
    member = tarfile.TarInfo("sha256/" + "c" * 64)
    member.type, member.linkname = kind, "/etc/passwd"
    refused(store, packed(tmp_path / "bad.tar", [(member, b""), *members(backup)]))


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "sha256/../../evil", "edge.db"])
def test_a_member_of_another_name_is_refused(
    store: Store, backup: Path, tmp_path: Path, name: str
) -> None:
    refused(store, packed(tmp_path / "bad.tar", [(tarfile.TarInfo(name), b"x"), *members(backup)]))


def test_a_backup_cut_short_anywhere_is_refused(store: Store, backup: Path, tmp_path: Path) -> None:
    whole, cut = backup.read_bytes(), tmp_path / "cut.tar"
    end = whole.rindex(b"manifest.json\n")
    for size in (0, 1, 511, 512, 700, len(whole) // 3, len(whole) // 2, end - 1, end):
        cut.write_bytes(whole[:size])
        refused(store, cut)


def test_a_backup_altered_anywhere_is_refused_or_the_same(
    store: Store, backup: Path, tmp_path: Path
) -> None:
    whole, bad = backup.read_bytes(), tmp_path / "bad.tar"
    (made,) = (store.directory / "code").glob("?" * 64)
    contents = [position for position, byte in enumerate(whole) if byte]
    for position in contents[:: len(contents) // 40]:
        bad.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        before = set(store.files())
        try:
            store.restore(bad)
        except AdminError:
            assert set(store.files()) == before
        else:  # a byte of the tar that means nothing, such as a time
            assert store.do(lambda each: each.functions())[0].slug == "shop"
            assert (store.directory / made / "files" / "index.py").read_bytes() == b"x = 1\n"


@pytest.mark.parametrize("content", [b"", b"\0" * 10240, b"no tar\n" * 1000])
def test_what_is_no_backup_is_refused(store: Store, tmp_path: Path, content: bytes) -> None:
    store.deploy()
    file = tmp_path / "file"
    file.write_bytes(content)
    refused(store, file)
