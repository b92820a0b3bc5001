"""How an edge is: what can be asked of it as a whole, and the values that tell it. Pure.

As `edge.admin.operations`, of which it is a part.
"""

from dataclasses import dataclass
from typing import Protocol

from edge.admin.times import Time


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker that answers.

    Attributes:
        since: when it began.
        generation: of the store that it has applied; behind `EdgeStatus.generation` for long, it
            answers protected requests with 503.
    """

    slot: int
    pid: int
    since: Time
    generation: int


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error of the edge's own, as its log has it in full.

    Attributes:
        worker: the slot of the worker that met it.
        error: its last line.
    """

    at: Time
    worker: int
    error: str
    request_id: str


@dataclass(frozen=True, slots=True)
class FailingInfo:
    """A function that the edge runs and that does not stay up.

    Attributes:
        state: `failed` or `backing off`.
        reason: why it last ended or did not start.
    """

    slug: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class EdgeStatus:
    """How an edge is.

    Attributes:
        running: whether one serves this store now.
        since: when it began; None where none runs.
        silent: slots of workers that did not answer: dead and being replaced, or very busy.
        generation: of the store: how often what is served or allowed has changed.
        functions: how many are deployed.
        states: how many of them are in each state; `upstream` for those that run elsewhere.
        store_bytes: size of the store on disk.
        errors: the last ones of the workers that live, the newest first.
    """

    running: bool
    version: str
    url: str
    since: Time | None
    workers: tuple[WorkerInfo, ...]
    silent: tuple[int, ...]
    generation: int
    functions: int
    states: dict[str, int]
    failing: tuple[FailingInfo, ...]
    store_bytes: int
    errors: tuple[ErrorInfo, ...]


class StatusOperations(Protocol):
    """Synchronous; safe in several threads."""

    def status(self) -> EdgeStatus:
        """How the edge is; takes half a second where a worker does not answer."""
        ...
