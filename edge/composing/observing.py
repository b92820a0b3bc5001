"""Puts together what a worker notes and tells of requests; constructor calls, nothing else."""

import os
import random
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from edge.admin.local_observed import observed
from edge.admin.observed_operations import Observed
from edge.config import Config
from edge.events import Observe
from edge.forwarding.limit import InFlight
from edge.forwarding.pool import Pool
from edge.headers import Networks
from edge.observe.access_log import AccessLog, LineWriter, Style
from edge.observe.batch import Batch
from edge.observe.exposition import Held, exposition
from edge.observe.log import log_problem
from edge.observe.pages import Page, Pages, Publisher, Vitals
from edge.observe.tally import Tally
from edge.running.system import memory_of
from edge.state.streams import OpenStreams
from edge.state.view import WorkerView
from edge.version import VERSION
from tokens.service import TokenService

if TYPE_CHECKING:
    from edge.observe.traces import Traces

HOLDINGS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ComposedObserving:
    """One worker's.

    Attributes:
        observe: told of every event.
        publish: has the log and the other workers know what was noted so far.
        pages: what all workers have counted. Blocks.
        text: the same as Prometheus reads it. Blocks.
        observed: the same as the operations tell it. Blocks.
        close: waits until the log is written. Blocks.
    """

    observe: Observe
    publish: Callable[[], Awaitable[None]]
    pages: Callable[[], Sequence[Page]]
    text: Callable[[], bytes]
    observed: Callable[[], Observed]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """What of a worker is told beside its requests."""

    view: WorkerView
    streams: OpenStreams
    in_flight: InFlight
    pool: Pool
    networks: Networks
    tokens: TokenService


def composed_observing(config: Config, watched: Watched, slot: int) -> ComposedObserving:
    """The edge is told from others by its first process, this worker's parent."""
    pages = Pages(config.data_dir, os.getppid(), config.turn)
    former = pages.former(slot)
    includes = tuple(ended.vitals.pid for ended in former if ended.vitals.pid != os.getpid())
    tally, since = Tally.of(ended.counts for ended in former), time.time()
    writer = _writer(config)
    write = None if writer is None else writer.write
    log = AccessLog(_style(config), watched.networks, write, random.random)
    traces = _traces(config, watched.networks)
    batch = Batch((tally.watch, log.watch, *((traces.watch,) if traces else ())))

    def page() -> Page:
        recent = tuple(map(orjson.loads, log.recent()))
        return Page(slot, _vitals(watched, since), tally.snapshot(), includes, recent)

    publisher = Publisher(pages, page)

    async def publish() -> None:
        batch.hand_on()
        await publisher.publish()

    def close() -> None:
        batch.hand_on()
        if writer is not None:
            writer.close()
        if traces is not None:
            traces.close()

    text, told = partial(_text, pages, _Holdings(watched)), partial(_observed, pages)
    return ComposedObserving(batch.observe, publish, pages.all, text, told, close)


class _Holdings:
    """How much the store holds; a million tokens take their time, so not at every look."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._at = -HOLDINGS_SECONDS
        self._tokens = 0

    def __call__(self) -> Held:
        """Blocks; raises StoreError."""
        now = time.monotonic()
        if now - self._at >= HOLDINGS_SECONDS:
            self._tokens, self._at = self._watched.tokens.count(), now
        return Held(len(self._watched.view.functions()), self._tokens)


def _text(pages: Pages, held: Callable[[], Held]) -> bytes:
    return exposition(pages.all(), held())


def _observed(pages: Pages) -> Observed:
    return observed(pages.all(), time.time())


def _vitals(watched: Watched, since: float) -> Vitals:
    return Vitals(
        pid=os.getpid(),
        since=since,
        generation=watched.view.generation,
        in_flight=watched.in_flight.total,
        streams=len(watched.streams),
        resident=memory_of(os.getpid()),
        descriptors=len(os.listdir("/proc/self/fd")),
        cpu=round(time.process_time(), 2),
        behind=watched.view.behind,
        upstream=watched.pool.open_count,
        circuits=watched.pool.circuits.left_alone(),
        most_descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        at=time.time(),
    )


def _writer(config: Config) -> LineWriter | None:
    if config.access_log == "off":
        return None
    path = None if config.access_log == "stderr" else Path(config.access_log)
    return LineWriter(path, log_problem)


def _traces(config: Config, networks: Networks) -> "Traces | None":
    """Raises ExtraMissing."""
    if config.traces is None:
        return None
    # Most edges send none, and need not have the packages.
    from edge.observe.traces import Traces  # noqa: PLC0415

    named = {"service.name": "jelou-edge", "service.version": VERSION}
    return Traces(config.traces, networks, named, log_problem)


def _style(config: Config) -> Style:
    terminal = config.access_log == "stderr" and sys.stderr.isatty()
    wanted = config.access_log_format
    return Style(
        json=wanted == "json" or (wanted == "auto" and not terminal),
        colours=terminal and not os.environ.get("NO_COLOR"),
        sample=config.access_log_sample,
    )
