"""Whether a request is a run of a schedule that the edge has signed; for any function in Python.

Pure, and on the standard library alone: what has been seen before is the caller's to remember, or
`SeenRuns`'. The edge signs with these same functions.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

TOLERANCE = 300
"""Seconds by which a signature's time may differ from the receiver's."""

SIGNATURE = b"x-jelou-cron-signature"
EXPRESSION, NAME, BOT_ID, RUN = SIGNED = (
    b"x-jelou-cron",
    b"x-jelou-cron-name",
    b"x-jelou-bot-id",
    b"x-jelou-cron-run",
)
"""The fields whose values are signed, in this order; one that is absent counts as empty."""

Fields = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Header fields as frameworks give them: a mapping, or pairs as in an ASGI scope."""

Reason = Literal["missing", "malformed", "old", "signature", "seen"]

_TIME = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 8


class CronRefused(Exception):
    """A request that is no run of a schedule, or that has been seen before.

    Attributes:
        reason: `missing` or `malformed` fields, a signature too `old` (or from the future), a
            `signature` that no secret makes, or a run already `seen`.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"The request is no new run of a schedule: {reason}")
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class CronRun:
    """A run of a schedule, verified.

    Attributes:
        run: its id, `run_…`: the same run never comes twice.
        time: when it was sent, Unix seconds.
    """

    run: str
    expression: str
    name: str | None
    bot_id: str | None
    time: int


def verify_cron(
    headers: Fields,
    *,
    method: str,
    target: str | bytes,
    body: bytes,
    secrets: str | Sequence[str],
    now: float,
    seen: Callable[[str, float], bool],
) -> CronRun:
    """Verify that a request is a run of a schedule which the edge has sent, once.

    Args:
        target: the request target as it arrived: path and query, not decoded.
        secrets: the function's signing secret, or several while it rotates; an empty one, which
            anybody can sign with, counts for nothing.
        now: Unix time, seconds.
        seen: told the run and `now`: whether it has been seen before, and remembers it. Asked
            only about what is truly signed. `SeenRuns()` serves one process.

    Raises:
        CronRefused: it is not.
    """
    fields = _fields(headers)
    time, signatures = _signature(fields)
    if not fields.get(EXPRESSION) or not fields.get(RUN):
        raise CronRefused("missing")
    if abs(now - time) > TOLERANCE:
        raise CronRefused("old")
    raw = target if isinstance(target, bytes) else _bytes(target)
    text = signed_text(time, _bytes(method), raw, fields, body)
    keys = [key for key in ((secrets,) if isinstance(secrets, str) else secrets) if key]
    # Every pair is compared, so that the time taken tells nothing.
    good = [hmac.compare_digest(signature(key, text), s) for key in keys for s in signatures]
    if not any(good):
        raise CronRefused("signature")
    run = fields[RUN].decode("utf-8", "replace")
    if seen(run, now):
        raise CronRefused("seen")
    expression, name, bot_id = (fields.get(n, b"").decode("utf-8", "replace") for n in SIGNED[:3])
    return CronRun(run, expression, name or None, bot_id or None, time)


class SeenRuns:
    """The runs that one process has seen, for as long as their signatures are good."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __call__(self, run: str, now: float) -> bool:
        """Whether a run was seen before; it is remembered."""
        for old in [known for known, until in self._until.items() if until < now]:
            del self._until[old]
        if run in self._until:
            return True
        self._until[run] = now + 2 * TOLERANCE
        return False


def signed_text(
    time: int, method: bytes, target: bytes, fields: Mapping[bytes, bytes], body: bytes
) -> bytes:
    """What is signed: nine lines, without an end of line after the last.

    Args:
        fields: by lower-case name.
    """
    values = [fields.get(name, b"") for name in SIGNED]
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"\n".join([b"v1", str(time).encode(), method, target, *values, digest])


def signature(secret: str, text: bytes) -> str:
    """The HMAC-SHA256 (RFC 2104) of a text, in lower-case hex, keyed with the secret as printed."""
    return hmac.digest(secret.encode(), text, "sha256").hex()


def _signature(fields: Mapping[bytes, bytes]) -> tuple[int, list[str]]:
    """Time and signatures of the field; what later versions may add is passed over."""
    if SIGNATURE not in fields:
        raise CronRefused("missing")
    parts = [part.strip().partition("=") for part in fields[SIGNATURE].decode("latin-1").split(",")]
    times = [value for key, _, value in parts if key == "t"]
    signatures = [value for key, _, value in parts if key == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise CronRefused("malformed")
    if not 0 < len(signatures) <= _MOST_SIGNATURES or not all(s.isascii() for s in signatures):
        raise CronRefused("malformed")
    return int(times[0]), signatures


def _fields(headers: Fields) -> dict[bytes, bytes]:
    """The fields that count, by lower-case name; one sent twice is refused."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[bytes, bytes] = {}
    for key, value in pairs:
        name = _bytes(key).lower()
        if name == SIGNATURE or name in SIGNED:
            if name in found:
                raise CronRefused("malformed")
            found[name] = _bytes(value)
    return found


def _bytes(text: str | bytes) -> bytes:
    """The bytes on the wire: frameworks that give text have read them as Latin-1 (PEP 3333)."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
