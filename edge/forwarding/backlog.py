"""Received bytes that wait for a slow consumer: a queue that knows when it is full. Pure."""

from collections import deque

HIGH = 128 * 1024
"""Bytes above which the upstream is made to wait; one more piece of 64 KiB may still come."""

LOW = 32 * 1024
"""Bytes at which it may go on."""

PIECES_HIGH = 256
"""Pieces above which likewise: a drip of single bytes costs more than its bytes."""

PIECES_LOW = 64


class Backlog:
    """Pieces in the order of their arrival.

    Attributes:
        held: bytes in all of them.
    """

    __slots__ = ("_pieces", "held")

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self.held = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def full(self) -> bool:
        """Whether the upstream is to wait."""
        return self.held > HIGH or len(self._pieces) > PIECES_HIGH

    @property
    def relaxed(self) -> bool:
        """Whether an upstream that waits may go on."""
        return self.held <= LOW and len(self._pieces) <= PIECES_LOW

    def push(self, piece: bytes) -> None:
        """Add a piece at the end."""
        self._pieces.append(piece)
        self.held += len(piece)

    def pop(self) -> bytes:
        """Take the first piece; there must be one."""
        piece = self._pieces.popleft()
        self.held -= len(piece)
        return piece

    def clear(self) -> None:
        """Drop everything."""
        self._pieces.clear()
        self.held = 0
