"""The store as a worker reads it: one file's registry, tokens and generation as `view.Source`.

Functions come with their secrets in place of the names of those in `upstream.headers`.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from edge.functions import Deployment, Function
from edge.keys import KeysError
from edge.observe.log import log_secrets
from edge.registry.store import Registry, RegistryError
from edge.secrets import references
from edge.secrets.store import Secrets, SecretsUnreadable
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

    def __init__(
        self, database: Database, registry: Registry, tokens: TokenStore, secrets: Secrets
    ) -> None:
        self._database = database
        self._registry = registry
        self._tokens = tokens
        self._secrets = secrets
        self._with_secrets: frozenset[str] = frozenset()
        self.published = database.mirror.read

    def changes_since(self, generation: int) -> Changes:
        """See view.Source."""
        with readable():
            return self._database.changes_since(generation)

    def function(self, slug: str) -> Function | None:
        """See view.Source."""
        with readable():
            function = self._registry.function(slug)
            return None if function is None else self._filled(function)

    def functions(self, known: Mapping[str, Function]) -> list[Function]:
        """See view.Source."""
        unfilled = {slug: each for slug, each in known.items() if slug not in self._with_secrets}
        with readable():
            return [self._filled(function) for function in self._registry.functions(unfilled)]

    def document(self, live: Deployment) -> bytes | None:
        """The OpenAPI document of a deployment, or None; raises StoreUnavailable."""
        with readable():
            return self._registry.document(live.id)

    def token(self, digest: bytes) -> Token | None:
        """See view.Source."""
        with readable():
            return self._tokens.find(digest)

    def _filled(self, function: Function) -> Function:
        """The function with its secrets where its headers name them.

        Without what cannot be had, and saying so: one function's lost key is not every function's.
        """
        project = function.live.project
        if not references.names(project):
            return function
        self._with_secrets |= {function.slug}
        try:
            values = self._secrets.of(function.slug)
        except (SecretsUnreadable, KeysError) as error:
            values = {}
            log_secrets(function.slug, str(error))
        return replace(
            function, live=replace(function.live, project=references.filled(project, values))
        )
