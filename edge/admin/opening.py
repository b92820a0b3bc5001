"""Opening a data directory's store for the operations."""

import os
import tempfile
import weakref
from pathlib import Path
from typing import Literal

from edge.admin.deploying import Place
from edge.admin.errors import AdminError
from edge.admin.local import LocalOperations, explained
from edge.config import Config
from edge.registry.sqlite import SqliteRegistry
from tokens.access import AccessService
from tokens.database import FILE, Database
from tokens.service import TokenService
from tokens.sqlite import SqliteAccess, SqliteTokens

Store = Literal["open", "create", "scratch"]


def open_store(config: Config, version: str, store: Store) -> LocalOperations:
    """The operations on a store that no edge serves.

    Args:
        store: `open` it, `create` it if there is none, or take a `scratch` one in its place, whose
            directory is removed when the operations are.

    Raises:
        AdminError: it is missing, damaged, locked, or not to be written.
    """
    try:
        with explained():
            place = Place(config, config.bind, running=False)
            return assembled(_database(config.data_dir, store), place, version)
    except OSError as error:
        message = f"The data directory {config.data_dir} cannot be used: {error.strerror or error}"
        raise AdminError("API_ERROR", f"{message}; choose another with --data-dir") from None


def _database(directory: Path, store: Store) -> Database:
    if store == "scratch" and not (directory / FILE).exists():
        scratch = tempfile.TemporaryDirectory(prefix="jelou-edge-")
        database = Database.open(Path(scratch.name), create=True)
        weakref.finalize(database, scratch.cleanup)
        return database
    return Database.open(directory, create=store == "create")


def assembled(database: Database, place: Place, version: str) -> LocalOperations:
    """The operations on an open store."""
    return LocalOperations(
        database=database,
        registry=SqliteRegistry(database, os.urandom),
        tokens=TokenService(SqliteTokens(database), database.clock, os.urandom),
        access=AccessService(SqliteAccess(database), database.clock, os.urandom),
        place=place,
        version=version,
    )
