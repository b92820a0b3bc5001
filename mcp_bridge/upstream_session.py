"""Sessions of functions that are MCP servers, inside ids that only the edge can read. Pure.

An id carries the function's own one and how the session was opened, so that any worker can serve
it, and open it again where the function has forgotten it.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_bridge.jsontext import JSONError, dump, parse
from mcp_bridge.sealing import seal, unseal
from mcp_bridge.session import MAX_AGE, MAX_LENGTH, SessionKey

_PURPOSE = "mcp-upstream-session"
_SKEW = 60
_VISIBLE = re.compile(r"[\x21-\x7e]{1,512}")
_NAME = 64
"""Characters of a client's name or version that are kept where all of it is too long."""

Opening = dict[str, Any]


@dataclass(frozen=True, slots=True)
class UpstreamSession:
    """What an id holds.

    Attributes:
        issued: Unix time, seconds.
        nonce: names the session where ended and re-opened ones are kept.
        home: where it lives, and the function's own id of it, as it was first.
        opening: the params of its `initialize`; None if they were too long to be carried.
        text: the id as the client has it.
    """

    issued: int
    nonce: str
    home: str = field(repr=False)
    opening: Opening | None = field(repr=False)
    text: str = field(default="", repr=False)

    @property
    def expires(self) -> int:
        """Unix time, seconds, from which the id is refused."""
        return self.issued + MAX_AGE


def new_session(
    home: str, opening: Opening | None, now: float, random: Callable[[int], bytes]
) -> UpstreamSession:
    """A session that the function has just opened; `random` returns that many random bytes."""
    return UpstreamSession(int(now), random(16).hex(), home, opening)


def seal_session(
    session: UpstreamSession,
    function: str,
    lineage: str,
    keys: Sequence[SessionKey],
    random: Callable[[int], bytes],
) -> str | None:
    """The id for the client; None if the function's own is none (MCP: visible ASCII) or too long.

    Args:
        function, lineage: the slug and the token line that it is good for.
    """
    if _VISIBLE.fullmatch(session.home) is None:
        return None
    for opening in _ever_shorter(session.opening):
        plain = [session.issued, session.nonce, session.home, opening]
        packed = zlib.compress(dump(plain), 9)
        if len(packed) < MAX_LENGTH:
            text = seal(packed, (_PURPOSE, function, lineage), keys, random)
            if len(text) <= MAX_LENGTH:
                return text
    return None


def unseal_session(
    text: str, keys: Sequence[SessionKey], *, function: str, lineage: str, now: float
) -> UpstreamSession | None:
    """What an id holds; None if it is forged, aged, or of another function or token line."""
    packed = unseal(text, (_PURPOSE, function, lineage), keys) if len(text) <= MAX_LENGTH else None
    if packed is None:
        return None
    try:
        issued, nonce, home, opening = parse(zlib.decompress(packed))
    except (JSONError, ValueError, TypeError, zlib.error):
        return None
    session = UpstreamSession(issued, nonce, home, opening, text)
    return session if session.issued - _SKEW <= now < session.expires else None


def opening_of(body: bytes) -> Opening | None:
    """The params of an `initialize`, without its `_meta`; None for any other message."""
    try:
        message = parse(body)
        if message["method"] != "initialize" or "id" not in message:
            return None
        return {key: value for key, value in message["params"].items() if key != "_meta"}
    except (JSONError, KeyError, TypeError, AttributeError):
        return None


def _ever_shorter(opening: Opening | None) -> list[Opening | None]:
    """An opening, one without what only describes the client, and none."""
    if opening is None:
        return [None]
    said = opening.get("clientInfo")
    client = said if isinstance(said, dict) else {}
    slim = {key: str(client.get(key, ""))[:_NAME] for key in ("name", "version")}
    return [opening, {**opening, "clientInfo": slim}, None]
