"""How long a sleeping function's first answer takes: `make bench-wake`.

A real `jelou serve` runs one function of each kind; each is asked, left until its last process has
ended, and asked again. Writes `docs/wake.json` and the table of `docs/functions.md` between its
marks; wall clock, medians.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.cli.scaffold import files
from edge.version import VERSION
from tests.benchmarks import machine
from tests.support.code_projects import deploy
from tests.support.processes import ROOT
from tests.support.whole_edge import Caller, Edge, serving
from tests.support.whole_processes import eventually, is_alive, memory

RAW = ROOT / "docs" / "wake.json"
PAGE = ROOT / "docs" / "functions.md"
MARKS = ("<!-- wake:begin -->\n", "<!-- wake:end -->\n")
ROUNDS = 15
IDLE = {"scale": {"min": 0, "max": 1, "idle": "1s"}, "config": {"public": True}}

PLAIN = """\
import os, socket
from http.server import BaseHTTPRequestHandler
from socketserver import UnixStreamServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    do_GET = do_POST
    def log_message(self, *_): pass
    def address_string(self): return ""

UnixStreamServer(os.environ["LISTEN_SOCKET"], Handler).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Woken:
    """One kind of function; seconds and bytes.

    Attributes:
        first: of the first answers after sleep, whole.
        warm: of answers right after them, on the same connection.
        awake: resident memory of its process.
        asleep: processes of it that were alive in its sleep, all rounds together.
    """

    kind: str
    first: list[float]
    warm: list[float]
    awake: int
    asleep: int


def measure(rounds: int, say: Callable[[str], None]) -> list[Woken]:
    """Wake each kind of function so many times."""
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        kinds = {
            "Python, `define()` with Pydantic": ("define", "/", {"name": "Ana"}),
            "Node, `node:http`": ("command", "/greet", {"name": "Ana"}),
            "Python, `http.server`": ("plain", "/", {}),
        }
        with serving(base / "data") as edge:
            return [
                _woken(edge, base, label, *kind, rounds=rounds, say=say)
                for label, kind in kinds.items()
            ]


def _woken(
    edge: Edge,
    base: Path,
    label: str,
    kind: str,
    path: str,
    body: dict[str, str],
    *,
    rounds: int,
    say: Callable[[str], None],
) -> Woken:
    made = _project(base / kind, kind)
    deploy(edge.operations, made)
    first, warm, seen, awake, asleep = [], [], list[int](), 0, 0
    for number in range(rounds):
        eventually(lambda: not _pids(edge, kind), "it sleeps", seconds=30)
        asleep += sum(is_alive(pid) for pid in seen)
        say(f"▸ {label}: {number + 1} of {rounds}")
        with closing(edge.caller()) as caller:
            first.append(_asked(caller, f"/{kind}{path}", body))
            warm.append(_asked(caller, f"/{kind}{path}", body))
        seen = _pids(edge, kind)
        awake = sum(memory(pid)[0] for pid in seen)
    return Woken(label, first, warm, awake, asleep)


def _project(directory: Path, kind: str) -> Path:
    """A project as `jelou init` writes it, or the smallest server there is, that sleeps soon."""
    if kind == "plain":
        command = [sys.executable, "server.py"]
        project = {"function": kind, "openapi": False, "command": command}
        made = {"server.py": PLAIN}
    else:
        made = files(kind, kind, "Greets somebody by name")
        project = json.loads(made["jelou.json"])
    directory.mkdir()
    for name, text in (made | {"jelou.json": json.dumps(project | IDLE)}).items():
        (directory / name).write_text(text)
    return directory


def _pids(edge: Edge, slug: str) -> list[int]:
    run = edge.operations.function(slug).run
    return [] if run is None else [process.pid for process in run.processes]


def _asked(caller: Caller, target: str, body: dict[str, str]) -> float:
    """Seconds from sending a request to its whole answer."""
    fields = {"Content-Type": "application/json"}
    begun = time.perf_counter()
    answer = caller.ask(target, method="POST", body=json.dumps(body), headers=fields)
    took = time.perf_counter() - begun
    assert answer.status == 200, answer
    return took


def table(measured: list[Woken]) -> str:
    """What was measured, for the page."""
    head = ("a function", "first answer after sleep, p50 (all)", "the next one", "awake", "asleep")
    rows = [head, ("---", *["---:"] * 4), *map(_row, measured)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(woken: Woken) -> tuple[str, ...]:
    spread = f"{_ms(min(woken.first))}–{_ms(max(woken.first))}"
    return (
        woken.kind,
        f"{_ms(statistics.median(woken.first))} ({spread})",
        _ms(statistics.median(woken.warm)),
        f"{woken.awake / 2**20:.0f} MiB",
        "no process" if not woken.asleep else f"{woken.asleep} processes",
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, print, and write raw numbers and page."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.wake")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"wakes of each ({ROUNDS})")
    parser.add_argument("--no-write", action="store_true", help="print only")
    given = parser.parse_args()
    measured = measure(given.rounds, _say)
    _say(table(measured))
    if given.no_write:
        return
    about = {"version": VERSION, "at": datetime.now(UTC).isoformat(), **machine.describe()}
    raw = {"about": about, "measured": [asdict(each) for each in measured]}
    RAW.write_text(json.dumps(raw, indent=1) + "\n", "utf-8")
    before, begin, rest = PAGE.read_text("utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    PAGE.write_text(before + begin + table(measured) + end + after, "utf-8")


if __name__ == "__main__":
    main()
