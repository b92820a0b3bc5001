"""What can be done with tokens: their Protocol, and the values it takes and gives. Pure.

As `edge.admin.operations`, of which it is a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from edge.admin.times import Time

TOKENS_AT_ONCE = 1000
"""Tokens in one answer, so that an edge with a million of them serves on while they are listed."""


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A runtime token without its secret.

    Attributes:
        function: a slug, or `*` for every function of the edge.
        name: as shown; `NAME~old` while it is being rotated out.
        prefix: `jfn_rt_` and the first characters, to recognise it by.
        scopes: empty for everything.
    """

    id: str
    function: str
    name: str
    prefix: str
    last_used: Time | None
    created: Time
    expires: Time | None
    scopes: tuple[str, ...]
    rate: str | None


@dataclass(frozen=True, slots=True)
class NewToken(TokenInfo):
    """A runtime token just made; `token` is its secret, which is never shown again."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """Whether a token would be let in, and if not, why.

    Attributes:
        reason: `malformed`, `unknown`, `revoked`, `expired`, or None if it is good.
    """

    valid: bool
    reason: str | None
    id: str | None = None
    function: str | None = None
    name: str | None = None
    expires: Time | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """A token that is refused from now on."""

    id: str
    name: str
    function: str | None = None


@dataclass(frozen=True, slots=True)
class AccessInfo:
    """An access token (`jfn_pat_…`), which manages the edge, without its secret.

    Attributes:
        scopes: what it may do (`read`, `audit`, `deploy`, `tokens`, `secrets`, `all`); empty for
            everything.
    """

    id: str
    name: str
    last_used: Time | None
    created: Time
    expires: Time | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewAccess(AccessInfo):
    """An access token just made; `token` is its secret, which is never shown again."""

    token: str = field(repr=False)


class TokenOperations(Protocol):
    """Runtime tokens and access tokens of one edge. Synchronous; safe in several threads."""

    def create_token(
        self,
        function: str,
        name: str,
        *,
        expires_in: float | None = None,
        scopes: tuple[str, ...] = (),
        rate: str | None = None,
    ) -> NewToken:
        """Make a runtime token; `function` is a slug or `*`, `expires_in` seconds from now.

        Raises:
            AdminError: NOT_FOUND for the function, VALIDATION_ERROR for a name that a live token
                has or a scope that is none.
        """
        ...

    def tokens(
        self, function: str | None = None, after: str | None = None
    ) -> tuple[TokenInfo, ...]:
        """Tokens not revoked, of one function or of all, oldest first, TOKENS_AT_ONCE at most.

        Fewer than that are the last ones; `all_tokens` gives all.

        Args:
            after: the id of a token; those that come later in the order.

        Raises:
            AdminError: NOT_FOUND if there is no function.
        """
        ...

    def revoke_token(self, function: str, token: str) -> Revoked:
        """End a token, named by id or unique name; NOT_FOUND if there is none."""
        ...

    def rotate_token(self, function: str, token: str, overlap: float = 0) -> NewToken:
        """A new secret in the same lineage; the old one lives on for `overlap` seconds."""
        ...

    def check_token(self, secret: str) -> TokenVerdict:
        """Whether a runtime token is good, and if not, why."""
        ...

    def create_access(
        self, name: str, *, scopes: tuple[str, ...] = (), expires_in: float | None = None
    ) -> NewAccess:
        """Make an access token; `expires_in` is seconds from now.

        Raises:
            AdminError: VALIDATION_ERROR for a name that a live one has or a scope that is none.
        """
        ...

    def access_tokens(self) -> tuple[AccessInfo, ...]:
        """Access tokens not revoked."""
        ...

    def revoke_access(self, token: str) -> Revoked:
        """End an access token, named by id or name; NOT_FOUND if there is none."""
        ...


def all_tokens(operations: TokenOperations, function: str | None) -> Iterator[TokenInfo]:
    """What `tokens` lists, page by page to the end."""
    after = None
    while True:
        page = operations.tokens(function, after)
        yield from page
        if len(page) < TOKENS_AT_ONCE:
            return
        after = page[-1].id
