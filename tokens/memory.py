"""Token stores in memory: for tests and for programs that keep tokens elsewhere. No I/O at all."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock, get_ident
from typing import Generic, TypeVar

from tokens.model import AccessToken, Token

_Row = TypeVar("_Row", Token, AccessToken)


class _Memory(Generic[_Row]):
    """Rows by digest; a transaction stages its writes and puts them in place at its end."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._writer = 0
        self._digests: dict[str, bytes] = {}
        self._staged: dict[bytes, _Row] = {}
        self._rows: dict[bytes, _Row] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See TokenStore."""
        with self._lock:
            if self._writer == get_ident():
                yield
                return
            self._writer = get_ident()
            try:
                yield
                self._rows = self._rows | self._staged
            finally:
                self._writer = 0
                self._staged = {}

    def add(self, digest: bytes, token: _Row) -> None:
        """See TokenStore."""
        with self.transaction():
            self._digests[token.id] = digest
            self._staged[digest] = token

    def update(self, token: _Row) -> None:
        """See TokenStore."""
        with self.transaction():
            digest = self._digests[token.id]
            self._staged[digest] = replace(token, last_used=self._visible()[digest].last_used)

    def find(self, digest: bytes) -> _Row | None:
        """See TokenStore."""
        return self._visible().get(digest)

    def touch(self, used: Mapping[str, float]) -> None:
        """See TokenStore."""
        with self.transaction():
            for token_id, when in used.items():
                digest = self._digests.get(token_id, b"")
                row = self._visible().get(digest)
                if row is not None and when > (row.last_used or 0):
                    self._staged[digest] = replace(row, last_used=when)

    def _visible(self) -> Mapping[bytes, _Row]:
        if self._writer == get_ident():
            return ChainMap(self._staged, self._rows)
        return self._rows

    def _oldest_first(self) -> list[_Row]:
        return sorted(self._visible().values(), key=lambda row: row.created)


class MemoryTokens(_Memory[Token]):
    """A TokenStore."""

    def tokens(
        self, function: str | None, *, after: str | None = None, limit: int | None = None
    ) -> list[Token]:
        """See TokenStore."""
        found = [row for row in self._oldest_first() if function in {None, row.function}]
        if after is not None:
            ids = [row.id for row in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        return found[:limit]

    def named(self, function: str, id_or_name: str) -> list[Token]:
        """See TokenStore."""
        return [row for row in self.tokens(function) if id_or_name in {row.id, row.name}]

    def count(self, now: float) -> int:
        """See TokenStore."""
        return sum(row.refusal(now) is None for row in self.tokens(None))


class MemoryAccess(_Memory[AccessToken]):
    """An AccessStore."""

    def tokens(self) -> list[AccessToken]:
        """See AccessStore."""
        return self._oldest_first()
