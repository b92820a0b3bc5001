"""Runtime tokens: create, verify, list, revoke, rotate; every rule about them is here. No I/O.

Time and randomness are arguments; rows and atomicity are the store's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

from tokens import names, secret
from tokens.errors import InvalidToken, NameTaken, TokenEnded
from tokens.model import Principal, Refused, Scopes, Token, judge
from tokens.rate import parse_rate
from tokens.store import TokenStore


@dataclass(frozen=True, slots=True)
class Minted:
    """A token just made, with its secret: shown once, kept nowhere."""

    token: Token
    secret: str = field(repr=False)


class TokenService:
    """See the module. Safe under many threads and processes, as its store is."""

    def __init__(
        self, store: TokenStore, clock: Callable[[], float], random: secret.Random
    ) -> None:
        """Serve the tokens of a store.

        Args:
            store: where they are kept.
            clock: Unix time in seconds; must never run backwards (`Database.clock`).
            random: a CSPRNG, such as `os.urandom`.
        """
        self._store = store
        self._clock = clock
        self._random = random

    def create(
        self,
        function: str,
        name: str,
        *,
        expires: float | None = None,
        scopes: Iterable[str] = (),
        rate: str | None = None,
    ) -> Minted:
        """Make a token for a function (`*`: for every function).

        Args:
            function: the slug.
            name: unique among the function's live tokens.
            expires: Unix time in seconds, or None for never.
            scopes: as `Scopes.parse` takes them; none is everything.
            rate: `<count>/<s|m|h|d>`, or None.

        Raises:
            InvalidToken: a name, expiry or rate that cannot be.
            ScopeError: a scope that is not one.
            NameTaken: a live token has the name.
        """
        names.check(name)
        _check_rate(rate)
        parsed = Scopes.parse(scopes)
        with self._store.transaction():
            now = self._clock()
            _check_expiry(expires, now)
            self._check_free(function, name, now)
            token_id = names.new_id("tok_", self._random)
            token = Token(
                token_id, function, name, "", now, token_id, expires, scopes=parsed, rate=rate
            )
            return self._keep(token)

    def verify(self, secret_text: bytes | str, function: str) -> Principal | Refused:
        """Who presents this secret to a function; judged now, and never on an earlier verdict."""
        digest = secret.parse(secret_text)
        if digest is None:
            return Refused("malformed")
        return judge(self._store.find(digest), function, self._clock())

    def find(self, digest: bytes) -> Token | None:
        """The token with this digest, whatever its state."""
        return self._store.find(digest)

    def list(
        self, function: str | None, *, after: str | None = None, limit: int | None = None
    ) -> list[Token]:
        """A function's tokens (`*`: the edge-wide ones; None: all), oldest first.

        Revoked ones and rotated-out ones whose overlap is over are left out; expired ones are
        there, so that one sees why they are refused.

        Args:
            after: the id of a token, revoked or not; only those that come later in the order.
            limit: how many at most; fewer are there only if no more follow.
        """
        now = self._clock()
        found: list[Token] = []
        while True:
            page = self._store.tokens(function, after=after, limit=limit)
            found += [token for token in page if _is_listed(token, now)]
            if limit is None or len(page) < limit or len(found) >= limit:
                return found[:limit]
            after = page[-1].id

    def count(self) -> int:
        """How many tokens are good now, of all functions and edge-wide ones."""
        return self._store.count(self._clock())

    def revoke(self, function: str, id_or_name: str) -> Token:
        """End a token now, with those that it was rotated in for and whose overlap still runs.

        A rotated-out one is named by its id or `NAME~old`, and ends alone.

        Raises:
            UnknownToken, AmbiguousToken: nothing, or more than one token, goes by this name.
            TokenEnded: it is revoked already.
        """
        with self._store.transaction():
            now = self._clock()
            token = self._resolve(function, id_or_name, now)
            if token.revoked is not None:
                raise TokenEnded(f"The token {token.id} ({token.name}) is revoked already.")
            for predecessor in _predecessors(self._store.named(function, token.name), token):
                self._store.update(replace(predecessor, revoked=now))
            revoked = replace(token, revoked=now)
            self._store.update(revoked)
            return revoked

    def rotate(self, function: str, id_or_name: str, overlap: float = 0.0) -> Minted:
        """A new secret in the same lineage: same name, scopes, rate and expiry.

        The old one lives for `overlap` seconds more, if it does not expire before.

        Raises:
            InvalidToken: an overlap that cannot be.
            UnknownToken, AmbiguousToken: nothing, or more than one token, goes by this name.
            TokenEnded: it is revoked, expired or rotated out, so there is nothing to go on with.
        """
        if not (isfinite(overlap) and overlap >= 0):
            raise InvalidToken("The overlap is a number of seconds, 0 or more.")
        with self._store.transaction():
            now = self._clock()
            old = self._resolve(function, id_or_name, now)
            _check_rotatable(old, now)
            fresh = replace(old, id=names.new_id("tok_", self._random), created=now, last_used=None)
            self._store.update(old.rotated_out(fresh.id, now + overlap))
            return self._keep(fresh)

    def revoke_all(self, function: str) -> int:
        """End every token of a function for good, as when it is deleted; returns how many."""
        with self._store.transaction():
            now = self._clock()
            live = [token for token in self._store.tokens(function) if token.revoked is None]
            for token in live:
                self._store.update(replace(token, revoked=now))
            return len(live)

    def touch(self, used: Mapping[str, float]) -> None:
        """Remember last use: token id to Unix seconds. For batches; workers are not disturbed.

        Flushed at least once a minute, last use is at most a minute late.
        """
        if used:
            self._store.touch(used)

    def _resolve(self, function: str, id_or_name: str, now: float) -> Token:
        candidates = self._store.named(function, names.given(id_or_name))
        return names.resolve(candidates, function, id_or_name, now)

    def _check_free(self, function: str, name: str, now: float) -> None:
        for token in self._store.named(function, name):
            if token.shown_name == name and token.refusal(now) is None:
                raise NameTaken(
                    f"The name {name!r} is taken by {token.id}; choose another, or revoke or rotate"
                    " that one."
                )

    def _keep(self, token: Token) -> Minted:
        text = secret.mint(self._random)
        token = replace(token, hint=secret.hint(text))
        self._store.add(secret.digest(text), token)
        return Minted(token, text)


def _is_listed(token: Token, now: float) -> bool:
    return token.revoked is None and not (token.replaced_by and token.refusal(now))


def _predecessors(tokens: Iterable[Token], token: Token) -> Iterable[Token]:
    """What is left of the lineage of a current token; nothing for one that is rotated out."""
    if token.replaced_by:
        return []
    return [
        other
        for other in tokens
        if other.lineage == token.lineage and other.replaced_by and other.revoked is None
    ]


def _check_rotatable(token: Token, now: float) -> None:
    reason = "rotated out" if token.replaced_by else token.refusal(now)
    if reason:
        raise TokenEnded(f"The token {token.id} ({token.name}) is {reason}; create a new one.")


def _check_expiry(expires: float | None, now: float) -> None:
    if expires is not None and not (isfinite(expires) and expires > now):
        raise InvalidToken("The token would be expired already; choose a time to come.")


def _check_rate(rate: str | None) -> None:
    if rate is None:
        return
    try:
        parse_rate(rate)
    except ValueError as error:
        raise InvalidToken(f"The rate {error}.") from None
