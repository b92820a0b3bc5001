"""Puts together what a worker counts and tells of it; constructor calls, nothing else."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge.config import Config
from edge.events import Observe
from edge.forwarding.limit import InFlight
from edge.observe.exposition import exposition
from edge.observe.pages import Page, Pages, Publisher, Vitals
from edge.observe.tally import Tally
from edge.running.system import memory_of
from edge.state.streams import OpenStreams
from edge.state.view import WorkerView


@dataclass(frozen=True, slots=True)
class ComposedMetrics:
    """One worker's.

    Attributes:
        observe: told of every event.
        publish: has the other workers know what this one has counted.
        text: what all workers have counted, as Prometheus reads it. Blocks.
    """

    observe: Observe
    publish: Callable[[], Awaitable[None]]
    text: Callable[[], bytes]


def composed_metrics(
    config: Config, view: WorkerView, streams: OpenStreams, in_flight: InFlight, slot: int
) -> ComposedMetrics:
    """The edge is told from others by its first process, this worker's parent."""
    pages = Pages(config.data_dir, os.getppid(), config.turn)
    former = pages.former(slot)
    includes = tuple(ended.vitals.pid for ended in former if ended.vitals.pid != os.getpid())
    tally, since = Tally(), time.time()
    for ended in former:
        tally.add(ended.counts)

    def page() -> Page:
        vitals = Vitals(
            pid=os.getpid(),
            since=since,
            generation=view.generation,
            in_flight=in_flight.total,
            streams=len(streams),
            resident=memory_of(os.getpid()),
            descriptors=len(os.listdir("/proc/self/fd")),
        )
        return Page(slot, vitals, tally.snapshot(), includes)

    publish = Publisher(pages, page).publish
    return ComposedMetrics(tally.observe, publish, lambda: exposition(pages.all()))
