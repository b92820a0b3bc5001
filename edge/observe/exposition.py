"""The counts of all workers in Prometheus's text format: what each metric is called and means."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from edge.observe.pages import Page, Vitals
from edge.observe.tally import BOUNDS, Durations, Snapshot, Tally

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


@dataclass(frozen=True, slots=True)
class Described:
    """One metric as `docs/metrics.md` lists it.

    Attributes:
        kind: counter, gauge or histogram (Prometheus, "Metric types").
        labels: their values are bounded: by what is deployed, by the error table, by the workers.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


REQUESTS = Described(
    "jelou_requests_total",
    "counter",
    ("function", "status", "code", "lane", "whole"),
    "Requests that are over, refused ones too, each once. `function` is empty where none was "
    "asked, and `edge` at the edge's own `/mcp`; `status` is 0 if no answer was begun; `code` is "
    "the edge's own error; `whole` is false for an answer that did not reach its end.",
)
SECONDS = Described(
    "jelou_request_seconds",
    "histogram",
    ("function",),
    "Seconds from a request's head to its answer's end; of a stream, to the stream's end.",
)
UNREAD = Described(
    "jelou_unread_total",
    "counter",
    ("code",),
    "What came and could not be taken for a request: malformed, too long, too slow, or on one "
    "connection too many. Its connection was closed after an answer with that code.",
)
CUT_OFF = Described(
    "jelou_connections_cut_off_total",
    "counter",
    ("why",),
    "Connections ended without an answer: `flood`, for frames that ask for nothing; "
    "`slow_reader`, for taking no byte of what waited.",
)


def _of_workers(name: str, meaning: str) -> Described:
    return Described(name, "gauge", ("slot",), meaning)


WORKERS: tuple[tuple[Described, Callable[[Vitals], float]], ...] = (
    (
        _of_workers("jelou_worker_start_time_seconds", "When the worker began, Unix seconds."),
        lambda vitals: vitals.since,
    ),
    (
        _of_workers(
            "jelou_worker_generation",
            "The store's generation that the worker has applied; all are equal soon after "
            "a change.",
        ),
        lambda vitals: vitals.generation,
    ),
    (
        _of_workers(
            "jelou_in_flight", "Requests on their way to functions, waiting ones not counted."
        ),
        lambda vitals: vitals.in_flight,
    ),
    (
        _of_workers("jelou_streams", "Open event streams, WebSockets and streams of MCP."),
        lambda vitals: vitals.streams,
    ),
    (
        _of_workers("jelou_worker_resident_bytes", "Memory of the worker, bytes."),
        lambda vitals: vitals.resident,
    ),
    (
        _of_workers("jelou_worker_open_fds", "Open files and sockets of the worker."),
        lambda vitals: vitals.descriptors,
    ),
)
METRICS: tuple[Described, ...] = (
    REQUESTS,
    SECONDS,
    UNREAD,
    CUT_OFF,
    *(described for described, _ in WORKERS),
)


def exposition(pages: Sequence[Page]) -> bytes:
    """All pages as one text; counters are added up, gauges stand for each worker."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(pages))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        tally = Tally()
        for page in self._pages:
            tally.add(page.counts)
        yield from _counted(tally.snapshot())
        now = {page.slot: page.vitals for page in self._pages}  # each slot's youngest
        for described, value in WORKERS:
            gauge = GaugeMetricFamily(described.name, described.meaning, labels=described.labels)
            for slot, vitals in now.items():
                gauge.add_metric([str(slot)], value(vitals))
            yield gauge


def _counted(counts: Snapshot) -> Iterator[Metric]:
    rows = (
        ([function, str(status), code, lane, str(whole).lower()], count)
        for (function, status, code, lane, whole), count in sorted(counts.requests.items())
    )
    yield _counter(REQUESTS, rows)
    histogram = HistogramMetricFamily(SECONDS.name, SECONDS.meaning, labels=SECONDS.labels)
    for function, durations in sorted(counts.durations.items()):
        histogram.add_metric([function], list(_up_to(durations)), durations.seconds)
    yield histogram
    yield _counter(UNREAD, (([code], count) for code, count in sorted(counts.unread.items())))
    yield _counter(CUT_OFF, (([why], count) for why, count in sorted(counts.cut_off.items())))


def _counter(described: Described, rows: Iterable[tuple[list[str], int]]) -> CounterMetricFamily:
    family = CounterMetricFamily(described.name, described.meaning, labels=described.labels)
    for values, count in rows:
        family.add_metric(values, count)
    return family


def _up_to(durations: Durations) -> Iterator[tuple[str, float]]:
    """How many took at most each bound."""
    total = 0
    for bound, count in zip((*BOUNDS, float("inf")), durations.classes, strict=True):
        total += count
        yield ("+Inf" if bound == float("inf") else str(bound)), total
