"""Token stores in the shared SQLite file. sqlite3 itself, since a look-up is on the hot path."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tokens.database import Database
from tokens.errors import ScopeError, StoreTooNew
from tokens.model import AccessToken, Scopes, Token

CHANGED_TOKEN = "token"
"""The kind of change that names a token; its key is the digest in hexadecimal."""

_COLUMNS = (
    "id, function, name, hint, created, lineage, expires, revoked, last_used, scopes, rate,"
    " replaced_by"
)
_SCOPES = _COLUMNS.split(", ").index("scopes")
_ACCESS_COLUMNS = "id, name, hint, created, last_used, revoked"


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
                "UPDATE tokens SET name = ?, expires = ?, revoked = ?, scopes = ?, rate = ?,"
                " replaced_by = ? WHERE id = ? RETURNING digest",
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
        query = f"SELECT {_COLUMNS} FROM tokens WHERE digest = ?"  # noqa: S608
        return next(map(_token, self._database.rows(query, (digest,))), None)

    def tokens(self, function: str | None) -> list[Token]:
        """See TokenStore."""
        query = f"SELECT {_COLUMNS} FROM tokens"  # noqa: S608
        if function is None:
            return [_token(row) for row in self._database.rows(f"{query} ORDER BY created, rowid")]
        query += " WHERE function = ? ORDER BY created, rowid"
        return [_token(row) for row in self._database.rows(query, (function,))]

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
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    digest,
                    token.id,
                    token.name,
                    token.hint,
                    token.created,
                    token.last_used,
                    token.revoked,
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
        return next((AccessToken(*row) for row in self._database.rows(query, (digest,))), None)

    def tokens(self) -> list[AccessToken]:
        """See AccessStore."""
        query = f"SELECT {_ACCESS_COLUMNS} FROM access_tokens ORDER BY created, rowid"  # noqa: S608
        return [AccessToken(*row) for row in self._database.rows(query)]

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
    try:
        scopes = Scopes.parse(row[_SCOPES].splitlines())
    except ScopeError as error:
        # A scope that this program does not know must not open anything.
        raise StoreTooNew(f"A newer version of this program wrote the token: {error}") from error
    return Token(*(*row[:_SCOPES], scopes, *row[_SCOPES + 1 :]))


def _touch(database: Database, table: str, used: Mapping[str, float]) -> None:
    with database.write() as write:
        write.connection.executemany(
            f"UPDATE {table} SET last_used = ?2 WHERE id = ?1 AND coalesce(last_used, 0) < ?2",  # noqa: S608
            list(used.items()),
        )
