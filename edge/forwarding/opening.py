"""The opening handshake of a WebSocket (RFC 6455 §4), and what a 101 must prove. Pure."""

import base64
import hashlib
import re

from edge.message import Headers, first, split_list, values

VERSION = b"13"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_NOT_FORWARDED = frozenset(
    {b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions"}
)


class NotAWebSocket(Exception):
    """The upstream's 101 does not switch to the WebSocket that was asked for."""


def new_key(random: bytes) -> bytes:
    """A `Sec-WebSocket-Key` from 16 random bytes (RFC 6455 §4.1)."""
    return base64.b64encode(random)


def own_handshake(sent: Headers, key: bytes) -> Headers:
    """The caller's fields as a handshake of our own: extensions are not passed on."""
    kept = tuple(pair for pair in sent if pair[0] not in _NOT_FORWARDED)
    return (*kept, (b"sec-websocket-version", VERSION), (b"sec-websocket-key", key))


def is_complete(sent: Headers) -> bool:
    """Whether a handshake has all that an upstream needs to accept it, each once."""
    keys = values(sent, b"sec-websocket-key")
    if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
        return False
    return values(sent, b"sec-websocket-version") == [VERSION]


def check_accept(answered: Headers, sent: Headers) -> str | None:
    """The subprotocol chosen by a 101, which must prove that it means this WebSocket.

    Args:
        answered: the 101's fields.
        sent: the handshake's, as the upstream was sent them.

    Raises:
        NotAWebSocket: wrong or missing `Sec-WebSocket-Accept` or `Upgrade`, or it chose an
            extension or a subprotocol that was not offered.
    """
    proof = _proof(first(sent, b"sec-websocket-key") or b"")
    upgrade = first(answered, b"upgrade") or b""
    if values(answered, b"sec-websocket-accept") != [proof] or upgrade.lower() != b"websocket":
        raise NotAWebSocket("the 101 has no matching Sec-WebSocket-Accept")
    if not _extensions(answered) <= _extensions(sent):
        raise NotAWebSocket("the 101 has an extension that was not offered")
    chosen = values(answered, b"sec-websocket-protocol")
    if len(chosen) > 1 or not set(chosen) <= set(split_list(sent, b"sec-websocket-protocol")):
        raise NotAWebSocket("the 101 has a subprotocol that was not offered")
    return chosen[0].decode("latin-1") if chosen else None


def _proof(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _extensions(fields: Headers) -> set[bytes]:
    """The names of the extensions in a handshake; their parameters are for its two ends."""
    members = split_list(fields, b"sec-websocket-extensions")
    return {member.partition(b";")[0].strip().lower() for member in members}
