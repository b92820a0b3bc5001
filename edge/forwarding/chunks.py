"""The chunked coding of RFC 9112 §7.1, read from bytes as they come. Pure and strict."""

import re

from edge.forwarding.parse import InvalidAnswer, parse_trailers
from edge.message import Headers

LINE_LIMIT = 256
"""Bytes of a chunk's size line, extensions included, its CRLF not."""

TRAILER_LIMIT = 8 * 1024
"""Bytes of the trailer section, its last empty line included."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]*+)?+")

_LINE, _DATA, _END_OF_DATA, _TRAILERS = range(4)


class ChunkWalker:
    """Where one is in a chunked body.

    Extensions are dropped (RFC 9112 §7.1.1), trailers kept.

    Attributes:
        complete: whether the last chunk and the trailer section have come.
        trailers: known once complete.
        rest: bytes that came after the end.
    """

    __slots__ = ("_held", "_left", "_state", "complete", "rest", "trailers")

    def __init__(self) -> None:
        self.complete = False
        self.trailers: Headers = ()
        self.rest = b""
        self._state = _LINE
        self._left = 0
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The body bytes that these bytes bring, perhaps none; never more than came in.

        Raises:
            InvalidAnswer: the coding is broken or over a limit.
        """
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        at = 0
        while True:
            if self._state == _DATA:
                after = self._take_data(data, at, pieces)
            elif self._state == _LINE:
                after = self._take_line(data, at)
            elif self._state == _END_OF_DATA:
                after = self._take_end_of_data(data, at)
            else:
                after = self._take_trailers(data, at)
            if after < 0:
                break
            at = after
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # Each of these returns where it stopped, or -1 when it needs more bytes or all is done.

    def _take_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._left]
        if not piece:
            return -1
        pieces.append(piece)
        self._left -= len(piece)
        if self._left == 0:
            self._state = _END_OF_DATA
        return at + len(piece)

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at, at + LINE_LIMIT + 2)
        if end < 0:
            if len(data) - at >= LINE_LIMIT + 2:
                raise InvalidAnswer(f"a chunk's size line is over {LINE_LIMIT} bytes")
            return self._hold(data, at)
        match = _SIZE.fullmatch(data, at, end)
        if match is None:
            raise InvalidAnswer("a chunk's size line breaks the grammar")
        self._left = int(match[1], 16)
        self._state = _DATA if self._left else _TRAILERS
        # The trailer section is read with the CRLF before it, so that it ends like a head.
        return end + 2 if self._left else end

    def _take_end_of_data(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if not b"\r\n".startswith(end):
            raise InvalidAnswer("a chunk is longer than its size")
        if len(end) < 2:
            return self._hold(data, at)
        self._state = _LINE
        return at + 2

    def _take_trailers(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n\r\n", at, at + TRAILER_LIMIT + 2)
        if end < 0:
            if len(data) - at >= TRAILER_LIMIT + 2:
                raise InvalidAnswer(f"the trailers are over {TRAILER_LIMIT} bytes")
            return self._hold(data, at)
        self.trailers = parse_trailers(data[at:end])
        self.rest = data[end + 4 :]
        self.complete = True
        return -1

    def _hold(self, data: bytes, at: int) -> int:
        self._held = data[at:]
        return -1
