"""Opening a data directory's store, and its token operations. It imports little, to start fast."""

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from edge.admin.errors import AdminError
from edge.admin.local_tokens import LocalTokens
from edge.admin.translation import explained
from edge.audit.store import AuditTrail
from edge.registry.sqlite import SqliteRegistry
from tokens.access import AccessService
from tokens.database import FILE, Database
from tokens.service import TokenService
from tokens.sqlite import SqliteAccess, SqliteTokens

Store = Literal["open", "create", "scratch"]
"""`open` a store, `create` it if there is none, or take a `scratch` one in its place, whose
directory is removed when it is no longer used."""


def open_tokens(directory: Path, store: Store) -> LocalTokens:
    """The token operations on a store that no edge serves.

    Raises:
        AdminError: it is missing, damaged, locked, or not to be written.
    """
    with usable(directory):
        database = open_database(directory, store)
        registry = SqliteRegistry(database, os.urandom)
        return LocalTokens(database, registry, *services(database), AuditTrail(database))


def services(database: Database) -> tuple[TokenService, AccessService]:
    """The rules about tokens and access tokens, on a store."""
    tokens = TokenService(SqliteTokens(database), database.clock, os.urandom)
    return tokens, AccessService(SqliteAccess(database), database.clock, os.urandom)


@contextmanager
def usable(directory: Path) -> Iterator[None]:
    """Turn what is wrong with a data directory into an error that says what to do."""
    try:
        with explained():
            yield
    except OSError as error:
        message = f"The data directory {directory} cannot be used: {error.strerror or error}"
        raise AdminError("API_ERROR", f"{message}; choose another with --data-dir") from None


def open_database(directory: Path, store: Store) -> Database:
    """The store of a directory; StoreError or OSError if it cannot be used."""
    if store == "scratch" and not (directory / FILE).exists():
        scratch = tempfile.TemporaryDirectory(prefix="jelou-edge-")
        database = Database.open(Path(scratch.name), create=True)
        weakref.finalize(database, scratch.cleanup)
        return database
    return Database.open(directory, create=store == "create")
