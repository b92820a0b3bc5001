"""What all workers have counted, put together from the pages that they write."""

from collections.abc import Sequence

from edge.admin.counts import told
from edge.admin.errors import AdminError
from edge.admin.observed_operations import LAST_LINES, Observed, WorkerCounts
from edge.observe.pages import PUBLISH_SECONDS, Page
from edge.observe.tally import Tally


def nothing_counted() -> Observed:
    """Where no edge runs."""
    raise AdminError("TRANSIENT_ERROR", "No edge is running; start it with: jelou serve")


def observed(pages: Sequence[Page], now: float) -> Observed:
    """The pages of an edge as one answer.

    Args:
        pages: of all workers, by slot, each slot's oldest first.
        now: Unix seconds.
    """
    tally = Tally.of(page.counts for page in pages)
    requests = dict.fromkeys((page.slot for page in pages), 0)
    for page in pages:
        requests[page.slot] += sum(page.counts.requests.values())
    youngest = {page.slot: page for page in pages}
    workers = tuple(_worker(page, requests[slot], now) for slot, page in youngest.items())
    lines = [line for page in pages for line in page.recent]
    lines.sort(key=lambda line: str(line.get("time", "")))
    return told(now, tally.snapshot(), workers, tuple(lines[-LAST_LINES:]))


def _worker(page: Page, requests: int, now: float) -> WorkerCounts:
    """A page that is older than they are written was true when the last one could have been."""
    vitals = page.vitals
    return WorkerCounts(
        slot=page.slot,
        pid=vitals.pid,
        since=vitals.since,
        at=max(vitals.at, now - PUBLISH_SECONDS),
        requests=requests,
        generation=vitals.generation,
        behind=vitals.behind,
        in_flight=vitals.in_flight,
        streams=vitals.streams,
        resident_bytes=vitals.resident,
        cpu_seconds=vitals.cpu,
        open_files=vitals.descriptors,
        most_open_files=vitals.most_descriptors,
        connections=vitals.upstream,
        circuits=vitals.circuits,
    )
