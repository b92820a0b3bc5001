"""Tokens that are over and still used, in one worker's memory until they are written down.

On no request's way but those that are refused; bounded whoever asks. Pure.
"""

from collections import OrderedDict
from dataclasses import dataclass

AGAIN = 3600.0
"""Seconds after which a token that is still used is told of again."""
MOST = 4096
"""Tokens remembered; the one told of least recently goes first."""


@dataclass(frozen=True, slots=True)
class RefusedUse:
    """A token that was refused because it is over.

    Attributes:
        reason: `revoked` or `expired`.
        address: of the client.
    """

    token: str
    name: str
    function: str
    reason: str
    address: str


class RefusedTokens:
    """See the module."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, float] = OrderedDict()
        self._waiting: dict[str, RefusedUse] = {}

    def is_due(self, token_id: str, now: float) -> bool:
        """Whether this one is to be told of; it counts as told then. `now` is in seconds."""
        if now - self._told.get(token_id, float("-inf")) < AGAIN:
            return False
        self._told.pop(token_id, None)
        self._told[token_id] = now
        if len(self._told) > MOST:
            self._told.popitem(last=False)
        return True

    def note(self, use: RefusedUse) -> None:
        """Keep it until it is written down."""
        if len(self._waiting) < MOST:
            self._waiting[use.token] = use

    def take(self) -> list[RefusedUse]:
        """What waits to be written down, which does so no more."""
        taken, self._waiting = list(self._waiting.values()), {}
        return taken
