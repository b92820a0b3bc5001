"""Copies of the shared file: made while it is written to, and what a copy must not undo.

A copy that takes the place of a store of today would make good again what was revoked meanwhile,
so that is carried forward from the store that it replaces (the *former* one). Not here: files
beside the store, and putting a copy in place (`edge.admin.restoring`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tokens.database import FILE, MIRROR, PATIENCE, Database, Write
from tokens.errors import StoreError
from tokens.faults import being_replaced, damaged, explained, missing
from tokens.generation import Mirror, Use
from tokens.secret import ACCESS, RUNTIME

_REVOKE = """
    UPDATE tokens SET
        revoked = coalesce(tokens.revoked, f.revoked),
        replaced_by = coalesce(tokens.replaced_by, f.replaced_by),
        expires = min(coalesce(tokens.expires, f.expires), coalesce(f.expires, tokens.expires))
    FROM former.tokens AS f
    WHERE f.digest = tokens.digest AND (
        (tokens.revoked IS NULL AND f.revoked IS NOT NULL)
        OR (tokens.replaced_by IS NULL AND f.replaced_by IS NOT NULL)
        OR coalesce(tokens.expires > f.expires, f.expires IS NOT NULL AND tokens.expires IS NULL)
    )"""
_REVOKE_ACCESS = """
    UPDATE access_tokens SET revoked = f.revoked FROM former.access_tokens AS f
    WHERE f.digest = access_tokens.digest
        AND access_tokens.revoked IS NULL AND f.revoked IS NOT NULL"""
_GOOD = "SELECT id, function, name, hint FROM {}tokens WHERE revoked IS NULL"
_STILL = " AND coalesce(expires, :now) >= :now"
_GOOD_ACCESS = "SELECT id, NULL, name, hint FROM {}access_tokens WHERE revoked IS NULL"


@dataclass(frozen=True, slots=True)
class Known:
    """A token that one store calls good and the other does not know.

    Attributes:
        function: None for an access token.
        prefix: how its secret begins, to recognise it by.
    """

    id: str
    function: str | None
    name: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a store has come.

    Attributes:
        clock: the latest time that it has acted upon, Unix seconds.
    """

    generation: int
    clock: float


def snapshot(directory: Path, to: Path) -> Stand:
    """Copy a store as it is at one moment, whoever writes meanwhile; nobody waits for it.

    Raises:
        StoreError: there is none, it is damaged, or the copy cannot be written.
    """
    path = directory / FILE
    if not path.exists():
        raise missing(directory)
    with closing(Use(directory / MIRROR)) as use:
        if not use.share(PATIENCE):
            raise being_replaced(path)
        with explained(path), closing(_connected(path)) as source, _made(to) as target:
            source.backup(target)
        return stand_of(to)


def stand_of(path: Path) -> Stand:
    """How far a store has come, once all of it was looked at; StoreError if it is damaged."""
    with explained(path), closing(_connected(path)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise damaged(path, found)
        row = connection.execute("SELECT generation, clock FROM state").fetchone()
        if row is None:
            raise damaged(path, "it is not whole")
    return Stand(int(row[0]), row[1] / 1e6)


def fold(path: Path) -> None:
    """Have everything in the file itself, nothing in its log; nobody else may have it open."""
    with explained(path), closing(_connected(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def outlive(database: Database, stand: Stand) -> None:
    """Have the next write of a copy lead beyond a former store, in generation and clock."""
    database.mirror.raise_to(stand.generation)
    database.mirror.raise_clock(int(stand.clock * 1e6))


def mirrored(directory: Path) -> Stand:
    """What the processes of a data directory have acted upon last, as far as it is known there."""
    with closing(Mirror(directory / MIRROR)) as mirror:
        return Stand(mirror.read(), mirror.clock() / 1e6)


@contextmanager
def beside(database: Database, former: Path | None) -> Iterator[bool]:
    """Let this thread's statements on a copy name the tables of a former store, as `former.…`.

    Yields whether there is one that can be read and knows tokens.
    """
    if former is None:
        yield False
        return
    connection = database.read()
    connection.execute("ATTACH ? AS former", (_address(former),))
    try:
        yield True
    finally:
        connection.execute("DETACH former")


def carry_revocations(write: Write) -> int:
    """Revoke in a copy what the former store has revoked or rotated out since; says how many."""
    tokens = write.connection.execute(_REVOKE).rowcount
    return int(tokens + write.connection.execute(_REVOKE_ACCESS).rowcount)


def revived(write: Write, now: float, *, beside_former: bool) -> tuple[Known, ...]:
    """What a copy calls good and no former store has confirmed, in the order in which it was made.

    Args:
        now: Unix time, seconds.
    """
    known = " AND NOT EXISTS (SELECT 1 FROM former.{0} AS f WHERE f.digest = {0}.digest)"
    tokens, access = (known.format(name) for name in ("tokens", "access_tokens"))
    queries = (_GOOD.format("") + _STILL, _GOOD_ACCESS.format("") + _STILL)
    if beside_former:
        queries = (queries[0] + tokens, queries[1] + access)
    return _known(write, queries, now)


def forgotten(write: Write, now: float) -> tuple[Known, ...]:
    """What the former store calls good and a copy does not know: it was made since."""
    unknown = " AND digest NOT IN (SELECT digest FROM main.{})"
    queries = (
        _GOOD.format("former.") + _STILL + unknown.format("tokens"),
        _GOOD_ACCESS.format("former.") + unknown.format("access_tokens"),
    )
    return _known(write, queries, now)


def has_table(write: Write, name: str) -> bool:
    """Whether the former store has such a table."""
    query = "SELECT 1 FROM former.sqlite_master WHERE type = 'table' AND name = ?"
    return write.connection.execute(query, (name,)).fetchone() is not None


def _known(write: Write, queries: tuple[str, str], now: float) -> tuple[Known, ...]:
    of_functions, of_access = queries
    rows = write.connection.execute(of_functions, {"now": now}).fetchall()
    rows += write.connection.execute(of_access, {"now": now}).fetchall()
    return tuple(
        Known(id_, function, name, f"{ACCESS if function is None else RUNTIME}{hint}..")
        for id_, function, name, hint in rows
    )


def usable_former(path: Path) -> Stand | None:
    """How far a store has come that is to be replaced; None if it is missing or cannot be read."""
    try:
        return stand_of(path) if path.exists() else None
    except (StoreError, sqlite3.Error):
        return None


@contextmanager
def _made(path: Path) -> Iterator[sqlite3.Connection]:
    with explained(path), closing(sqlite3.connect(path)) as connection:
        yield connection


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(_address(path), uri=True, timeout=PATIENCE, isolation_level=None)


def _address(path: Path) -> str:
    """Of a file that is there: who removed it must not find an empty one made in its place."""
    return f"file:{quote(str(path.absolute()))}?mode=rw"
