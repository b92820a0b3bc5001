"""Where one is in a client's stream of HTTP/1.1 requests (RFC 9112 §2 to §7). Pure.

Every head is checked before anybody acts on it, pipelined ones in their turn, and every body is
walked to its end, so that its bytes are never taken for a request. Not here: whose turn it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.gate.decisions import GateSettings
from edge.message import Head, Peer, first
from edge.server.body import RequestBody
from edge.server.heads import END, begun_method, check_unfinished, parse_head

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What HTTP/2 by prior knowledge begins with (RFC 9113 §3.3, §3.4)."""

_CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class Begun:
    """A request's head has come and is sound.

    Attributes:
        raw: its bytes, the empty line that ends it included.
        length: bytes of body that follow; 0 for none, None for chunked.
    """

    head: Head
    raw: bytes = field(repr=False)
    length: int | None


@dataclass(frozen=True, slots=True)
class Content:
    """Some of the request's body, its coding taken off; never empty."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """The request is whole."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Bytes behind a WebSocket handshake: requests never follow."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Http2Assumed:
    """The client speaks HTTP/2: all that has come, the preface included. Nothing follows."""

    data: bytes = field(repr=False)


Event = Begun | Content | Ended | Opaque | Http2Assumed


class RequestStream:
    """Where one is in a client's stream of requests.

    It holds an unfinished head, a chunk's unfinished size line or trailers, and what was fed and
    not yet asked for.

    Attributes:
        between: whether no request is unfinished: what comes next is a head.
    """

    __slots__ = (
        "_body",
        "_held",
        "_next",
        "_peer",
        "_scanned",
        "_settings",
        "_skipped",
        "between",
    )

    def __init__(self, peer: Peer, settings: GateSettings) -> None:
        self.between = True
        self._peer = peer
        self._settings = settings
        self._held = b""
        self._scanned = 0
        self._skipped = False
        self._body = RequestBody(0)
        self._next: Callable[[], Event | None] = self._next_protocol

    @property
    def amid_head(self) -> bool:
        """Whether some of a head has come, or all of it, that was not given out yet."""
        return self.between and bool(self._held)

    @property
    def begun_method(self) -> str:
        """The method of a head that was not given out, as far as it can be read."""
        return begun_method(self._held) if self.between else ""

    def feed(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._held += data

    def next(self) -> Event | None:
        """What comes next, or None if that needs more bytes.

        Raises:
            EdgeError: what came is no HTTP/1.1 request (`BadHead`), or its body is broken; the
            stream is of no use any more.
        """
        return self._next()

    def _next_protocol(self) -> Event | None:
        """On a new connection the client may speak HTTP/2 at once."""
        if self._held.startswith(PREFACE):
            return Http2Assumed(self._take(len(self._held)))
        if PREFACE.startswith(self._held):
            return None
        self._next = self._next_head
        return self._next_head()

    def _next_head(self) -> Event | None:
        if not self._skipped and not self._skip_empty_line():
            return None
        end = self._held.find(END, max(0, self._scanned - len(END)))
        if end < 0:
            check_unfinished(self._held, self._settings, self._scanned)
            self._scanned = len(self._held)
            return None
        head = parse_head(self._held[:end], self._peer, self._settings)
        raw = self._take(end + len(END))
        return self._begin(head, raw)

    def _skip_empty_line(self) -> bool:
        """One is let pass before a request line (RFC 9112 §2.2); false if it may be half there."""
        if self._held in (b"", b"\r"):
            return False
        self._skipped = True
        if self._held.startswith(_CRLF):
            self._take(len(_CRLF))
        return True

    def _begin(self, head: Head, raw: bytes) -> Begun:
        self.between = False
        self._scanned = 0
        if head.websocket:
            self._next = self._next_opaque
            return Begun(head, raw, 0)
        length = _length(head)
        self._body = RequestBody(length)
        self._next = self._next_content
        return Begun(head, raw, length)

    def _next_content(self) -> Event | None:
        if self._body.complete:
            return self._end()
        if not self._held:
            return None
        data = self._body.feed(self._take(len(self._held)))
        if data:
            return Content(data)
        return self._end() if self._body.complete else None

    def _end(self) -> Ended:
        self._held = self._body.rest + self._held
        self.between = True
        self._skipped = False
        self._next = self._next_head
        return Ended()

    def _next_opaque(self) -> Event | None:
        return Opaque(self._take(len(self._held))) if self._held else None

    def _take(self, size: int) -> bytes:
        data, self._held = self._held[:size], self._held[size:]
        return data


def _length(head: Head) -> int | None:
    """Bytes of body by the head, which was checked to name one framing at most; None: chunked."""
    if first(head.headers, b"transfer-encoding") is not None:
        return None
    return int(first(head.headers, b"content-length") or 0)
