"""Who is signed in: a sealed cookie that names an access token, and nothing secret of it. Pure.

What the token may do, and whether it is still good, the store says at each request.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol

import orjson

from edge.functions import CONSOLE
from mcp_bridge.sealing import seal, unseal
from mcp_bridge.session import SessionKey

LIFETIME = 12 * 3600.0
"""Seconds after which one has to sign in again."""

_BOUND = ("console",)
_MOST = 512


class Ended(Protocol):
    """Sessions that were ended before their age was out."""

    def ended(self, nonce: str) -> bool:
        """Whether this one was."""
        ...

    def end(self, nonce: str, until: float) -> None:
        """End it; after `until`, Unix seconds, it may be forgotten. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in.

    Attributes:
        access: id of the access token.
        since: Unix time, seconds.
        nonce: tells it from others.
        csrf: what its forms carry.
    """

    access: str
    since: float
    nonce: str
    csrf: str = field(repr=False)

    @property
    def until(self) -> float:
        """When it ends by itself, Unix time."""
        return self.since + LIFETIME


class Sessions:
    """Makes cookies and reads them.

    Args:
        keys: all that open, the one that seals first.
        clock: Unix time, seconds.
        random: that many random bytes.
    """

    def __init__(
        self,
        keys: Callable[[], Sequence[SessionKey]],
        ended: Ended,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._keys = keys
        self._ended = ended
        self._clock = clock
        self._random = random

    def begin(self, access: str, *, over_tls: bool) -> tuple[bytes, bytes]:
        """Sign in: the field that sets the cookie."""
        made = [access, self._clock(), self._random(12).hex(), self._random(16).hex()]
        sealed = seal(orjson.dumps(made), _BOUND, self._keys(), self._random, most=_MOST)
        return _set(sealed, LIFETIME, over_tls=over_tls)

    def read(self, cookies: Sequence[bytes], *, over_tls: bool) -> Session | None:
        """The session that a request carries; None if none, forged, ended or too old."""
        for sealed in _values(cookies, _name(over_tls=over_tls)):
            plain = unseal(sealed, _BOUND, self._keys(), most=_MOST)
            if plain is None:
                continue
            session = Session(*orjson.loads(plain))
            is_young = self._clock() < session.until
            if is_young and not self._ended.ended(_key(session)):
                return session
        return None

    def end(self, session: Session, *, over_tls: bool) -> tuple[bytes, bytes]:
        """Sign out, for every worker: the field that takes the cookie away. Blocks."""
        self._ended.end(_key(session), session.until)
        return _set("", 0, over_tls=over_tls)


def is_own(session: Session, given: str) -> bool:
    """Whether a form is one that this session was given."""
    return compare_digest(session.csrf.encode(), given.encode())


def _key(session: Session) -> str:
    return f"console {session.nonce}"


def _name(*, over_tls: bool) -> str:
    """Its path keeps it from functions on the same host.

    `__Host-` would want `Path=/`, and so hand it to them.
    """
    return "__Secure-jelou-console" if over_tls else "jelou-console"


def _set(value: str, seconds: float, *, over_tls: bool) -> tuple[bytes, bytes]:
    secure = "; Secure" if over_tls else ""
    kept = f"Path={CONSOLE}/; Max-Age={int(seconds)}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", f"{_name(over_tls=over_tls)}={value}; {kept}".encode("ascii")


def _values(cookies: Sequence[bytes], name: str) -> list[str]:
    """Every value of a cookie: another site of this host may have set one of that name too."""
    found = []
    for line in cookies:
        for pair in line.decode("latin-1").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                found.append(value)
    return found[:8]
