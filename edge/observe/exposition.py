"""The counts of all workers in Prometheus's text format: what each metric is called and means."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
    "the edge's own error, answered or the reason why an answer was cut; `whole` is false for an "
    "answer that did not reach its end.",
)
UPSTREAM_SECONDS = Described(
    "jelou_upstream_seconds",
    "histogram",
    ("function",),
    "Seconds from when a request set out to its function (waiting for a place and a connection "
    "included) to the head of the answer.",
)
BYTES = Described(
    "jelou_body_bytes_total",
    "counter",
    ("function", "direction"),
    "Bytes of request bodies (`in`) and of answers' bodies (`out`); of WebSockets none.",
)
UNAUTHORIZED = Described(
    "jelou_unauthorized_total",
    "counter",
    ("reason",),
    "Requests refused for their token, by what no client is told: `missing`, `malformed`, "
    "`unknown`, `revoked`, `expired`, `other_function`, or two that contradict one another.",
)
MCP_MESSAGES = Described(
    "jelou_mcp_messages_total",
    "counter",
    ("function", "method"),
    "Messages to `/mcp` by JSON-RPC method; `other` is what MCP does not define.",
)
TOOL_CALLS = Described(
    "jelou_mcp_tool_calls_total",
    "counter",
    ("function", "tool", "result"),
    "Calls of tools that exist: `ok`, `error` for a result with `isError`, `unknown` where the "
    "edge does not read it. Beyond 1,000 pairs a worker counts the rest as tool `other`.",
)
CRON_RUNS = Described(
    "jelou_cron_runs_total",
    "counter",
    ("function", "state"),
    "Runs of schedules that are over: `ok`, `error`, or `unknown` if they were cut.",
)
CIRCUIT_OPEN = Described(
    "jelou_circuit_open",
    "gauge",
    ("slot", "upstream"),
    "1 for each address that a worker leaves alone, because it has been failing.",
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


FUNCTIONS = Described("jelou_functions", "gauge", (), "Functions that are deployed.")
TOKENS = Described(
    "jelou_tokens",
    "gauge",
    (),
    "Runtime tokens that are neither revoked nor expired; counted every half minute at most.",
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
    (
        _of_workers("jelou_worker_max_fds", "How many of them it may have."),
        lambda vitals: vitals.most_descriptors,
    ),
    (
        _of_workers("jelou_worker_cpu_seconds", "Processor time that the worker has used."),
        lambda vitals: vitals.cpu,
    ),
    (
        _of_workers(
            "jelou_worker_generations_behind",
            "Generations of the store that the worker has not applied yet.",
        ),
        lambda vitals: vitals.behind,
    ),
    (
        _of_workers("jelou_upstream_connections", "Connections to functions, idle ones included."),
        lambda vitals: vitals.upstream,
    ),
)
METRICS: tuple[Described, ...] = (
    REQUESTS,
    SECONDS,
    UPSTREAM_SECONDS,
    BYTES,
    UNAUTHORIZED,
    MCP_MESSAGES,
    TOOL_CALLS,
    CRON_RUNS,
    UNREAD,
    CUT_OFF,
    CIRCUIT_OPEN,
    FUNCTIONS,
    TOKENS,
    *(described for described, _ in WORKERS),
)


class Held(NamedTuple):
    """How much the store holds."""

    functions: int
    tokens: int


def exposition(pages: Sequence[Page], held: Held) -> bytes:
    """All pages as one text; counters are added up, gauges stand for each worker."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(pages, held))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, pages: Sequence[Page], held: Held) -> None:
        self._pages = pages
        self._held = held

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        tally = Tally.of(page.counts for page in self._pages)
        yield from _counted(tally.snapshot())
        for held, count in zip((FUNCTIONS, TOKENS), self._held, strict=True):
            yield GaugeMetricFamily(held.name, held.meaning, value=count)
        now = {page.slot: page.vitals for page in self._pages}  # each slot's youngest
        for described, value in WORKERS:
            gauge = _gauge(described)
            for slot, vitals in now.items():
                gauge.add_metric([str(slot)], value(vitals))
            yield gauge
        circuits = _gauge(CIRCUIT_OPEN)
        for slot, vitals in now.items():
            for upstream in vitals.circuits:
                circuits.add_metric([str(slot), upstream], 1)
        yield circuits


def _counted(counts: Snapshot) -> Iterator[Metric]:
    rows = (
        ([function, str(status), code, lane, str(whole).lower()], count)
        for (function, status, code, lane, whole), count in sorted(counts.requests.items())
    )
    yield _counter(REQUESTS, rows)
    yield _histogram(SECONDS, counts.durations)
    yield _histogram(UPSTREAM_SECONDS, counts.upstream)
    traffic = (
        ([function, direction], size)
        for function, both in sorted(counts.traffic.items())
        for direction, size in zip(("in", "out"), both, strict=True)
    )
    yield _counter(BYTES, traffic)
    yield _counter(MCP_MESSAGES, ((list(key), n) for key, n in sorted(counts.mcp.items())))
    yield _counter(TOOL_CALLS, ((list(key), n) for key, n in sorted(counts.tools.items())))
    yield _counter(CRON_RUNS, ((list(key), n) for key, n in sorted(counts.cron.items())))
    for described, by_one in (
        (UNAUTHORIZED, counts.unauthorized),
        (UNREAD, counts.unread),
        (CUT_OFF, counts.cut_off),
    ):
        yield _counter(described, (([key], n) for key, n in sorted(by_one.items())))


def _histogram(described: Described, by_name: Mapping[str, Durations]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(described.name, described.meaning, labels=described.labels)
    for name, durations in sorted(by_name.items()):
        family.add_metric([name], list(_up_to(durations)), durations.seconds)
    return family


def _gauge(described: Described) -> GaugeMetricFamily:
    return GaugeMetricFamily(described.name, described.meaning, labels=described.labels)


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
