"""`Mcp-Session-Id`s that carry their session: signed, portable, of a fixed age. Pure.

`v1.<kid>.<payload>.<mac>`: nothing has to be kept to serve one, so it is good in every worker and
across restarts; only the ended ones are remembered, until their age is out.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from mcp_bridge.jsontext import JSONError, dump, parse
from mcp_bridge.revisions import HANDSHAKE

MAX_AGE = 7 * 24 * 3600
"""Seconds for which a session is good."""

MAX_LENGTH = 1024
"""Characters of an id."""

_SKEW = 60
"""Seconds that another node's clock may be ahead."""

_FORM = re.compile(r"v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{1,800})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A signing key: `kid` (1 to 32 of `[A-Za-z0-9_-]`) names it in ids; the secret is 32 bytes."""

    kid: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what could not be told apart or could be guessed; raises ValueError."""
        if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", self.kid) is None:
            raise ValueError("a key id is 1 to 32 characters of A-Z, a-z, 0-9, _ and -")
        if len(self.secret) < 32:
            raise ValueError("a session key has at least 32 bytes")


SessionKeys = Callable[[], Sequence[SessionKey]]
"""Gives the keys, newest first; at least one."""


@dataclass(frozen=True, slots=True)
class Session:
    """What an id says.

    Attributes:
        function: the slug it was minted for.
        lineage: of the token that opened it; empty if it was opened without one.
        revision: the handshake revision that was agreed.
        issued: Unix time, seconds.
        nonce: 16 random bytes in base64url; names the session where ended ones are kept.
    """

    function: str
    lineage: str
    revision: str
    issued: int
    nonce: str

    @property
    def expires(self) -> int:
        """Unix time, seconds, from which the id is refused."""
        return self.issued + MAX_AGE


class EndedSessions(Protocol):
    """Sessions that were ended before their age was out. Called with a session's nonce."""

    def ended(self, nonce: str) -> bool:
        """Whether it was ended, in whichever worker. Called on the event loop: must not block."""
        ...

    def end(self, nonce: str, until: float) -> None:
        """End it in every worker before returning; `until` (Unix time) it must be remembered.

        Called in a thread: may block.
        """
        ...


class MemoryEndedSessions:
    """Ended sessions of one process; good for one worker and for tests."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Args: clock: Unix time, seconds."""
        self._clock = clock
        self._until: dict[str, float] = {}

    def ended(self, nonce: str) -> bool:
        """Whether it was ended."""
        return nonce in self._until

    def end(self, nonce: str, until: float) -> None:
        """End it, and forget those whose age is out."""
        now = self._clock()
        kept = {known: end for known, end in self._until.items() if end > now}
        self._until = {**kept, nonce: until}


def open_session(
    function: str, lineage: str, revision: str, now: float, random: Callable[[int], bytes]
) -> Session:
    """A new session; `random` returns that many random bytes."""
    return Session(function, lineage, revision, int(now), _encode(random(16)))


def sign(session: Session, keys: Sequence[SessionKey]) -> str:
    """The id of a session, signed with the newest key: the first."""
    payload = _encode(
        dump([session.function, session.lineage, session.revision, session.issued, session.nonce])
    )
    signed = f"v1.{keys[0].kid}.{payload}"
    return f"{signed}.{_mac(keys[0], signed)}"


def verify(
    text: str, keys: Sequence[SessionKey], *, function: str, lineage: str, now: float
) -> Session | None:
    """The session of an id, or None if it is forged, aged, or of another function or token line."""
    form = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
    key = next((key for key in keys if form and key.kid == form[1]), None)
    session = None if key is None else _signed(text, key)
    if session is None or (session.function, session.lineage) != (function, lineage):
        return None
    return session if session.issued - _SKEW <= now < session.expires else None


@lru_cache(maxsize=1024)
def _signed(text: str, key: SessionKey) -> Session | None:
    """What an id of the right form says, or None if it is forged; the same at any time."""
    signed, _, mac = text.rpartition(".")
    if not hmac.compare_digest(mac, _mac(key, signed)):
        return None
    return _read(signed.rpartition(".")[2])


def _read(payload: str) -> Session | None:
    try:
        function, lineage, revision, issued, nonce = parse(_decode(payload))
    except (JSONError, ValueError, TypeError, binascii.Error):
        return None
    texts = all(isinstance(part, str) for part in (function, lineage, revision, nonce))
    if not texts or not isinstance(issued, int) or revision not in HANDSHAKE:
        return None
    return Session(function, lineage, revision, issued, nonce)


def _mac(key: SessionKey, signed: str) -> str:
    return _encode(hmac.digest(key.secret, signed.encode("ascii"), sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
