"""An upstream's answer, read from bytes as they come: interim heads, head, body, end. Pure.

It knows neither sockets nor waiting: feed it, then look at what it knows.
"""

from collections.abc import Callable

from edge.forwarding.chunks import ChunkWalker
from edge.forwarding.parse import (
    HEAD_LIMIT,
    Frame,
    InvalidAnswer,
    ResponseHead,
    check_partial_head,
    frame,
    parse_head,
)
from edge.message import Headers

Known = Callable[[bytes], tuple[ResponseHead, Frame] | None]
"""Tells what a final head says that was read before, and where its answer ends."""

INTERIM_LIMIT = 16
"""Interim answers (RFC 9110 §15.2) before a final one."""


class AnswerReader:
    """Where one is in the answer to one request.

    Attributes:
        begun: whether a byte has come.
        interim: interim heads that have come; whoever looks at them may clear the list.
        head: the final head once it has come; `101` only if an upgrade was asked for.
        frame: how the answer ends, once the head has come.
        raw: the final head as it came, if it had to be parsed.
        complete: whether all of it has come.
        trailers: known once complete.
        rest: bytes after the end; after `101`, the first bytes of the other protocol.
    """

    __slots__ = (
        "_chunks",
        "_held",
        "_in_step",
        "_interims",
        "_known",
        "_left",
        "_method",
        "_upgrade",
        "begun",
        "complete",
        "frame",
        "head",
        "interim",
        "raw",
        "rest",
        "trailers",
    )

    def __init__(self, method: bytes, upgrade: bool = False, known: Known | None = None) -> None:
        """`known` may tell what a head says without its being parsed again."""
        self._known = known
        self.raw = b""
        self.begun = False
        self.interim: list[ResponseHead] = []
        self.head: ResponseHead | None = None
        self.frame: Frame | None = None
        self.complete = False
        self.trailers: Headers = ()
        self.rest = b""
        self._method = method
        self._upgrade = upgrade
        self._held: bytearray | None = None
        self._interims = 0
        self._in_step = True
        self._left = 0
        self._chunks: ChunkWalker | None = None

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another exchange: the answer ended exactly."""
        frame = self.frame
        return (
            self.complete
            and self._in_step
            and not self.rest
            and frame is not None
            and frame.keep_alive
        )

    def feed(self, data: bytes) -> bytes:
        """The body bytes that these bytes bring, perhaps none; never more than came in.

        Raises:
            InvalidAnswer: this is not an answer; the reader is of no use from then on.
        """
        self.begun = True
        if self.head is None:
            return self._feed_head(data)
        return self._feed_body(data)

    def end(self) -> bool:
        """The connection was closed in good order: whether that makes the answer whole."""
        if self.frame is not None and self.frame.framing == "close":
            self.complete = True
        return self.complete

    def _feed_head(self, data: bytes) -> bytes:
        scanned = 0
        held: bytes | bytearray = data
        if self._held is not None:
            scanned = max(0, len(self._held) - 3)
            self._held += data
            held = self._held
        while (end := held.find(b"\r\n\r\n", scanned)) >= 0:
            if end + 4 > HEAD_LIMIT:
                raise InvalidAnswer(f"the head is over {HEAD_LIMIT} bytes")
            raw = bytes(held[:end])
            held, scanned = bytes(held[end + 4 :]), 0
            self._held = None
            known = None if self._known is None else self._known(raw)
            if known is not None:
                return self._begin(*known, held)
            head = parse_head(raw)
            if head.status >= 200 or (head.status == 101 and self._upgrade):
                self.raw = raw
                return self._begin(head, frame(head, self._method), held)
            self._note_interim(head)
        if held:
            check_partial_head(held, scanned)
            self._held = held if isinstance(held, bytearray) else bytearray(held)
        return b""

    def _note_interim(self, head: ResponseHead) -> None:
        if head.status == 101:
            raise InvalidAnswer("101 without having been asked to switch protocols")
        self._interims += 1
        if self._interims > INTERIM_LIMIT:
            raise InvalidAnswer(f"there are more than {INTERIM_LIMIT} interim answers")
        self._in_step = self._in_step and frame(head, self._method).keep_alive
        self.interim.append(head)

    def _begin(self, head: ResponseHead, framed: Frame, data: bytes) -> bytes:
        self.frame = framed
        self.head = head
        self._left = framed.length
        if framed.framing == "chunked":
            self._chunks = ChunkWalker()
        elif framed.framing != "close" and self._left == 0:
            self.complete = True
        return self._feed_body(data)

    def _feed_body(self, data: bytes) -> bytes:
        if self.complete:
            self.rest += data
            return b""
        if self._chunks is not None:
            return self._feed_chunks(self._chunks, data)
        if self.frame is not None and self.frame.framing == "close":
            return data
        piece = data[: self._left]
        self._left -= len(piece)
        if self._left == 0:
            self.complete = True
            self.rest = data[len(piece) :]
        return piece

    def _feed_chunks(self, chunks: ChunkWalker, data: bytes) -> bytes:
        piece = chunks.feed(data)
        if chunks.complete:
            self.complete = True
            self.trailers = chunks.trailers
            self.rest = chunks.rest
        return piece
