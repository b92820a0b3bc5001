"""What a token store does; the docstrings are the contract that every adapter is tested against.

A store keeps rows and makes blocks atomic. It knows no rule about names, expiry or rotation: those
are the services'. All methods block and may be called from any thread; each raises StoreError.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from tokens.model import AccessToken, Token


class TokenStore(Protocol):
    """Runtime tokens by the SHA-256 digest (32 bytes) of their secret."""

    def transaction(self) -> AbstractContextManager[None]:
        """A block that is alone among all writers, everywhere, and all or nothing.

        It sees its own writes; others see them once it has ended without an exception, at which
        time they are durable and known to every worker. Re-entrant: an inner block joins the outer
        one. Writes outside a block are blocks of their own.
        """
        ...

    def add(self, digest: bytes, token: Token) -> None:
        """Keep a new token; the id and the digest are new."""
        ...

    def update(self, token: Token) -> None:
        """Replace the row that has the token's id; `last_used` is left alone (see `touch`)."""
        ...

    def find(self, digest: bytes) -> Token | None:
        """The token with this digest, whatever its state."""
        ...

    def tokens(
        self, function: str | None, *, after: str | None = None, limit: int | None = None
    ) -> list[Token]:
        """A function's tokens, or all (None), in every state, oldest first.

        Args:
            after: the id of a token; only those that come later in the order.
            limit: how many at most.
        """
        ...

    def named(self, function: str, id_or_name: str) -> list[Token]:
        """A function's tokens with this id or this name, in every state, oldest first."""
        ...

    def count(self, now: float) -> int:
        """How many are neither revoked nor expired at a time (Unix seconds)."""
        ...

    def touch(self, used: Mapping[str, float]) -> None:
        """Set last use (id to Unix seconds) where it is later than known; workers are not told.

        Unknown ids are ignored.
        """
        ...


class AccessStore(Protocol):
    """Access tokens by the SHA-256 digest (32 bytes) of their secret."""

    def transaction(self) -> AbstractContextManager[None]:
        """As for TokenStore."""
        ...

    def add(self, digest: bytes, token: AccessToken) -> None:
        """Keep a new access token; the id and the digest are new."""
        ...

    def update(self, token: AccessToken) -> None:
        """Replace the row that has the token's id; `last_used` is left alone (see `touch`)."""
        ...

    def find(self, digest: bytes) -> AccessToken | None:
        """The access token with this digest, revoked or not."""
        ...

    def tokens(self) -> list[AccessToken]:
        """All access tokens, oldest first."""
        ...

    def touch(self, used: Mapping[str, float]) -> None:
        """Set last use (id to Unix seconds) where it is later than known."""
        ...
