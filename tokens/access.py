"""Access tokens, `jfn_pat_…`: create, verify, list, revoke. They manage the edge. No I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tokens import names, secret
from tokens.errors import NameTaken, TokenEnded
from tokens.model import AccessToken, Refused
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

    def create(self, name: str) -> MintedAccess:
        """Make an access token; raises InvalidToken for a bad name and NameTaken."""
        names.check(name)
        with self._store.transaction():
            for other in self.list():
                if other.name == name:
                    raise NameTaken(f"The name {name!r} is taken by {other.id}; choose another.")
            text = secret.mint(self._random, secret.ACCESS)
            token = AccessToken(
                names.new_id("pat_", self._random),
                name,
                secret.hint(text, secret.ACCESS),
                self._clock(),
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
        return Refused("revoked") if token.revoked is not None else token

    def list(self) -> list[AccessToken]:
        """All that are not revoked, oldest first."""
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
        for token in self._store.tokens():
            if token.id == id_or_name or (token.name == id_or_name and token.revoked is None):
                return token
        raise names.unknown(id_or_name, "for managing the edge")
