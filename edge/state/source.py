"""The store as a worker reads it: one file's registry, tokens and generation as `view.Source`."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from edge.functions import Deployment, Function
from edge.registry.store import Registry, RegistryError
from edge.state.view import StoreUnavailable
from tokens.database import Changes, Database
from tokens.errors import StoreError
from tokens.model import Token
from tokens.store import TokenStore


@contextmanager
def readable() -> Iterator[None]:
    """Turn whatever keeps the store from being read into StoreUnavailable."""
    try:
        yield
    except (StoreError, RegistryError, sqlite3.Error, OSError) as error:
        raise StoreUnavailable(str(error)) from error


class StoreSource:
    """Reads; never writes."""

    def __init__(self, database: Database, registry: Registry, tokens: TokenStore) -> None:
        self._database = database
        self._registry = registry
        self._tokens = tokens
        self.published = database.mirror.read

    def changes_since(self, generation: int) -> Changes:
        """See view.Source."""
        with readable():
            return self._database.changes_since(generation)

    def function(self, slug: str) -> Function | None:
        """See view.Source."""
        with readable():
            return self._registry.function(slug)

    def functions(self, known: Mapping[str, Function]) -> list[Function]:
        """See view.Source."""
        with readable():
            return self._registry.functions(known)

    def document(self, live: Deployment) -> bytes | None:
        """The OpenAPI document of a deployment, or None; raises StoreUnavailable."""
        with readable():
            return self._registry.document(live.id)

    def token(self, digest: bytes) -> Token | None:
        """See view.Source."""
        with readable():
            return self._tokens.find(digest)
