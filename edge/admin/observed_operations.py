"""What all workers have counted, and how each is: what can be asked, and the values. Pure.

As `edge.admin.operations`, of which it is a part. docs/metrics.md says what is counted as what.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from edge.admin.times import Time

LAST_LINES = 50
"""Lines of the access log in one answer at most."""


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Requests that are over and were alike; the attributes are the labels of the metric."""

    function: str
    status: int
    code: str
    lane: str
    whole: bool
    count: int


@dataclass(frozen=True, slots=True)
class TimeCount:
    """How long the requests of a function took.

    Attributes:
        seconds: in all.
        classes: how many fell into each class of duration, and beyond the last bound.
    """

    function: str
    seconds: float
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ByteCount:
    """Bytes of the bodies of a function's requests and of its answers."""

    function: str
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class MessageCount:
    """Messages of MCP."""

    function: str
    method: str
    count: int


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of a tool; `result` is `ok`, `error` or `unknown`."""

    function: str
    tool: str
    result: str
    count: int


@dataclass(frozen=True, slots=True)
class RunCount:
    """Runs of schedules; `state` is `ok`, `error` or `unknown`."""

    function: str
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """A worker.

    Attributes:
        since: when it began.
        at: of when its counts are, at most half a second ago.
        requests: that are over, those of former workers of its slot too.
        generation: of the store that it has applied; `behind`, how many it has not.
        in_flight: requests on their way to functions.
        streams: open event streams, WebSockets and streams of MCP.
        resident_bytes: of memory.
        cpu_seconds: of processor time that it has used.
        open_files, most_open_files: files and sockets; the limit.
        connections: to functions.
        circuits: addresses that it leaves alone for a while.
    """

    slot: int
    pid: int
    since: Time
    at: Time
    requests: int
    generation: int
    behind: int
    in_flight: int
    streams: int
    resident_bytes: int
    cpu_seconds: float
    open_files: int
    most_open_files: int
    connections: int
    circuits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """Counts of all workers since the edge began, added up; they only grow.

    Attributes:
        at: when it was asked.
        workers: each slot's youngest.
        bounds: upper ends of the classes of duration, seconds; the last class has none.
        durations: of whole requests; `upstream`, of waiting for the function.
        unauthorized: by reason; `unread` by code, `cut_off` by why.
        recent: the last lines of the access log, the oldest first (docs/logs.md).
    """

    at: Time
    workers: tuple[WorkerCounts, ...]
    bounds: tuple[float, ...]
    requests: tuple[RequestCount, ...]
    durations: tuple[TimeCount, ...]
    upstream: tuple[TimeCount, ...]
    traffic: tuple[ByteCount, ...]
    unauthorized: dict[str, int]
    messages: tuple[MessageCount, ...]
    calls: tuple[CallCount, ...]
    unread: dict[str, int]
    cut_off: dict[str, int]
    runs: tuple[RunCount, ...]
    recent: tuple[dict[str, Any], ...]


class ObservedOperations(Protocol):
    """Synchronous; safe in several threads."""

    def observed(self) -> Observed:
        """What all workers have counted, and how each of them is.

        Raises:
            AdminError: TRANSIENT_ERROR if no edge is running.
        """
        ...
