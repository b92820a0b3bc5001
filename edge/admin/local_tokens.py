"""Tokens and access tokens on a store of this machine, directly.

Apart from the rest of the operations because it starts fast: it knows of no document and no tool.
"""

from edge.admin.token_operations import (
    TOKENS_AT_ONCE,
    AccessInfo,
    NewAccess,
    NewToken,
    Revoked,
    TokenInfo,
    TokenVerdict,
)
from edge.admin.translation import explained
from edge.functions import Function
from edge.registry.store import Registry, UnknownFunction
from tokens.access import AccessService
from tokens.database import Database
from tokens.model import EDGE_WIDE, AccessToken, Token
from tokens.secret import parse
from tokens.service import TokenService

ACCESS_NOTED_EVERY = 60.0
"""Seconds between two notes of an access token's last use."""


class LocalTokens:
    """`TokenOperations` on a store; the docstrings are the Protocol's."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        tokens: TokenService,
        access: AccessService,
    ) -> None:
        self._database = database
        self._registry = registry
        self._tokens = tokens
        self._access = access

    def close(self) -> None:
        """Let go of the store; for whoever opened it."""
        self._database.close()

    def authenticate(self, token: str) -> str | None:
        """The name of an access token that is good, and a note that it was used."""
        with explained():
            found = self._access.verify(token)
            if not isinstance(found, AccessToken):
                return None
            now = self._database.clock()
            if now - (found.last_used or 0.0) >= ACCESS_NOTED_EVERY:
                self._access.touch({found.id: now})
        return found.name

    def create_token(
        self,
        function: str,
        name: str,
        *,
        expires_in: float | None = None,
        scopes: tuple[str, ...] = (),
        rate: str | None = None,
    ) -> NewToken:
        """See Operations."""
        with explained(), self._database.write():
            if function != EDGE_WIDE:
                self._existing(function)
            expires = None if expires_in is None else self._database.clock() + expires_in
            made = self._tokens.create(function, name, expires=expires, scopes=scopes, rate=rate)
        return _new_token(made.token, made.secret)

    def tokens(
        self, function: str | None = None, after: str | None = None
    ) -> tuple[TokenInfo, ...]:
        """See Operations."""
        with explained():
            if function not in (None, EDGE_WIDE):
                self._existing(str(function))
            found = self._tokens.list(function, after=after, limit=TOKENS_AT_ONCE)
        return tuple(_token_info(token) for token in found)

    def revoke_token(self, function: str, token: str) -> Revoked:
        """See Operations."""
        with explained():
            ended = self._tokens.revoke(function, token)
        return Revoked(ended.id, ended.shown_name, function)

    def rotate_token(self, function: str, token: str, overlap: float = 0) -> NewToken:
        """See Operations."""
        with explained():
            made = self._tokens.rotate(function, token, overlap)
        return _new_token(made.token, made.secret)

    def check_token(self, secret: str) -> TokenVerdict:
        """See Operations."""
        digest = parse(secret)
        if digest is None:
            return TokenVerdict(valid=False, reason="malformed")
        with explained():
            token = self._tokens.find(digest)
            now = self._database.clock()
        if token is None:
            return TokenVerdict(valid=False, reason="unknown")
        reason = token.refusal(now)
        return TokenVerdict(
            valid=reason is None,
            reason=reason,
            id=token.id,
            function=token.function,
            name=token.shown_name,
            expires=token.expires,
            scopes=token.scopes.texts,
        )

    def create_access(self, name: str) -> NewAccess:
        """See Operations."""
        with explained():
            made = self._access.create(name)
        token = made.token
        return NewAccess(token.id, token.name, token.last_used, token.created, made.secret)

    def access_tokens(self) -> tuple[AccessInfo, ...]:
        """See Operations."""
        with explained():
            found = self._access.list()
        return tuple(
            AccessInfo(token.id, token.name, token.last_used, token.created) for token in found
        )

    def revoke_access(self, token: str) -> Revoked:
        """See Operations."""
        with explained():
            ended = self._access.revoke(token)
        return Revoked(ended.id, ended.name)

    def _existing(self, slug: str) -> Function:
        function = self._registry.function(slug)
        if function is None:
            raise UnknownFunction(slug)
        return function


def _token_info(token: Token) -> TokenInfo:
    return TokenInfo(
        id=token.id,
        function=token.function,
        name=token.shown_name,
        prefix=token.display,
        last_used=token.last_used,
        created=token.created,
        expires=token.expires,
        scopes=token.scopes.texts,
        rate=token.rate,
    )


def _new_token(token: Token, secret: str) -> NewToken:
    known = _token_info(token)
    values = {name: getattr(known, name) for name in TokenInfo.__dataclass_fields__}
    return NewToken(**values, token=secret)
