"""The registry in the edge's SQLite file, which it shares with the tokens."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from edge.functions import Deployment, DeploymentOrigin, Function, Project, Route, run_as
from edge.registry import migrations
from edge.registry.rows import COLUMNS, deployment_of, encode_routes
from edge.registry.store import (
    DOCUMENTS_KEPT,
    NONE_KNOWN,
    Deployed,
    HostTaken,
    Random,
    UnknownDeployment,
    UnknownFunction,
    UnreadableDeployment,
    deployment_id,
    digest,
    same,
)
from tokens.database import Database

_LIVE = (
    f"SELECT {COLUMNS}, f.created, f.since FROM functions f "  # noqa: S608
    "JOIN deployments d ON d.id = f.live"
)
_HEAD = (
    "SELECT f.created, f.live, d.digest FROM functions f JOIN deployments d ON d.id = f.live "
    "WHERE f.slug = ?"
)
_HISTORY = f"SELECT {COLUMNS} FROM deployments d WHERE d.slug = ?"  # noqa: S608
_INSERT = (
    "INSERT INTO deployments "
    "(id, slug, created, origin, document_bytes, digest, project, routes, code, before) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PRUNE = (
    "DELETE FROM deployments WHERE slug = ? AND origin = 'document' AND id != ? AND number NOT IN ("
    "SELECT number FROM deployments WHERE slug = ? AND origin = 'document' AND id != ? "
    "ORDER BY number DESC LIMIT ?)"
)

_PRUNE_DEPLOYS = (
    "DELETE FROM deployments WHERE slug = ? AND origin = 'deploy' AND id NOT IN (?, ?) AND number "
    "NOT IN (SELECT number FROM deployments WHERE slug = ? AND origin = 'deploy' "
    "AND id NOT IN (?, ?) ORDER BY number DESC LIMIT ?)"
)


class SqliteRegistry:
    """See `Registry`. Every call may also raise `tokens.errors.StoreError`."""

    def __init__(self, database: Database, random: Random) -> None:
        """Bring the registry's tables up to date."""
        self._database = database
        self._random = random
        database.migrate(migrations.SET, migrations.STEPS)

    def function(self, slug: str) -> Function | None:
        """See `Registry.function`."""
        return _one(self._database.rows(f"{_LIVE} WHERE f.slug = ?", (slug,)))

    def functions(self, known: Mapping[str, Function] = NONE_KNOWN) -> list[Function]:
        """See `Registry.functions`."""
        rows = self._database.rows(f"{_LIVE} ORDER BY f.slug")
        return [_kept(known, row) or _function_of(row) for row in rows]

    def count(self) -> int:
        """See `Registry.count`."""
        [(number,)] = self._database.rows("SELECT count(*) FROM functions")
        return int(number)

    def by_host(self, host: str) -> Function | None:
        """See `Registry.by_host`."""
        query = f"{_LIVE} JOIN hosts h ON h.slug = f.slug WHERE h.host = ?"
        return _one(self._database.rows(query, (host,)))

    def deploy(
        self,
        project: Project,
        document: bytes | None,
        routes: tuple[Route, ...],
        origin: DeploymentOrigin,
        now: float,
        code: str = "",
        id_: str = "",
    ) -> Deployed:
        """See `Registry.deploy`."""
        with self._database.write() as write:
            connection, slug = write.connection, project.slug
            print_ = digest(project, document, code)
            known = connection.execute(_HEAD, (slug,)).fetchone()
            created, live, live_print = known or (now, "", "")
            equal = self._readable(slug, live) if live_print == print_ else None
            if equal is not None:
                return Deployed(equal, first=False, changed=False)
            id_ = _fresh_id(connection, self._random, id_)
            size = None if document is None else len(document)
            made = Deployment(id_, run_as(project, id_), now, origin, size, routes, print_, code)
            _make_live(connection, Function(slug, created, made, since=now))
            _insert(connection, made, document, before=live)
            write.changed("function", slug)
            return Deployed(made, first=known is None, changed=True)

    def deployments(self, slug: str) -> list[Deployment]:
        """See `Registry.deployments`."""
        query = f"{_HISTORY} ORDER BY d.number DESC"
        return [deployment_of(row) for row in self._database.rows(query, (slug,))]

    def deployment(self, slug: str, id_: str) -> Deployment | None:
        """See `Registry.deployment`."""
        query = f"{_HISTORY} AND d.id = ?"
        rows = self._database.rows(query, (slug, id_))
        return deployment_of(rows[0]) if rows else None

    def predecessor(self, slug: str) -> Deployment | None:
        """See `Registry.predecessor`."""
        connection = self._database.read()
        known = connection.execute(_HEAD, (slug,)).fetchone()
        if known is None:
            return None
        return self.deployment(slug, _before(connection, slug, known[1]))

    def prune(self, slug: str, kept: int) -> None:
        """See `Registry.prune`."""
        with self._database.write() as write:
            known = write.connection.execute(_HEAD, (slug,)).fetchone()
            if known is not None:
                before = _before(write.connection, slug, known[1])
                ours = (slug, known[1], before)
                write.connection.execute(_PRUNE_DEPLOYS, (*ours, *ours, kept))

    def codes(self) -> set[str]:
        """See `Registry.codes`."""
        rows = self._database.rows("SELECT DISTINCT code FROM deployments WHERE code != ''")
        return {code for (code,) in rows}

    def document(self, id_: str) -> bytes | None:
        """See `Registry.document`."""
        rows = self._database.rows("SELECT content FROM documents WHERE deployment = ?", (id_,))
        return rows[0][0] if rows else None

    def rollback(self, slug: str, id_: str | None, now: float) -> Deployment:
        """See `Registry.rollback`."""
        with self._database.write() as write:
            connection = write.connection
            known = connection.execute(_HEAD, (slug,)).fetchone()
            if known is None:
                raise UnknownFunction(slug)
            created, live, _ = known
            found = self.deployment(slug, id_ or _before(connection, slug, live))
            if found is None:
                raise UnknownDeployment(slug, id_)
            if found.id != live:
                _make_live(connection, Function(slug, created, found, since=now))
                write.changed("function", slug)
            return found

    def delete(self, slug: str) -> bool:
        """See `Registry.delete`."""
        with self._database.write() as write:
            known = write.connection.execute("DELETE FROM functions WHERE slug = ?", (slug,))
            if known.rowcount == 0:
                return False
            write.connection.execute("DELETE FROM deployments WHERE slug = ?", (slug,))
            write.connection.execute("DELETE FROM hosts WHERE slug = ?", (slug,))
            write.changed("function", slug)
            return True

    def _readable(self, slug: str, id_: str) -> Deployment | None:
        """A deployment, unless this version cannot read it: then an equal deploy replaces it."""
        try:
            return self.deployment(slug, id_)
        except UnreadableDeployment:
            return None


def _one(rows: list[tuple[Any, ...]]) -> Function | None:
    return _function_of(rows[0]) if rows else None


def _function_of(row: tuple[Any, ...]) -> Function:
    live = deployment_of(row)
    created, since = row[-2:]
    return Function(live.slug, created, live, since)


def _kept(known: Mapping[str, Function], row: tuple[Any, ...]) -> Function | None:
    """The function of a row as it is known, if it is still the same."""
    function = known.get(row[1])
    return function if same(function, live=row[0], since=row[-1]) else None


def _fresh_id(connection: sqlite3.Connection, random: Random, wanted: str) -> str:
    query = "SELECT 1 FROM deployments WHERE id = ?"
    id_ = wanted or deployment_id(random)
    while connection.execute(query, (id_,)).fetchone():
        id_ = deployment_id(random)
    return id_


def _before(connection: sqlite3.Connection, slug: str, live: str) -> str:
    """The id of the deployment that the live one took over from; empty if there was none.

    Where that one was pruned, the newest that is older.
    """
    query = (
        "SELECT older.id FROM deployments older, deployments now WHERE now.id = ? "
        "AND older.slug = ? AND older.number < now.number AND now.before != '' "
        "ORDER BY older.id = now.before DESC, older.number DESC LIMIT 1"
    )
    row = connection.execute(query, (live, slug)).fetchone()
    return "" if row is None else str(row[0])


def _make_live(connection: sqlite3.Connection, function: Function) -> None:
    """Point a function to its deployment; hosts are checked before anything is written."""
    slug, hosts = function.slug, function.live.project.hosts
    _check_hosts(connection, slug, hosts)
    connection.execute("DELETE FROM hosts WHERE slug = ?", (slug,))
    connection.executemany("INSERT INTO hosts VALUES (?, ?)", [(host, slug) for host in hosts])
    connection.execute(
        "INSERT OR REPLACE INTO functions (slug, live, created, since) VALUES (?, ?, ?, ?)",
        (slug, function.live.id, function.created, function.since),
    )


def _check_hosts(connection: sqlite3.Connection, slug: str, hosts: Iterable[str]) -> None:
    query = "SELECT slug FROM hosts WHERE host = ? AND slug != ?"
    for host in hosts:
        row = connection.execute(query, (host, slug)).fetchone()
        if row is not None:
            raise HostTaken(host, str(row[0]))


def _insert(
    connection: sqlite3.Connection, made: Deployment, document: bytes | None, before: str
) -> None:
    values = (made.id, made.slug, made.created, made.origin, made.document_bytes, made.digest)
    routes = encode_routes(made.routes)
    connection.execute(_INSERT, (*values, made.project.text, routes, made.code, before))
    if document is not None:
        connection.execute("INSERT INTO documents VALUES (?, ?)", (made.id, document))
    connection.execute(_PRUNE, (made.slug, made.id, made.slug, made.id, DOCUMENTS_KEPT))
