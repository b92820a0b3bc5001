"""What a tool call that asks its client back carries: sealed state out, answers in. Pure.

A function's `requestState` passes through the client, who must neither read nor change it nor bring
it to another call (MCP 2026-07-28, multi round-trip requests). Within its time it may be presented
more than once: a client that lost an answer tries again, and what must happen once is the
function's to see to.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from mcp_bridge.jsontext import dump, parse
from mcp_bridge.sealing import seal, unseal
from mcp_bridge.session import SessionKey

TTL = 600
"""Seconds in which a client must answer."""

MAX_STATE = 4_096
"""Bytes of a function's state, as UTF-8."""

MAX_HEADER = 8_000
"""Bytes of `HEADER`'s value: what common servers accept in one field line."""

HEADER = b"x-jelou-mcp"
"""The field in which a function gets the client's answers, its own state and what the client can.

ASCII JSON: `{"clientCapabilities":{…},"inputResponses":{…},"requestState":"…"}`, each where known.
"""

INVALID_STATE = "Invalid or expired requestState"
"""The message of the `-32602` for a state that `open_state` does not open."""

_SKEW = 60
"""Seconds that another node's clock may be ahead."""


class StateError(ValueError):
    """State or answers that cannot be carried; the message says so to a model."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call that a state belongs to.

    Attributes:
        lineage: of the token that called; empty if it was called without one.
        digest: of the arguments; see `digest_of`.
    """

    function: str
    lineage: str
    tool: str
    digest: str


@dataclass(frozen=True, slots=True)
class OpenedState:
    """What a function had said; None if it only asked."""

    state: str | None = field(repr=False)


def digest_of(arguments: Mapping[str, Any]) -> str:
    """A digest of a call's arguments, whatever the order of their names."""
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def seal_state(
    state: str | None,
    call: Call,
    keys: Sequence[SessionKey],
    now: float,
    random: Callable[[int], bytes],
) -> str:
    """The `requestState` that the client gets; `now` is Unix time in seconds.

    Raises:
        StateError: the state has more than `MAX_STATE` bytes.
    """
    if state is not None and len(state.encode()) > MAX_STATE:
        raise StateError(f"The function's requestState has more than {MAX_STATE} bytes.")
    return seal(dump([int(now), state]), _bound(call), keys, random)


def open_state(
    sealed: str, call: Call, keys: Sequence[SessionKey], now: float
) -> OpenedState | None:
    """What was sealed, or None: forged, cut, of another call or token, or older than `TTL`."""
    plain = unseal(sealed, _bound(call), keys)
    if plain is None:
        return None
    issued, state = parse(plain)
    return OpenedState(state) if issued - _SKEW <= now < issued + TTL else None


def header_value(
    capabilities: Mapping[str, Any],
    responses: Mapping[str, Any] | None = None,
    state: str | None = None,
) -> bytes:
    """The value of `HEADER`.

    Args:
        capabilities: the client's, as it sent them with the call.
        responses: `inputResponses` of the call.
        state: the function's own, opened.

    Raises:
        StateError: it has more than `MAX_HEADER` bytes.
    """
    said: dict[str, Any] = {"clientCapabilities": capabilities}
    if responses is not None:
        said["inputResponses"] = responses
    if state is not None:
        said["requestState"] = state
    value = dump(said)
    if not value.isascii() or b"\x7f" in value:
        text = json.dumps(said, separators=(",", ":")).replace("\x7f", "\\u007f")
        value = text.encode("ascii")
    if len(value) > MAX_HEADER:
        raise StateError(
            f"The client's capabilities and answers take {len(value)} bytes; at most {MAX_HEADER} "
            "can be handed to the function. Answer more briefly."
        )
    return value


def _bound(call: Call) -> tuple[str, ...]:
    return ("state", call.function, call.lineage, call.tool, call.digest)
