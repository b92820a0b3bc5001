"""The vocabulary of talking to an upstream: requests, timeouts, failures. Pure.

Bodies and headers are those of `edge.message`; an upstream's address is `edge.functions.Upstream`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from edge.message import Body, Headers

PIECE = 64 * 1024
"""Bytes of body that move at once, at most, in either direction."""

FRAMING_FIELDS = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that say where a message ends (RFC 9112 §6); only the client itself writes them."""

Framing = Literal["length", "chunked", "close", "none"]
"""How the end of an answer is known (RFC 9112 §6.3); `none` is an answer without a body."""

FailureKind = Literal[
    "unreachable", "overloaded", "open", "reset", "invalid", "timeout", "truncated", "idle"
]


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A request as it goes to an upstream.

    Attributes:
        target: written as it is; a base path of the upstream is already in it.
        headers: final, without the fields of `FRAMING_FIELDS`, which follow from body and length.
        body: bytes already in memory, or pieces that are sent as they come, or None. Whoever made
            an iterator closes it: the client stops asking for pieces, it does not call `aclose`.
        length: bytes of a body that comes in pieces; None sends it chunked.
        upgrade: whether `101` is a welcome answer (RFC 9110 §7.8).
    """

    method: bytes
    target: bytes
    headers: Headers = field(repr=False)
    body: Body | bytes | None = field(default=None, repr=False)
    length: int | None = None
    upgrade: bool = False

    @property
    def bodiless(self) -> bool:
        """Whether nothing follows the head."""
        return self.body is None or self.body == b""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an upstream may take; seconds.

    Attributes:
        connect: until the connection stands, TLS included.
        head: from the last body byte sent to the answer's final head; also the longest time for
            which an upstream may refuse to take more of the body.
        idle: without a byte within an answer.
    """

    connect: float = 5.0
    head: float = 30.0
    idle: float = 60.0


class RetryRule(Enum):
    """When a request may be sent a second time, on a fresh connection.

    `SAFE` adds to `UNWRITTEN` a `GET`, `HEAD` or `OPTIONS` without body whose *reused* connection
    closed before any byte of an answer (RFC 9112 §9.3.1). Other methods are never repeated.
    """

    UNWRITTEN = "no byte was written"
    SAFE = "no byte was written, or nothing can have been changed"


class UpstreamFailure(Exception):
    """An upstream did not answer, or not wholly.

    The text never holds a header value or a piece of a body.

    Attributes:
        kind: `unreachable`, no connection; `overloaded`, no process of the function takes one more
            request; `open`, as `CircuitOpen`; `reset`, closed before the answer's head was whole;
            `invalid`, not HTTP; `timeout`, no head in time; `truncated`, cut within the answer;
            `idle`, silent within the answer.
        written: whether a byte of the request may have gone out.
        reused: whether the connection had carried an exchange before.
        begun: whether a byte of an answer came.
    """

    def __init__(
        self,
        kind: FailureKind,
        detail: str,
        *,
        written: bool = False,
        reused: bool = False,
        begun: bool = False,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.written = written
        self.reused = reused
        self.begun = begun

    @property
    def cut(self) -> bool:
        """Whether the upstream had the request, perhaps, and left it without an answer."""
        return self.kind == "reset" and self.written

    @property
    def stale(self) -> bool:
        """Whether it may be just that a kept connection had been closed meanwhile."""
        return self.kind == "reset" and self.reused and not self.begun


class CircuitOpen(UpstreamFailure):
    """An upstream that has been failing is left alone: nothing was tried.

    Attributes:
        wait: seconds until it is tried again.
        cause: what its last failure was.
    """

    def __init__(self, wait: float, cause: FailureKind) -> None:
        super().__init__("open", f"left alone for {wait:.1f} s after {cause}")
        self.wait = wait
        self.cause = cause


class BodyMismatch(Exception):
    """A request body was shorter or longer than its declared length; the request was aborted."""
