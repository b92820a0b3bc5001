"""What all connections of a worker's fast lane share, and what the lane needs of its connection."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edge.app import Door
from edge.doors.asgi import Pace
from edge.doors.open_documents import OpenDocuments
from edge.errors import Refusal
from edge.events import Account, Observe
from edge.fast.answer_rote import AnswerRote
from edge.fast.headwork import Lasting
from edge.fast.rote import Rote
from edge.forwarding.limit import InFlight
from edge.forwarding.pool import Pool
from edge.limits import Left
from edge.message import Headers
from edge.state.streams import OpenStreams

MOST_LASTING = 1024
"""Callers for whom the worker keeps ready what lasts from request to request."""

DRAWN = 4096
"""Random bytes drawn at once."""


@dataclass(slots=True)
class Counts:
    """What the lane has done.

    Attributes:
        requests: requests that it answered.
        handed_over: connections that it gave to the ASGI lane.
    """

    requests: int = 0
    handed_over: int = 0


class Entropy:
    """Strong random bytes, drawn from their source in larger pieces: a system call costs more."""

    __slots__ = ("_at", "_drawn", "_source")

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._drawn = b""
        self._at = 0

    def __call__(self, size: int) -> bytes:
        """So many bytes, each given out once."""
        if self._at + size > len(self._drawn):
            self._drawn, self._at = self._source(max(size, DRAWN)), 0
        self._at += size
        return self._drawn[self._at - size : self._at]


@dataclass(frozen=True, slots=True)
class Lane:
    """One instance per worker.

    Attributes:
        edge_id: this edge in `Via`.
        connect, idle: seconds to a connection, and without a byte within an answer.
        head, keep_alive: seconds for a request head, and between two requests.
        random: strong random bytes.
        log: told of errors that are the edge's own, with the request id.
        observe: told of every request that is over, and of connections that are ended.
        lasting: what lasts from request to request of a caller, on whichever connection.
    """

    door: Door
    pool: Pool
    in_flight: InFlight
    documents: OpenDocuments
    streams: OpenStreams
    pace: Pace
    edge_id: str
    connect: float
    idle: float
    head: float
    keep_alive: float
    random: Callable[[int], bytes]
    log: Callable[[BaseException, bytes], None]
    observe: Observe
    counts: Counts = field(default_factory=Counts)
    lasting: dict[tuple[object, ...], Lasting] = field(default_factory=dict)


class Passage(Protocol):
    """Where the client's bytes go once protocols were switched (RFC 9110 §7.8)."""

    def client_sent(self, data: bytes) -> None:
        """The client has sent bytes."""

    def client_ended(self) -> None:
        """The client will send no more; it may still be reading."""

    def client_writable(self) -> None:
        """The client takes bytes again."""

    def client_left(self) -> None:
        """The client's connection is over."""


class Asker(Protocol):
    """The client's connection, as one forwarded request needs it.

    Attributes:
        lasting: what lasts from one of its requests to the next, once it was made.
        rote: the request that this one is again, or will be, or None.
        answer_rote: the answer that the next one may be again, or None.
        answer_credit: how many more answers are learnt in vain.
        varying: the fields that hold the request's ids.
        left: of the rate limits that the request counts against.
        account: of the request.
        alternatives: the fields by which every answer tells where else the edge is (RFC 7838).
    """

    lasting: Lasting | None
    rote: Rote | None
    answer_rote: AnswerRote | None
    answer_credit: int
    varying: Headers
    left: tuple[Left, ...]
    account: Account
    alternatives: Headers

    @property
    def congested(self) -> bool: ...

    @property
    def draining(self) -> bool:
        """Whether the worker is ending."""
        ...

    @property
    def stays(self) -> bool:
        """Whether another request may follow on the connection."""
        ...

    def write(self, data: bytes) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def answered(self, *, keep: bool) -> None:
        """The answer has been written, whole; `keep` the connection or end it."""
        ...

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error of the edge's instead of the function's answer."""
        ...

    def break_off(self) -> None:
        """End the connection so that the answer cannot look whole."""
        ...

    def cut_soon(self) -> None:
        """Drop what the client has not taken in a moment of what was broken off."""
        ...

    def reset(self) -> None:
        """End the connection at once, with what waits to be sent."""
        ...

    def switched(self, passage: Passage) -> None:
        """A 101 has been written: hand over what the client has sent since, and all that comes."""
        ...
