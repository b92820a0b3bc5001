"""Token stores in the shared SQLite file. sqlite3 itself, since a look-up is on the hot path."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from sys import intern
from typing import Any

from tokens.database import Database
from tokens.errors import ScopeError, StoreTooNew
from tokens.model import EVERYTHING, AccessToken, Scopes, Token

CHANGED_TOKEN = "token"
"""The kind of change that names a token; its key is the digest in hexadecimal."""

_COLUMNS = (
    "id, function, name, hint, created, lineage, expires, revoked, last_used, scopes, rate,"
    " replaced_by"
)
_SCOPES = _COLUMNS.split(", ").index("scopes")
_ACCESS_COLUMNS = "id, name, hint, created, last_used, revoked, expires, scopes"
_NO_LIMIT = -1

_COUNT = """
SELECT count(*) FROM tokens WHERE revoked IS NULL AND (expires IS NULL OR expires > ?)
"""
_FIND = f"SELECT {_COLUMNS} FROM tokens WHERE digest = ?"  # noqa: S608
_NAMED = (
    f"SELECT {_COLUMNS} FROM tokens WHERE rowid IN"  # noqa: S608
    " (SELECT rowid FROM tokens WHERE id = ? AND function = ?"
    " UNION ALL SELECT rowid FROM tokens WHERE function = ? AND name = ?)"
    " ORDER BY created, rowid"
)
_OF_FUNCTION = "function = ?"
_LATER = "(created, rowid) > (SELECT created, rowid FROM tokens WHERE id = ?)"
_UPDATE = (
    "UPDATE tokens SET name = ?, expires = ?, revoked = ?, scopes = ?, rate = ?, replaced_by = ?"
    " WHERE id = ? RETURNING digest"
)


def _listing(*conditions: str) -> str:
    """The query for tokens that meet these conditions, oldest first, so many at most."""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {_COLUMNS} FROM tokens{where} ORDER BY created, rowid LIMIT ?"  # noqa: S608


class SqliteTokens:
    """A TokenStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See TokenStore."""
        with self._database.write():
            yield

    def add(self, digest: bytes, token: Token) -> None:
        """See TokenStore."""
        with self._database.write() as write:
            write.connection.execute(
                f"INSERT INTO tokens (digest, {_COLUMNS})"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (digest, *_values(token)),
            )
            write.changed(CHANGED_TOKEN, digest.hex())

    def update(self, token: Token) -> None:
        """See TokenStore."""
        with self._database.write() as write:
            [(digest,)] = write.connection.execute(
                _UPDATE,
                (
                    token.name,
                    token.expires,
                    token.revoked,
                    "\n".join(token.scopes.texts),
                    token.rate,
                    token.replaced_by,
                    token.id,
                ),
            ).fetchall()
            write.changed(CHANGED_TOKEN, digest.hex())

    def find(self, digest: bytes) -> Token | None:
        """See TokenStore."""
        return next(map(_token, self._database.rows(_FIND, (digest,))), None)

    def tokens(
        self, function: str | None, *, after: str | None = None, limit: int | None = None
    ) -> list[Token]:
        """See TokenStore."""
        where = [_OF_FUNCTION] * (function is not None) + [_LATER] * (after is not None)
        values = [value for value in (function, after) if value is not None]
        most = _NO_LIMIT if limit is None else limit
        return [_token(row) for row in self._database.rows(_listing(*where), (*values, most))]

    def named(self, function: str, id_or_name: str) -> list[Token]:
        """See TokenStore."""
        by_id, by_name = (id_or_name, function), (function, id_or_name)
        return [_token(row) for row in self._database.rows(_NAMED, (*by_id, *by_name))]

    def count(self, now: float) -> int:
        """See TokenStore."""
        ((count,),) = self._database.rows(_COUNT, (now,))
        return int(count)

    def touch(self, used: Mapping[str, float]) -> None:
        """See TokenStore."""
        _touch(self._database, "tokens", used)


class SqliteAccess:
    """An AccessStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See AccessStore."""
        with self._database.write():
            yield

    def add(self, digest: bytes, token: AccessToken) -> None:
        """See AccessStore."""
        with self._database.write() as write:
            write.connection.execute(
                f"INSERT INTO access_tokens (digest, {_ACCESS_COLUMNS})"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    digest,
                    token.id,
                    token.name,
                    token.hint,
                    token.created,
                    token.last_used,
                    token.revoked,
                    token.expires,
                    " ".join(token.scopes),
                ),
            )

    def update(self, token: AccessToken) -> None:
        """See AccessStore."""
        with self._database.write() as write:
            write.connection.execute(
                "UPDATE access_tokens SET name = ?, revoked = ? WHERE id = ?",
                (token.name, token.revoked, token.id),
            )

    def find(self, digest: bytes) -> AccessToken | None:
        """See AccessStore."""
        query = f"SELECT {_ACCESS_COLUMNS} FROM access_tokens WHERE digest = ?"  # noqa: S608
        return next(map(_access, self._database.rows(query, (digest,))), None)

    def tokens(self) -> list[AccessToken]:
        """See AccessStore."""
        query = f"SELECT {_ACCESS_COLUMNS} FROM access_tokens ORDER BY created, rowid"  # noqa: S608
        return [_access(row) for row in self._database.rows(query)]

    def touch(self, used: Mapping[str, float]) -> None:
        """See AccessStore."""
        _touch(self._database, "access_tokens", used)


def _values(token: Token) -> tuple[Any, ...]:
    """The values of _COLUMNS, in its order, which is also that of Token's fields."""
    return (
        token.id,
        token.function,
        token.name,
        token.hint,
        token.created,
        token.lineage,
        token.expires,
        token.revoked,
        token.last_used,
        "\n".join(token.scopes.texts),
        token.rate,
        token.replaced_by,
    )


def _token(row: tuple[Any, ...]) -> Token:
    """A token that shares with others what it can: workers hold many in memory."""
    id_, function, name, hint, created, lineage = row[:6]
    text = row[_SCOPES]
    try:
        scopes = Scopes.parse(text.splitlines()) if text else EVERYTHING
    except ScopeError as error:
        # A scope that this program does not know must not open anything.
        raise StoreTooNew(f"A newer version of this program wrote the token: {error}") from error
    shared = id_, intern(function), name, hint, created, id_ if lineage == id_ else lineage
    return Token(*(*shared, *row[6:_SCOPES], scopes, *row[_SCOPES + 1 :]))


def _access(row: tuple[Any, ...]) -> AccessToken:
    words = tuple(row[-1].split())
    return AccessToken(*(*row[:-1], words))


def _touch(database: Database, table: str, used: Mapping[str, float]) -> None:
    with database.write() as write:
        write.connection.executemany(
            f"UPDATE {table} SET last_used = ?2 WHERE id = ?1 AND coalesce(last_used, 0) < ?2",  # noqa: S608
            list(used.items()),
        )
