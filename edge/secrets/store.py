"""Secrets in the shared file, sealed: whoever has the database alone can read none.

The key lies beside it in a file of its own, mode 0600. Each value is bound to its function and its
name, so that no row can stand for another. Not here: what a secret may be called (`names`).
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edge.keys import KeysError, ensure, load, rotate
from edge.secrets.names import LARGEST, UnknownSecret, check, check_all
from mcp_bridge.sealing import seal, unseal
from mcp_bridge.session import SessionKey
from tokens.database import Database
from tokens.errors import StoreError
from tokens.migrations import Migration

KEYS = "secret-keys.json"
"""The file of keys in the data directory."""

SET = "secrets"

_PUT = (
    "INSERT INTO secrets (function, name, sealed, bytes, updated) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (function, name) DO UPDATE SET sealed = excluded.sealed, bytes = excluded.bytes, "
    "updated = excluded.updated"
)


def create_secrets(schema: Any) -> None:
    """Sealed values; `bytes` is the size of what was sealed, `updated` Unix seconds."""
    columns = {"function": str, "name": str, "sealed": str, "bytes": int, "updated": float}
    schema.create_table("secrets", columns, pk=("function", "name"), not_null=set(columns))


STEPS: tuple[Migration, ...] = (create_secrets,)


class SecretsUnreadable(StoreError):
    """Secrets that were sealed with a key that is not there any more."""


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret without its value; `updated` is Unix seconds."""

    name: str
    updated: float


class Values(dict[str, str]):
    """Values by name, which show in no repr."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"

    __str__ = __repr__


class Secrets(Protocol):
    """Where a function's secrets are read."""

    def of(self, slug: str) -> Mapping[str, str]:
        """The values by name; none where the function has none. Raises StoreError."""
        ...


class SqliteSecrets:
    """Fulfils `Secrets`. Every call may raise StoreError; safe in several threads."""

    def __init__(self, database: Database, random: Callable[[int], bytes] = os.urandom) -> None:
        """Bring the table up to date."""
        self._database = database
        self._random = random
        self._path = database.path.parent / KEYS
        database.migrate(SET, STEPS)

    @property
    def keys_file(self) -> Path:
        """The file of keys; it is made with the first secret."""
        return self._path

    def of(self, slug: str) -> Mapping[str, str]:
        """See `Secrets`.

        Raises:
            SecretsUnreadable: the key that they were sealed with is not in the file any more.
        """
        query = "SELECT name, sealed FROM secrets WHERE function = ? ORDER BY name"
        for _ in range(2):  # once more, since a rotation may have come between rows and keys
            rows = self._database.rows(query, (slug,))
            keys = self._keys() if rows else ()
            values = Values((name, _unsealed(slug, name, text, keys)) for name, text in rows)
            if None not in values.values():
                return values
        lost = next(name for name, value in values.items() if value is None)
        raise SecretsUnreadable(
            f"The secret {lost} of {slug} cannot be unsealed: its key is not in {self._path}; "
            f"restore that file, or set the secret anew: jelou secrets set {slug} {lost}=…"
        )

    def names(self, slug: str) -> tuple[SecretName, ...]:
        """The names, in their order."""
        query = "SELECT name, updated FROM secrets WHERE function = ? ORDER BY name"
        return tuple(SecretName(*row) for row in self._database.rows(query, (slug,)))

    def set(self, slug: str, values: Mapping[str, str], now: float) -> None:
        """Set or replace secrets, all or none; every worker knows before this returns.

        Args:
            now: Unix time, seconds.

        Raises:
            BadSecret: a name, a value or their number is not allowed.
        """
        check(values)
        ensure(self._path, self._random)
        with self._database.write() as write:
            query = "SELECT name, bytes FROM secrets WHERE function = ?"
            sizes = dict(write.connection.execute(query, (slug,)).fetchall())
            check_all(sizes | {name: len(value.encode()) for name, value in values.items()})
            keys = self._keys()
            rows = [self._row(slug, name, value, keys, now) for name, value in values.items()]
            write.connection.executemany(_PUT, rows)
            write.changed("function", slug)

    def delete(self, slug: str, names: Iterable[str]) -> None:
        """Forget secrets, all or none; raises UnknownSecret."""
        with self._database.write() as write:
            for name in dict.fromkeys(names):
                query = "DELETE FROM secrets WHERE function = ? AND name = ?"
                if write.connection.execute(query, (slug, name)).rowcount == 0:
                    raise UnknownSecret(
                        f"{slug} has no secret {name!r}; see: jelou secrets list {slug}"
                    )
            write.changed("function", slug)

    def delete_all(self, slug: str) -> None:
        """Forget all secrets of a function, which is being deleted."""
        with self._database.write() as write:
            write.connection.execute("DELETE FROM secrets WHERE function = ?", (slug,))

    def rotate_key(self, now: float) -> int:
        """Seal every secret with a new key; gives their number.

        Old keys stay in the file for some days, so that nobody who reads meanwhile fails.

        Raises:
            KeysError, SecretsUnreadable: nothing is lost; the old keys are still there.
        """
        self._seal_all(now)  # with the key in use, before any older one may leave the file
        rotate(self._path, self._random, now)
        return self._seal_all(now)

    def _seal_all(self, now: float) -> int:
        ensure(self._path, self._random)
        with self._database.write() as write:
            slugs = write.connection.execute("SELECT DISTINCT function FROM secrets").fetchall()
            count = 0
            for (slug,) in slugs:
                values, keys = self.of(slug), self._keys()
                for name, value in values.items():
                    text = self._row(slug, name, value, keys, now)[2]
                    query = "UPDATE secrets SET sealed = ? WHERE function = ? AND name = ?"
                    count += write.connection.execute(query, (text, slug, name)).rowcount
        return count

    def _row(
        self, slug: str, name: str, value: str, keys: tuple[SessionKey, ...], now: float
    ) -> tuple[str, str, str, int, float]:
        plain = value.encode()
        sealed = seal(plain, _bound(slug, name), keys, self._random, most=LARGEST)
        return slug, name, sealed, len(plain), now

    def _keys(self) -> tuple[SessionKey, ...]:
        """Read for each use: secrets are read when a function is loaded, not when it is called."""
        if not self._path.exists():
            raise KeysError(f"{self._path} is missing, so no secret can be read; restore it")
        return tuple(record.key for record in load(self._path))


def _bound(slug: str, name: str) -> tuple[str, str, str]:
    return "secret", slug, name


def _unsealed(slug: str, name: str, text: str, keys: tuple[SessionKey, ...]) -> Any:
    plain = unseal(text, _bound(slug, name), keys, most=LARGEST)
    return None if plain is None else plain.decode()
