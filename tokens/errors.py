"""What can go wrong with tokens and their store, each error with the text a user reads. Pure.

Not here: why a presented token is refused, which is a value (`tokens.model.Refused`), not an error.
"""

from typing import ClassVar, Literal

from tokens.secret import redact

Kind = Literal["invalid", "not_found", "conflict", "store", "busy"]


class TokenError(Exception):
    """The base of all of them; `str()` of one is public text that says what to do, secrets blacked.

    Attributes:
        kind: `invalid` and `not_found` and `conflict` are the caller's; `busy` may succeed when
            tried again; `store` needs someone who looks after the machine.
    """

    kind: ClassVar[Kind] = "invalid"

    def __init__(self, text: str) -> None:
        super().__init__(redact(text))


class ScopeError(TokenError):
    """A scope that is not one; the text names it."""


class InvalidToken(TokenError):
    """A name, expiry, rate or overlap that no token can have."""


class NameTaken(TokenError):
    """A live token of the function already has the name."""

    kind: ClassVar[Kind] = "conflict"


class UnknownToken(TokenError):
    """No token of the function has this id, and no live one this name."""

    kind: ClassVar[Kind] = "not_found"


class AmbiguousToken(TokenError):
    """Several tokens go by this name; the text lists their ids."""

    kind: ClassVar[Kind] = "conflict"


class TokenEnded(TokenError):
    """The token was revoked, has expired or was rotated out, so it cannot be changed any more."""

    kind: ClassVar[Kind] = "conflict"


class StoreError(TokenError):
    """The store cannot do its work; nothing was changed."""

    kind: ClassVar[Kind] = "store"


class StoreMissing(StoreError):
    """There is no store in the data directory, and nobody asked for one to be created."""

    kind: ClassVar[Kind] = "not_found"


class StoreCorrupt(StoreError):
    """The file is not a database, or a damaged one."""


class StoreLocked(StoreError):
    """Another process holds the store for longer than one is willing to wait."""

    kind: ClassVar[Kind] = "busy"


class StoreNotWritable(StoreError):
    """The directory, the file or the disk refuses what is to be written."""


class StoreTooNew(StoreError):
    """A later version of this program has changed the schema."""
