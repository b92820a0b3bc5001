"""The signing secrets of functions: made when first needed, sealed in the shared file, rotated.

The key lies beside the database in a file of its own, mode 0600. Not here: what is signed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.keys import ensure, load
from mcp_bridge.sealing import seal, unseal
from mcp_bridge.session import SessionKey
from tokens.database import Database
from tokens.errors import StoreError
from tokens.migrations import Migration

KEYS = "cron-keys.json"
"""The file of the key in the data directory; it is made with the first secret."""

PREFIX = "jfn_cs_"
SET = "signing"


def create_signing_secrets(schema: Any) -> None:
    """Sealed secrets in the order of their making; `expires` is NULL for the one that stays."""
    columns = {"number": int, "function": str, "sealed": str, "created": float, "expires": float}
    schema.create_table(
        "signing_secrets", columns, pk="number", not_null={"function", "sealed", "created"}
    )
    schema.table("signing_secrets").create_index(["function"])


STEPS: tuple[Migration, ...] = (create_signing_secrets,)


class SigningSecretLost(StoreError):
    """A secret that was sealed with a key which is not there any more."""


class SigningSecrets:
    """Every call may raise StoreError; safe in several threads."""

    def __init__(self, database: Database, random: Callable[[int], bytes]) -> None:
        """Bring the table up to date."""
        self._database = database
        self._random = random
        self._path: Path = database.path.parent / KEYS
        database.migrate(SET, STEPS)

    def of(self, function: str, now: float) -> tuple[str, ...]:
        """Those that sign, newest first; the first is made now if there is none.

        Args:
            now: Unix time, seconds.

        Raises:
            SigningSecretLost: the newest cannot be read any more.
        """
        rows = self._rows(function, now)
        if not rows:
            with self._database.write():
                rows = self._rows(function, now)  # another process may have been first
                if not rows:
                    return (self._make(function, now),)
        keys = self._keys()
        found = [unseal(sealed, _bound(function), keys) for (sealed,) in rows]
        if found[0] is None:
            raise SigningSecretLost(
                f"The signing secret of {function} cannot be read: its key is not in {self._path};"
                f" restore that file, or run: jelou functions rotate-secret {function}"
            )
        return tuple(plain.decode() for plain in found if plain is not None)

    def rotate(self, function: str, overlap: float, now: float) -> str:
        """A new secret; the one before signs beside it for `overlap` seconds, older ones end."""
        with self._database.write() as write:
            write.connection.execute(
                "DELETE FROM signing_secrets WHERE function = ? AND expires IS NOT NULL",
                (function,),
            )
            write.connection.execute(
                "UPDATE signing_secrets SET expires = ? WHERE function = ?",
                (now + overlap, function),
            )
            return self._make(function, now)

    def forget(self, function: str) -> None:
        """Forget those of a function that is being deleted."""
        with self._database.write() as write:
            write.connection.execute("DELETE FROM signing_secrets WHERE function = ?", (function,))

    def _rows(self, function: str, now: float) -> list[tuple[Any, ...]]:
        return self._database.rows(
            "SELECT sealed FROM signing_secrets WHERE function = ?"
            " AND (expires IS NULL OR expires > ?) ORDER BY number DESC",
            (function, now),
        )

    def _make(self, function: str, now: float) -> str:
        secret = PREFIX + self._random(32).hex()
        sealed = seal(secret.encode(), _bound(function), self._keys(), self._random)
        with self._database.write() as write:
            write.connection.execute(
                "INSERT INTO signing_secrets (function, sealed, created) VALUES (?, ?, ?)",
                (function, sealed, now),
            )
        return secret

    def _keys(self) -> tuple[SessionKey, ...]:
        ensure(self._path, self._random)
        return tuple(record.key for record in load(self._path))


def _bound(function: str) -> tuple[str, str]:
    return "signing-secret", function
