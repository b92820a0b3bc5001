"""The frames of a WebSocket (RFC 6455 §5) as far as an onlooker must know them. Pure.

Not here: messages (`websocket`). Nothing is checked: whether frames are well-formed is for the two
ends to judge.
"""

from enum import IntEnum

_CLOSE = 0x8
_FINAL = 0x80
_LENGTHS = {126: 2, 127: 8}
"""Bytes of an extended payload length, by what stands in the length's place (RFC 6455 §5.2)."""


class CloseCode(IntEnum):
    """Why the edge itself closes a WebSocket (RFC 6455 §7.4.1)."""

    GOING_AWAY = 1001
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011


def close_frame(code: CloseCode) -> bytes:
    """A Close frame as a server sends it (RFC 6455 §5.5.1)."""
    return bytes((_FINAL | _CLOSE, 2)) + code.to_bytes(2, "big")


class FrameWalker:
    """Where one is in the frames that one end sends.

    Attributes:
        closed: whether a Close frame has begun: nothing may follow it.
    """

    __slots__ = ("_header", "_left", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._header = b""
        self._left = 0

    @property
    def may_close(self) -> bool:
        """Whether a Close frame may stand here: between two frames, and none has come yet."""
        return not (self._left or self._header or self.closed)

    def feed(self, data: bytes) -> None:
        """The end has sent these bytes."""
        if self._header:
            data, self._header = self._header + data, b""
        at, size = self._left, len(data)
        while at < size:
            end = _end_of_frame(data, at)
            if end < 0:
                self._header = data[at:]
                self._left = 0
                return
            if data[at] & 0x0F == _CLOSE:
                self.closed = True
            at = end
        self._left = at - size


def _end_of_frame(data: bytes, at: int) -> int:
    """Where the frame that begins at an offset ends; negative if its header is not whole."""
    if at + 2 > len(data):
        return -1
    second = data[at + 1]
    length, payload = second & 0x7F, at + 2
    extended = _LENGTHS.get(length, 0)
    if extended:
        length = int.from_bytes(data[payload : payload + extended], "big")
    payload += extended + (4 if second & 0x80 else 0)
    return payload + length if payload <= len(data) else -1
