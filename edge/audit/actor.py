"""Who is acting: told once where a call comes in, read where what it changed is recorded.

Nothing that a caller sends says who he is: on this machine the system does, elsewhere the access
token that was verified.
"""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from edge.audit.record import Actor

_ACTING: ContextVar[Actor | None] = ContextVar("acting", default=None)


def current() -> Actor:
    """Who acts in this context; the user who runs this process unless another was told."""
    return _ACTING.get() or Actor("local", local_user())


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Have all that is recorded in the block be this one's doing."""
    before = _ACTING.set(actor)
    try:
        yield
    finally:
        _ACTING.reset(before)


@cache
def local_user() -> str:
    """The name of the user, or the number of one without an entry, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
