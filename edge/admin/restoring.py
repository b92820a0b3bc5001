"""Puts a backup in place of a store that nobody uses, and undoes nothing that was revoked since.

All is made ready beside what is there; then code is added and keys that open the store are joined
to those that are there; then the store is replaced, in one rename. Until that, and after a crash at
any time, the former store answers with all that it had. It is kept aside.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edge.admin.backing_up import OPENERS, OTHERS
from edge.admin.backup_format import Manifest
from edge.admin.deploying import Place
from edge.admin.errors import AdminError
from edge.admin.opening import assembled
from edge.admin.times import Time, rfc3339
from edge.admin.unpacking import unpack
from edge.audit.store import HEAD, AuditTrail
from edge.code.limits import Limits
from edge.code.store import DIRECTORY, CodeStore
from edge.config import Config
from edge.keys import join
from edge.state.ended_sessions import StoredEndedSessions
from tokens.copies import (
    Known,
    Stand,
    beside,
    carry_revocations,
    fold,
    forgotten,
    has_table,
    mirrored,
    outlive,
    revived,
    stand_of,
    usable_former,
)
from tokens.database import FILE, MIRROR, Database, Write
from tokens.generation import Use, sync_directory

PATIENCE = 3.0
"""Seconds to wait for commands that use the store."""

_STAGE = ".restore-"
_LOGS = ("-wal", "-shm")
_RUNS = (
    "id, function, schedule, name, tool, expression, tick, manual, state, status, code, started,"
    " ended, duration, owner"
)
_CARRIED = (
    ("ended_sessions", "INSERT OR IGNORE INTO ended_sessions SELECT * FROM former.ended_sessions"),
    ("audit", "DELETE FROM audit"),
    ("audit", "INSERT INTO audit SELECT * FROM former.audit ORDER BY number"),
    (
        "cron_runs",
        f"INSERT OR IGNORE INTO cron_runs ({_RUNS})"  # noqa: S608
        f" SELECT {_RUNS} FROM former.cron_runs ORDER BY number",
    ),
    (
        "cron_schedules",
        "UPDATE cron_schedules SET through = max(cron_schedules.through, f.through)"
        " FROM former.cron_schedules AS f WHERE f.function = cron_schedules.function"
        " AND f.schedule = cron_schedules.schedule",
    ),
)
"""What must not come to life or happen again, and what has: by table, as the former store says."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Attributes:
        created: the moment that the backup shows.
        version: of the program that made it.
        functions: how many are in the store now.
        revoked: tokens that were revoked or rotated out since, and stay so.
        revived: tokens that are good again, or may be: no store said what became of them since.
        gone: good tokens that were made since, which nobody knows any more.
        kept: where the former store lies now; None if there was none.
    """

    file: str
    created: Time
    version: str
    functions: int
    revoked: int
    revived: tuple[Known, ...]
    gone: tuple[Known, ...]
    kept: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before anything is changed.

    Attributes:
        created, revived: as in `Restored`.
        replaces: whether there is a store in the place.
    """

    created: Time
    revived: tuple[Known, ...]
    replaces: bool


Ask = Callable[[Question], None]
"""Raises to leave all as it is."""


def restore(config: Config, file: Path, version: str, ask: Ask) -> Restored:
    """Put a backup in place of the store of a data directory, or make one of it.

    Raises:
        AdminError: the backup is bad, or somebody uses the store; nothing has changed.
        StoreError: a newer version made the backup.
        OSError: a file cannot be read or written.
    """
    directory = config.data_dir.absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    with _alone(directory), _stage(directory) as stage:
        manifest = unpack(file, stage)
        former = usable_former(directory / FILE)
        done = _ready(replace(config, data_dir=stage), directory, former, ask, manifest, version)
        _hand_over(stage, directory)
        _add_code(stage, directory, config)
        _add_keys(stage, directory)
        kept = _swap(stage / FILE, directory / FILE, done.created, whole=former is not None)
        os.replace(stage / HEAD, directory / HEAD)
    with closing(Database.open(directory)):
        return replace(done, file=str(file), kept=kept)


def _ready(
    staged: Config,
    directory: Path,
    former: Stand | None,
    ask: Ask,
    manifest: Manifest,
    version: str,
) -> Restored:
    """Make the unpacked store what it is to be; ask before anything is changed."""
    stand_of(staged.data_dir / FILE)
    path = directory / FILE if former is not None else None
    with closing(Database.open(staged.data_dir)) as database:
        operations = assembled(database, Place(staged, staged.bind, running=False), version)
        StoredEndedSessions(database, database.clock)
        for stand in (mirrored(directory), former or mirrored(directory)):
            outlive(database, stand)
        head = directory / HEAD
        if head.exists():
            shutil.copyfile(head, staged.data_dir / HEAD)
        with beside(database, path) as known, database.write() as write:
            write.everything_changed()
            revoked = carry_revocations(write) if known else 0
            if known:
                _carry(write)
            now = database.clock()
            found = revived(write, now, beside_former=known)
            gone = forgotten(write, now) if known else ()
            AuditTrail(database).note(
                "store.restored",
                backup=rfc3339(manifest.created),
                revoked=revoked,
                revived=[token.id for token in found],
            )
        ask(Question(manifest.created, found, (directory / FILE).exists()))
        functions = operations.info().functions
    fold(staged.data_dir / FILE)
    return Restored("", manifest.created, manifest.version, functions, revoked, found, gone, None)


def _carry(write: Write) -> None:
    for table, statement in _CARRIED:
        if has_table(write, table):
            write.connection.execute(statement)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with closing(Use(directory / MIRROR)) as use:
        if not use.alone(PATIENCE):
            raise AdminError(
                "INPUT_ERROR",
                f"An edge, or another command, uses the store in {directory}; stop it first,"
                " restore, and start it again",
            )
        yield


@contextmanager
def _stage(directory: Path) -> Iterator[Path]:
    """A directory in which all is made ready; what a killed restore left goes too."""
    for left in directory.glob(f"{_STAGE}*"):
        shutil.rmtree(left, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=directory))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _hand_over(stage: Path, directory: Path) -> None:
    """Give what root has unpacked to whom the data directory belongs."""
    if os.geteuid() != 0:
        return
    owner = directory.stat()
    for above, directories, files in os.walk(stage):
        for name in (*directories, *files):
            path = Path(above) / name
            found = path.lstat()
            group = owner.st_gid if found.st_gid == os.getegid() else found.st_gid
            os.chown(path, owner.st_uid, group, follow_symlinks=False)


def _add_code(stage: Path, directory: Path, config: Config) -> None:
    """Put code beside the code that is there; what is there already is the same."""
    if not (stage / DIRECTORY).is_dir():
        return
    store = CodeStore(directory, Limits(config.code_files, config.code_size))
    with store.held():
        for made in CodeStore(stage, store.limits).everything():
            place = store.code(made.directory.name)
            if not place.is_whole:
                shutil.rmtree(place.directory, ignore_errors=True)
                made.directory.rename(place.directory)
    os.sync()  # all of it is on the disk before the store names it


def _add_keys(stage: Path, directory: Path) -> None:
    """Join the keys that open either store; what clients hold goes by what is here already."""
    for name in OPENERS:
        if (stage / name).exists():
            join(directory / name, stage / name)
    for name in OTHERS:
        if (stage / name).exists() and not (directory / name).exists():
            (stage / name).rename(directory / name)


def _swap(ready: Path, place: Path, now: float, *, whole: bool) -> str | None:
    """Replace the store in one rename, the former one kept aside; where it is kept."""
    kept = None
    if place.exists():
        if whole:
            fold(place)
        kept = _free(place, now)
        os.link(place, kept)
        for log in _LOGS:  # a log of another store would be taken for the new one's
            left = place.with_name(place.name + log)
            if left.exists():
                left.rename(kept.with_name(kept.name + log))
    os.replace(ready, place)
    sync_directory(place.parent)
    return None if kept is None else str(kept)


def _free(place: Path, now: float) -> Path:
    """A name beside the store that says when it was replaced and is not taken."""
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    path, number = place.with_name(f"{place.name}.replaced-{moment}"), 1
    while path.exists():
        number += 1
        path = place.with_name(f"{place.name}.replaced-{moment}-{number}")
    return path
