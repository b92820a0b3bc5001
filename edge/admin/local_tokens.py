"""Tokens and access tokens on a store of this machine, directly.

Apart from the rest of the operations because it starts fast: it knows of no document and no tool.
"""

from typing import Any

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
from edge.audit.actor import acting
from edge.audit.record import Actor, Event
from edge.audit.store import AuditTrail
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
        trail: AuditTrail,
    ) -> None:
        self._database = database
        self._trail = trail
        self._registry = registry
        self._tokens = tokens
        self._access = access

    def close(self) -> None:
        """Let go of the store; for whoever opened it."""
        self._database.close()

    def authenticate(self, token: str, address: str) -> AccessToken | None:
        """The access token that is good, and a note that it was used; None for any other.

        One that is over is recorded, and so is where one is used from, once an hour each.
        """
        with explained():
            return self._admitted(self._access.find(token), address)

    def known(self, id: str, address: str) -> AccessToken | None:  # noqa: A002
        """As `authenticate`, for who has shown the access token with this id before."""
        with explained():
            return self._admitted(self._access.get(id), address)

    def _admitted(self, found: AccessToken | None, address: str) -> AccessToken | None:
        now = self._database.clock()
        reason = found.refusal(now) if found is not None else None
        if found is None or reason is not None:
            self._note_refused(found, reason, address)
            return None
        if now - (found.last_used or 0.0) >= ACCESS_NOTED_EVERY:
            self._access.touch({found.id: now})
        with acting(Actor("access_token", found.name, found.id, address)):
            key = f"login {found.id} {address}"
            self._trail.note_once(key, "access.login", subject=found.id, name=found.name)
        return found

    def _note_refused(self, found: AccessToken | None, reason: str | None, address: str) -> None:
        if found is not None:
            with acting(Actor("unknown", "unknown", None, address)):
                self._trail.note_once(
                    f"refused {found.id}",
                    "access.refused",
                    subject=found.id,
                    name=found.name,
                    reason=reason,
                )

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
            self._note("token.created", made.token, scopes=list(made.token.scopes.texts))
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
        with explained(), self._database.write():
            ended = self._tokens.revoke(function, token)
            self._note("token.revoked", ended)
        return Revoked(ended.id, ended.shown_name, function)

    def rotate_token(self, function: str, token: str, overlap: float = 0) -> NewToken:
        """See Operations."""
        with explained(), self._database.write():
            made = self._tokens.rotate(function, token, overlap)
            self._note("token.rotated", made.token, overlap=overlap)
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

    def create_access(
        self, name: str, *, scopes: tuple[str, ...] = (), expires_in: float | None = None
    ) -> NewAccess:
        """See Operations."""
        with explained(), self._database.write():
            expires = None if expires_in is None else self._database.clock() + expires_in
            made = self._access.create(name, scopes=scopes, expires=expires)
            self._trail.note(
                "access.created",
                subject=made.token.id,
                name=name,
                expires=expires,
                scopes=list(made.token.scopes),
            )
        known = _access_info(made.token)
        values = {field: getattr(known, field) for field in AccessInfo.__dataclass_fields__}
        return NewAccess(**values, token=made.secret)

    def access_tokens(self) -> tuple[AccessInfo, ...]:
        """See Operations."""
        with explained():
            found = self._access.list()
        return tuple(_access_info(token) for token in found)

    def revoke_access(self, token: str) -> Revoked:
        """See Operations."""
        with explained(), self._database.write():
            ended = self._access.revoke(token)
            self._trail.note("access.revoked", subject=ended.id, name=ended.name)
        return Revoked(ended.id, ended.name)

    def _note(self, event: Event, token: Token, **detail: Any) -> None:
        self._trail.note(
            event,
            function=token.function,
            subject=token.id,
            name=token.shown_name,
            expires=token.expires,
            **detail,
        )

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


def _access_info(token: AccessToken) -> AccessInfo:
    return AccessInfo(
        token.id, token.name, token.last_used, token.created, token.expires, token.scopes
    )


def _new_token(token: Token, secret: str) -> NewToken:
    known = _token_info(token)
    values = {name: getattr(known, name) for name in TokenInfo.__dataclass_fields__}
    return NewToken(**values, token=secret)
