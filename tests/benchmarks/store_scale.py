"""How the store scales: `python -m tests.benchmarks.store_scale`, which is `make bench-store`.

Grows stores to so many functions and tokens, and measures at each size what a worker pays
(`store_worker`), a real `jelou serve` and its commands, and revokes under load (`store_load`).
Writes `docs/scale.json` (raw) and the numbers of `docs/scale.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.version import VERSION
from tests.benchmarks import machine, store_report
from tests.benchmarks.store_build import TINY, Growing, secret_of, slug
from tests.benchmarks.store_load import Latencies, Load
from tests.benchmarks.store_worker import Figures
from tests.support.edge import isolated
from tests.support.processes import JELOU, ROOT
from tests.support.whole_edge import Edge, serving
from tests.support.whole_processes import memory

RAW = ROOT / "docs" / "scale.json"
PAGE = ROOT / "docs" / "scale.md"

SIZES = ((10, 1_000), (100, 1_000), (1_000, 1_000), (10_000, 1_000))
"""Functions and tokens: what more functions cost; the last store then gets more tokens."""

MORE_TOKENS = (10_000, 100_000, 1_000_000)
ROUNDS = 3
WORKERS = 2
LOADED = "loaded"
LOAD_TOKENS = 1_000
LOAD_SECONDS = 8.0
REVOKES_A_SECOND = 25.0


@dataclass(frozen=True, slots=True)
class Served:
    """A real edge with one worker on a store; seconds, bytes.

    Attributes:
        ready: from the command to its `Edge ready` line; the median of some starts.
        start_cpu: CPU time of all its processes until then.
        memory: resident memory of the worker, then.
        first: the first request after that, answered by the gate.
        create, revoke, list: commands against it, process start and all.
        disk: of the store's files.
    """

    ready: float
    start_cpu: float
    memory: int
    first: float
    create: float
    revoke: float
    list: float
    disk: int


@dataclass(frozen=True, slots=True)
class Listed:
    """`jelou tokens list --json` of every token, against a running edge.

    Attributes:
        seconds: of the command; `command_memory` is its peak of resident memory, bytes.
        worker_memory: what the worker's resident memory has grown by, bytes.
        quiet, listing: requests without and during it.
    """

    tokens: int
    seconds: float
    command_memory: int
    worker_memory: int
    quiet: Latencies
    listing: Latencies


@dataclass(frozen=True, slots=True)
class Revoked:
    """Revokes while an edge of WORKERS workers is under load.

    Attributes:
        count: how many; each was refused by every worker at the first request after it.
        command: seconds until a revoke returned: median and most.
        refused: seconds from then until every worker had answered 401: median and most.
        quiet, revoking: other callers' requests without and during it.
    """

    count: int
    command: tuple[float, float]
    refused: tuple[float, float]
    quiet: Latencies
    revoking: Latencies


@dataclass(frozen=True, slots=True)
class Size:
    """All that was measured on a store of one size."""

    functions: int
    tokens: int
    worker: Figures
    served: Served


def main(arguments: Sequence[str]) -> int:
    """Measure and write; the exit status."""
    given = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="jelou-scale-") as folder:
        found = measure(Path(folder), given.sizes or SIZES, given.more_tokens)
    sys.stdout.write(store_report.render(found) + "\n")
    if not given.no_write:
        RAW.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        PAGE.write_text(store_report.written(PAGE.read_text("utf-8"), found), "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.store_scale")
    parser.add_argument("--sizes", type=_size, nargs="*", metavar="FUNCTIONS:TOKENS")
    parser.add_argument("--more-tokens", type=int, nargs="*", default=MORE_TOKENS, metavar="N")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


def _size(text: str) -> tuple[int, int]:
    functions, _, tokens = text.partition(":")
    return int(functions), int(tokens)


def measure(
    folder: Path, sizes: Sequence[tuple[int, int]], more_tokens: Sequence[int]
) -> dict[str, Any]:
    """Every size in turn, then lists and revokes on the largest store; plain values."""
    measured = []
    with Load() as load:
        for number, (functions, tokens) in enumerate(sizes):
            growing = Growing(folder / str(number) / "data", load.url)
            measured.append(_measured(growing, functions, tokens))
        measured += [_measured(growing, growing.functions, tokens) for tokens in more_tokens]
        growing.close()
        directory = growing.directory
        say("revokes under load")
        revoked = _revoked(directory, load)
        say("listing every token")
        listed = _listed(directory, load, measured[-1].tokens)
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": VERSION,
        "python": sys.version.split()[0],
        "machine": machine.describe(),
        "sizes": [asdict(size) for size in measured],
        "revoked": asdict(revoked),
        "listed": asdict(listed),
    }


def _measured(growing: Growing, functions: int, tokens: int) -> Size:
    say(f"{functions} functions, {tokens} tokens: building")
    growing.grow(functions, tokens)
    directory = growing.directory
    say(f"{functions} functions, {tokens} tokens: measuring")
    command = [sys.executable, "-m", "tests.benchmarks.store_worker", str(directory)]
    done = subprocess.run(
        [*command, str(functions), str(tokens)], cwd=ROOT, check=True, capture_output=True
    )
    figures = Figures(**json.loads(done.stdout))
    return Size(functions, tokens, figures, _served(directory, functions))


def _served(directory: Path, functions: int) -> Served:
    starts = [_started(directory) for _ in range(ROUNDS)]
    with serving(directory) as edge:
        commands = [_commands(directory, slug(n % functions)) for n in range(ROUNDS)]
    create, listed, revoke = (statistics.median(times) for times in zip(*commands, strict=True))
    return Served(
        ready=statistics.median(start[0] for start in starts),
        start_cpu=statistics.median(start[1] for start in starts),
        memory=int(statistics.median(start[2] for start in starts)),
        first=statistics.median(start[3] for start in starts),
        create=create,
        revoke=revoke,
        list=listed,
        disk=sum(file.stat().st_size for file in edge.data_dir.glob("edge.db*")),
    )


def _started(directory: Path) -> tuple[float, float, int, float]:
    begun = time.perf_counter()
    with serving(directory) as edge:
        ready = time.perf_counter() - begun
        cpu = machine.cpu_nanoseconds(machine.tree(edge.pid)) / 1e9
        [worker] = edge.workers
        resident = memory(worker)[0]
        caller = edge.caller()
        asked = time.perf_counter()
        assert caller.ask(f"/{slug(0)}/items", secret_of("token-0")).status == 200
        return ready, cpu, resident, time.perf_counter() - asked


def _commands(directory: Path, function: str) -> tuple[float, float, float]:
    create, made = _command(directory, "tokens", "create", function, "--name", "measured")
    listed, _ = _command(directory, "tokens", "list", TINY)
    revoke, _ = _command(directory, "tokens", "revoke", function, made["id"], "-y")
    return create, listed, revoke


def _command(directory: Path, *words: str) -> tuple[float, Any]:
    """Seconds that a command took, and its data."""
    seconds, _, data = _weighed(directory, *words)
    return seconds, data


def _weighed(directory: Path, *words: str) -> tuple[float, int, Any]:
    """Seconds that a command took, its peak of resident memory, and its data; that may be long."""
    command = [*JELOU, *words, "--data-dir", str(directory), "--json", "--no-input"]
    begun = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **isolated(directory)}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    seconds = time.perf_counter() - begun
    return seconds, used.ru_maxrss * 1024, json.loads(text)["data"]


@contextmanager
def _loaded(directory: Path, load: Load, workers: int) -> Iterator[tuple[Edge, list[str]]]:
    """An edge with a function to load, and tokens for it, known in every worker."""
    with serving(directory, workers=workers) as edge:
        edge.deploy(LOADED, load.url, mcp=False)
        stamp = time.time_ns()
        tokens = [
            edge.operations.create_token(LOADED, f"load-{stamp}-{number}").token
            for number in range(LOAD_TOKENS)
        ]
        load.begin(edge.port, f"/{LOADED}/", tokens, LOAD_SECONDS / 4)
        load.end()
        yield edge, tokens


def _under_load(
    edge: Edge, load: Load, tokens: list[str], work: Callable[[], object]
) -> tuple[Latencies, Latencies]:
    """How requests fare without a piece of work, and then beside it."""
    found = []
    for each in (lambda: None, work):
        load.begin(edge.port, f"/{LOADED}/", tokens, LOAD_SECONDS)
        each()
        found.append(load.end())
    return found[0], found[1]


def _revoked(directory: Path, load: Load) -> Revoked:
    with _loaded(directory, load, WORKERS) as (edge, tokens):
        count = int((LOAD_SECONDS - 2) * REVOKES_A_SECOND)
        stamp = time.time_ns()
        victims = [
            edge.operations.create_token(LOADED, f"victim-{stamp}-{number}")
            for number in range(count)
        ]
        commands: list[float] = []
        refused: list[float] = []
        with edge.caller_of_each_worker() as callers:

            def ask(token: str, status: int) -> None:
                for caller in callers.values():
                    assert caller.ask(f"/{LOADED}/", token).status == status

            def revoke_all() -> None:
                begun = time.perf_counter()
                for number, victim in enumerate(victims):
                    _wait_until(begun + number / REVOKES_A_SECOND)
                    ask(victim.token, 200)  # known to every worker, in memory
                    asked = time.perf_counter()
                    edge.operations.revoke_token(LOADED, victim.id)
                    returned = time.perf_counter()
                    ask(victim.token, 401)
                    commands.append(returned - asked)
                    refused.append(time.perf_counter() - returned)

            quiet, revoking = _under_load(edge, load, tokens, revoke_all)
    return Revoked(count, _spread(commands), _spread(refused), quiet, revoking)


def _listed(directory: Path, load: Load, tokens: int) -> Listed:
    with _loaded(directory, load, 1) as (edge, known):
        [worker] = edge.workers
        before = memory(worker)[0]
        taken: list[tuple[float, int]] = []

        def list_all() -> None:
            seconds, peak, found = _weighed(directory, "tokens", "list")
            assert len(found) >= tokens
            taken.append((seconds, peak))

        quiet, listing = _under_load(edge, load, known, list_all)
        grown = max(0, memory(worker)[0] - before)
    [(seconds, peak)] = taken
    return Listed(tokens, seconds, peak, grown, quiet, listing)


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return statistics.median(values), max(values)


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"▸ {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
