"""What each worker has counted, as files that every worker of the edge can read.

A worker writes its own page whenever it has changed, several times a second at most; a later one in
its slot takes over what it counted, once it has ended. Nothing here is a promise kept across power
losses: counts begin anew with each edge.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from edge.observe.tally import Durations, Snapshot

DIRECTORY = "metrics"
"""Within the data directory."""

PUBLISH_SECONDS = 0.5
"""How late counts are."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """A worker now.

    Attributes:
        pid: of the process.
        since: when it began, Unix seconds.
        generation: of the store that it has applied.
        in_flight: requests on their way to functions.
        streams: open event streams, WebSockets and streams of MCP.
        resident: bytes of memory.
        descriptors: open files and sockets.
        cpu: seconds of processor time that it has used.
        behind: generations of the store that it has not applied yet.
        upstream: connections to functions.
        circuits: addresses that are left alone for a while.
        most_descriptors: how many open files and sockets it may have.
        at: Unix seconds of when all this was so; no change by itself.
    """

    pid: int
    since: float
    generation: int
    in_flight: int
    streams: int
    resident: int
    descriptors: int
    cpu: float = 0.0
    behind: int = 0
    upstream: int = 0
    circuits: tuple[str, ...] = ()
    most_descriptors: int = 0
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What a worker has counted, and how it is now.

    Attributes:
        includes: processes of former workers of its slot, whose counts it has taken over.
        recent: what the last lines of the access log say, the oldest first.
    """

    slot: int
    vitals: Vitals
    counts: Snapshot
    includes: tuple[int, ...] = ()
    recent: tuple[dict[str, Any], ...] = ()


class Pages:
    """The pages of one edge.

    Args:
        edge: what tells it from another on the same data directory: its process.
        turn: 0 or 1, other than that of an edge that hands over to it, or takes over from it.
    """

    def __init__(self, data_dir: Path, edge: int, turn: int) -> None:
        self._directory = data_dir / DIRECTORY
        self._edge = edge
        self._turn = turn

    def former(self, slot: int) -> list[Page]:
        """The pages of the slot's workers that have ended; pages of an edge that is gone go."""
        found = []
        for path in self._directory.glob(f"{self._turn}-*.json"):
            page = self._read(path)
            if page is None:
                path.unlink(missing_ok=True)
            elif page.slot == slot and not _runs(page.vitals.pid):
                found.append(page)
        return found

    def write(self, page: Page) -> None:
        """Put a worker's page in place of its last one, and of those that it includes.

        Blocks; raises OSError.
        """
        path = self._path(page.slot, page.vitals.pid)
        put_in_place(path, {"edge": self._edge, **_plain(page)})
        for pid in page.includes:
            self._path(page.slot, pid).unlink(missing_ok=True)

    def all(self) -> list[Page]:
        """Every page that no other includes, by slot, each slot's oldest first. Blocks.

        What is counted never falls: a page that was taken over meanwhile is looked for again.
        """
        pages: list[Page] = []
        for _ in range(_LOOKS):
            paths = list(self._directory.glob(f"{self._turn}-*.json"))
            pages = [page for page in map(self._read, paths) if page is not None]
            if all(path.exists() for path in paths):
                break
        included = {pid for page in pages for pid in page.includes}
        kept = (page for page in pages if page.vitals.pid not in included)
        return sorted(kept, key=lambda page: (page.slot, page.vitals.since))

    def clear(self) -> None:
        """Leave nothing, the edge being over."""
        for path in self._directory.glob(f"{self._turn}-*"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self._directory.rmdir()

    def _path(self, slot: int, pid: int) -> Path:
        return self._directory / f"{self._turn}-{slot}-{pid}.json"

    def _read(self, path: Path) -> Page | None:
        """A page of this edge's; None if there is none, or one of another edge's or format."""
        try:
            told = orjson.loads(path.read_bytes())
            return _page(told) if told["edge"] == self._edge else None
        except (OSError, ValueError, LookupError, TypeError):
            return None


def put_in_place(path: Path, told: dict[str, Any]) -> None:
    """Write a file of `DIRECTORY` as JSON, whole or not at all. Blocks; raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(orjson.dumps(told))
    os.replace(draft, path)


class Publisher:
    """Writes one worker's page down whenever it has changed."""

    def __init__(self, pages: Pages, page: Callable[[], Page]) -> None:
        self._pages = pages
        self._page = page
        self._last: Page | None = None

    async def publish(self) -> None:
        """Have the others know what this worker has counted. Raises OSError."""
        page = self._page()
        if page != self._last:
            await asyncio.to_thread(self._pages.write, page)
            self._last = page


def _plain(page: Page) -> dict[str, Any]:
    counts = page.counts
    return {
        "slot": page.slot,
        "vitals": asdict(page.vitals),
        "includes": page.includes,
        "recent": page.recent,
        "counts": {
            **counts._asdict(),
            **{name: _rows(getattr(counts, name)) for name in _KEYED},
            **{name: _times(getattr(counts, name)) for name in _TIMED},
        },
    }


def _page(told: dict[str, Any]) -> Page:
    said = told["counts"]
    counts = Snapshot(
        **said
        | {name: {tuple(row[:-1]): row[-1] for row in said[name]} for name in _KEYED}
        | {name: _durations(said[name]) for name in _TIMED}
        | {"traffic": {name: tuple(both) for name, both in said["traffic"].items()}}
    )
    return Page(
        told["slot"],
        Vitals(**told["vitals"] | {"circuits": tuple(told["vitals"]["circuits"])}),
        counts,
        tuple(told["includes"]),
        tuple(told["recent"]),
    )


_LOOKS = 50
"""At all pages, while one after the other is taken over: by far more than ever happens."""

_KEYED = ("requests", "mcp", "tools", "cron")
"""Counts whose keys are several values."""

_TIMED = ("durations", "upstream")


def _rows(counts: dict[tuple[Any, ...], int]) -> list[list[Any]]:
    return [[*key, count] for key, count in counts.items()]


def _times(durations: dict[str, Durations]) -> list[list[Any]]:
    return [[name, *each] for name, each in durations.items()]


def _durations(rows: list[list[Any]]) -> dict[str, Durations]:
    return {name: Durations(seconds, tuple(classes)) for name, seconds, classes in rows}


def _runs(pid: int) -> bool:
    """Whether there is such a process; its own number is a former one's, come round again."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
