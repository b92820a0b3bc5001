"""What all connections of a worker's fast lane share, and what the lane needs of its connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.app import Door
from edge.doors.asgi import Pace
from edge.doors.open_documents import OpenDocuments
from edge.errors import Refusal
from edge.forwarding.limit import InFlight
from edge.forwarding.pool import Pool
from edge.state.streams import OpenStreams


@dataclass(slots=True)
class Counts:
    """What the lane has done.

    Attributes:
        requests: requests that it answered.
        handed_over: connections that it gave to the ASGI lane.
    """

    requests: int = 0
    handed_over: int = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """One instance per worker.

    Attributes:
        edge_id: this edge in `Via`.
        connect, idle: seconds to a connection, and without a byte within an answer.
        head, keep_alive: seconds for a request head, and between two requests.
        log: told of errors that are the edge's own, with the request id.
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
    log: Callable[[BaseException, bytes], None]
    counts: Counts


class Asker(Protocol):
    """The client's connection, as one forwarded request needs it."""

    @property
    def congested(self) -> bool: ...

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
