"""Keys that the workers of an edge share in a file, and their rotation while everything runs.

A new key is written first and used later: it signs from `DELAY` on, while every worker looks at the
file at least each `LOOK_EVERY` before it uses what it knows. So whatever any worker signs, every
other one can verify, and no id that somebody made up costs a look at the file. An old key stays
until all that it signed is out. Not here: what is signed (`mcp_bridge.session`) or sealed.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from mcp_bridge.session import MAX_AGE, SessionKey
from tokens.errors import StoreError
from tokens.generation import WriterLock, create_once, replace_private

LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""

DELAY = 10.0
"""Seconds after which a new key signs, unless more are asked for."""

KEPT = MAX_AGE + 24 * 3600
"""Seconds for which a key is accepted after its successor began to sign: the age of a session, and
a day for nodes that get the file late."""

LOCK = "mcp-keys.lock"
LOCK_TIMEOUT = 5.0


class KeysError(StoreError):
    """A file of keys that cannot be used; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as the file holds it.

    Attributes:
        created: Unix time, seconds; 0 where that was not written down.
        signs_from: Unix time, seconds, from which it is used for what is new.
    """

    key: SessionKey = field(repr=False)
    created: float = 0.0
    signs_from: float = 0.0


def usable(records: Sequence[KeyRecord], now: float) -> tuple[SessionKey, ...]:
    """The keys, the one that signs first; the others are accepted.

    Args:
        records: newest first; at least one.
    """
    signing = next((record for record in records if record.signs_from <= now), records[-1])
    return (signing.key, *(record.key for record in records if record is not signing))


def rotated(records: Sequence[KeyRecord], fresh: KeyRecord, now: float) -> tuple[KeyRecord, ...]:
    """The records with a fresh one in front, without those whose signatures are all out.

    What counts is not a key's own age but since when another has been signing in its place.
    """
    return (
        fresh,
        *(old for new, old in pairwise((fresh, *records)) if new.signs_from + KEPT > now),
    )


def load(path: Path) -> tuple[KeyRecord, ...]:
    """The keys of a file, newest first.

    Raises:
        KeysError: it cannot be read, or does not hold keys.
    """
    try:
        found = orjson.loads(path.read_bytes())
        records = tuple(map(_record, found))
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = getattr(error, "strerror", None) or "it does not hold keys"
        raise KeysError(f"{path} cannot be used: {reason}; restore it, or remove it") from None
    if not records:
        raise KeysError(f"{path} cannot be used: it holds no key; restore it, or remove it")
    return records


def ensure(path: Path, random: Callable[[int], bytes]) -> None:
    """Create the file with a first key, which signs at once, if there is none."""
    create_once(path, _text([_fresh(random, 0.0, 0.0)]))


def rotate(
    path: Path, random: Callable[[int], bytes], now: float, delay: float = DELAY
) -> tuple[KeyRecord, ...]:
    """Put a new key in front; the records as they are now.

    Args:
        now: Unix time, seconds.
        delay: seconds until it signs; long enough for every node to have the file by then.

    Raises:
        KeysError: the file cannot be used, or is being rotated.
        OSError: it cannot be written.
    """
    lock = WriterLock(path.with_name(LOCK))
    try:
        with lock.held(LOCK_TIMEOUT) as held:
            if not held:
                raise KeysError(f"{path} is being rotated by another command; try again")
            ensure(path, random)
            records = rotated(load(path), _fresh(random, now, now + max(delay, DELAY)), now)
            replace_private(path, _text(records))
            return records
    finally:
        lock.close()


def join(path: Path, other: Path) -> None:
    """Accept the keys of another file too, where each opens what the other cannot.

    The first that signs is the first one of `path`, if that is there.

    Raises:
        KeysError: a file cannot be used.
        OSError: it cannot be written.
    """
    records = load(path) if path.exists() else ()
    known = {record.key.kid for record in records}
    fresh = tuple(record for record in load(other) if record.key.kid not in known)
    if fresh:
        replace_private(path, _text((*records, *fresh)))


class KeyFile:
    """The keys of a file as one worker knows them: cheap to ask for, never out of date."""

    def __init__(
        self, path: Path, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """Read the file.

        Args:
            clock: Unix time, seconds.
            monotonic: seconds, for the pauses between looks.

        Raises:
            KeysError: it cannot be used.
        """
        self._path = path
        self._clock = clock
        self._monotonic = monotonic
        self._stamp = _stamp(path)
        self._records = load(path)
        self._keys = usable(self._records, clock())
        self._due = monotonic() + LOOK_EVERY

    def keys(self) -> Sequence[SessionKey]:
        """All that are accepted, the one to sign with first. Ask anew for each request."""
        if self._monotonic() >= self._due:
            self._look()
        return self._keys

    def _look(self) -> None:
        """Take up what has changed. A file that is gone or broken takes away no key in use."""
        self._due = self._monotonic() + LOOK_EVERY
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            try:
                self._records = load(self._path)
            except KeysError:
                stamp = self._stamp  # look again
            self._stamp = stamp
        self._keys = usable(self._records, self._clock())


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What differs when another file has taken its place, or None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _fresh(random: Callable[[int], bytes], created: float, signs_from: float) -> KeyRecord:
    return KeyRecord(SessionKey(random(4).hex(), random(32)), created, signs_from)


def _record(found: Any) -> KeyRecord:
    key = SessionKey(found["kid"], bytes.fromhex(found["secret"]))
    return KeyRecord(key, float(found.get("created", 0)), float(found.get("signsFrom", 0)))


def _text(records: Sequence[KeyRecord]) -> bytes:
    return orjson.dumps(
        [
            {
                "kid": record.key.kid,
                "secret": record.key.secret.hex(),
                "created": record.created,
                "signsFrom": record.signs_from,
            }
            for record in records
        ]
    )
