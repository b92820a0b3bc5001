"""A request's body over HTTP/1.1 (RFC 9112 §6.3) as it comes: where it ends. Pure."""

from edge.errors import EdgeError, Errors, body_too_large, refusal
from edge.forwarding.chunks import ChunkWalker
from edge.forwarding.parse import InvalidAnswer


class RequestBody:
    """Where one is in the body of one request; trailers end here.

    Attributes:
        length: bytes of it, or None for chunked.
        complete: whether all of it has come.
        rest: bytes that came after its end: the next request's.
    """

    __slots__ = ("_chunks", "_left", "_limit", "_size", "complete", "length", "rest")

    def __init__(self, length: int | None, limit: int | None = None) -> None:
        """`limit` is bytes of body; None for no limit."""
        self.length = length
        self.complete = length == 0
        self.rest = b""
        self._left = length or 0
        self._chunks = ChunkWalker() if length is None else None
        self._limit = limit
        self._size = 0

    @property
    def left(self) -> int | None:
        """Bytes that have not come yet; None if that is not known."""
        return self._left if self._chunks is None else None

    @property
    def received(self) -> int:
        """Bytes of it that have come."""
        return self._size if self.length is None else self.length - self._left

    def let_go(self) -> None:
        """Nobody wants the body any more: its size no longer matters, where it ends does."""
        self._limit = None

    def feed(self, data: bytes) -> bytes:
        """The body bytes that these bytes bring, perhaps none.

        Raises:
            EdgeError: over the limit, or not well-formed.
        """
        if self._chunks is None:
            return self._feed_length(data)
        try:
            piece = self._chunks.feed(data)
        except InvalidAnswer as error:
            message = f"The chunked request body is malformed: {error}."
            raise EdgeError(refusal(Errors.BAD_REQUEST, message)) from None
        self.complete, self.rest = self._chunks.complete, self._chunks.rest
        self._size += len(piece)
        if self._limit is not None and self._size > self._limit:
            raise EdgeError(body_too_large(self._limit))
        return piece

    def _feed_length(self, data: bytes) -> bytes:
        size = len(data)
        if size <= self._left:
            self._left -= size
            self.complete = self._left == 0
            return data
        piece, self.rest = data[: self._left], data[self._left :]
        self._left = 0
        self.complete = True
        return piece
