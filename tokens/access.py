"""Access tokens, `jfn_pat_…`: create, verify, list, revoke. They manage the edge. No I/O."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

from tokens import names, secret
from tokens.errors import InvalidToken, NameTaken, ScopeError, TokenEnded
from tokens.model import ACCESS_SCOPES, AccessToken, Refused
from tokens.store import AccessStore


@dataclass(frozen=True, slots=True)
class MintedAccess:
    """An access token just made, with its secret: shown once, kept nowhere."""

    token: AccessToken
    secret: str = field(repr=False)


class AccessService:
    """See the module. Safe under many threads and processes, as its store is."""

    def __init__(
        self, store: AccessStore, clock: Callable[[], float], random: secret.Random
    ) -> None:
        """Serve the access tokens of a store; the arguments are TokenService's."""
        self._store = store
        self._clock = clock
        self._random = random

    def create(
        self, name: str, *, scopes: Iterable[str] = (), expires: float | None = None
    ) -> MintedAccess:
        """Make an access token.

        Args:
            name: unique among those that are live.
            scopes: of ACCESS_SCOPES; none is everything.
            expires: Unix time in seconds, or None for never.

        Raises:
            InvalidToken: a name or an expiry that cannot be.
            ScopeError: a scope that is not one.
            NameTaken: a live access token has the name.
        """
        names.check(name)
        checked = _scopes(scopes)
        with self._store.transaction():
            now = self._clock()
            _check_expiry(expires, now)
            for other in self.list():
                if other.name == name and other.refusal(now) is None:
                    raise NameTaken(f"The name {name!r} is taken by {other.id}; choose another.")
            text = secret.mint(self._random, secret.ACCESS)
            token = AccessToken(
                names.new_id("pat_", self._random),
                name,
                secret.hint(text, secret.ACCESS),
                now,
                expires=expires,
                scopes=checked,
            )
            self._store.add(secret.digest(text), token)
            return MintedAccess(token, text)

    def verify(self, secret_text: bytes | str) -> AccessToken | Refused:
        """Who presents this secret to the management API."""
        digest = secret.parse(secret_text, secret.ACCESS)
        if digest is None:
            return Refused("malformed")
        token = self._store.find(digest)
        if token is None:
            return Refused("unknown")
        reason = token.refusal(self._clock())
        return Refused(reason) if reason else token

    def find(self, secret_text: bytes | str) -> AccessToken | None:
        """The access token with this secret, whatever its state."""
        digest = secret.parse(secret_text, secret.ACCESS)
        return None if digest is None else self._store.find(digest)

    def get(self, id: str) -> AccessToken | None:  # noqa: A002
        """The access token with this id, whatever its state."""
        return next((token for token in self._store.tokens() if token.id == id), None)

    def list(self) -> list[AccessToken]:
        """All that are not revoked, expired ones among them, oldest first."""
        return [token for token in self._store.tokens() if token.revoked is None]

    def revoke(self, id_or_name: str) -> AccessToken:
        """End an access token now; raises UnknownToken, or TokenEnded if it is revoked already."""
        with self._store.transaction():
            token = self._named(id_or_name)
            if token.revoked is not None:
                raise TokenEnded(f"The access token {token.id} ({token.name}) is revoked already.")
            revoked = replace(token, revoked=self._clock())
            self._store.update(revoked)
            return revoked

    def touch(self, used: Mapping[str, float]) -> None:
        """Remember last use: id to Unix seconds."""
        if used:
            self._store.touch(used)

    def _named(self, id_or_name: str) -> AccessToken:
        """The one with this id, or else of this name: a live one rather than an expired one."""
        known, now = self._store.tokens(), self._clock()
        by_id = [token for token in known if token.id == id_or_name]
        named = [token for token in known if token.name == id_or_name and token.revoked is None]
        for token in (*by_id, *sorted(named, key=lambda token: bool(token.refusal(now)))):
            return token
        raise names.unknown(id_or_name, "for managing the edge")


def _scopes(texts: Iterable[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(texts))
    for text in unique:
        if text not in ACCESS_SCOPES:
            known = ", ".join(ACCESS_SCOPES)
            raise ScopeError(f"Unknown scope {text[:40]!r} of an access token; write {known}.")
    return unique


def _check_expiry(expires: float | None, now: float) -> None:
    if expires is not None and not (isfinite(expires) and expires > now):
        raise InvalidToken("The access token would be expired already; choose a time to come.")
