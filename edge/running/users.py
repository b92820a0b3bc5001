"""Which user of the system a function's processes run as.

A user of its own keeps a function from the store, the keys and the other functions. Only root can
give it one. Nothing has to be created: a number is enough.
"""

import os
import pwd
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FIRST, MANY = 61184, 4336
"""User ids that systems leave to programs started for a while (systemd's dynamic users)."""


class NoSuchUser(Exception):
    """The setting `function_user` cannot be followed; the text says why."""


@dataclass(frozen=True, slots=True)
class User:
    """A user and their group.

    Attributes:
        is_own: whether it is the function's alone.
    """

    uid: int
    gid: int
    is_own: bool


def user_of(setting: str, slug: str, needed: Iterable[Path]) -> User | None:
    """Who a function runs as; None for the edge's own user.

    Args:
        setting: `function_user`.
        needed: directories that it must be able to read; where its own user cannot, `auto` is the
            edge's own.

    Raises:
        NoSuchUser: the named user is unknown, or the edge is not root and not that user.
    """
    if setting == "same" or (setting == "auto" and os.geteuid() != 0):
        return None
    if setting == "auto":
        user = own_user(slug)
        return user if all(can_read(path, user) for path in needed) else None
    return _named(setting)


def own_user(slug: str) -> User:
    """The user that a function has to itself, where it can."""
    number = FIRST + int.from_bytes(sha256(slug.encode()).digest()[:8], "big") % MANY
    return User(number, number, is_own=True)


def python_needs() -> tuple[Path, ...]:
    """Directories that a user must be able to read to run this interpreter with its packages."""
    program = Path(sys.executable)
    return program.parent, program.resolve().parent, Path(os.__file__).parent


def _named(name: str) -> User | None:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise NoSuchUser(f"There is no user {name} (function_user)") from None
    if found.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise NoSuchUser(f"Only root can run functions as {name} (function_user)")
    return User(found.pw_uid, found.pw_gid, is_own=False)


def can_read(directory: Path, user: User) -> bool:
    """Whether a user may enter and list a directory, by the modes of it and those above it."""
    return can_reach(directory, user) and _may(directory.resolve(), user, 0o5)


def can_reach(path: Path, user: User) -> bool:
    """Whether a user may enter all directories above a path, by their modes."""
    return all(_may(parent, user, 0o1) for parent in path.resolve().parents)


def _may(path: Path, user: User, wanted: int) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if found.st_uid == user.uid:
        shift = 6
    elif found.st_gid == user.gid:
        shift = 3
    else:
        shift = 0
    return (found.st_mode >> shift) & wanted == wanted
