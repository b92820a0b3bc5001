"""The benchmark's command line: `python -m tests.benchmarks`, which is `make bench`.

Prints the tables, and writes `docs/performance.json` (raw), the numbers of `docs/performance.md`
and its chart. Exit status 1 if an answer was wrong anywhere: nothing is written then.
"""

import argparse
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks import goals, machine, mcp_install, report, results, run
from tests.benchmarks.fleet import NotServing
from tests.benchmarks.install import FOLDER, Installed, install
from tests.benchmarks.opponents.table import MCP_OPPONENTS, OPPONENTS
from tests.benchmarks.places import CHART, PAGE, RAW
from tests.benchmarks.results import Measured, Results, Run
from tests.benchmarks.scenarios import BY_KEY, SCENARIOS, Scenario
from tests.support.processes import ROOT

EVERYBODY = (*OPPONENTS, *MCP_OPPONENTS)


def main(arguments: Sequence[str]) -> int:
    """Measure, or with `--render` only write the page anew; the exit status."""
    given = _parser().parse_args(arguments)
    if given.render:
        _write_page()
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended on the way
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return _bench(given)
    except NotServing as error:
        _say(f"✗ {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted: everything that was started has been ended.")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks")
    add = parser.add_argument
    add("--full", action="store_true", help="every scenario, not only the few of make bench")
    add("--mcp", action="store_true", help="every scenario of MCP")
    add("--only", nargs="+", choices=sorted(BY_KEY), metavar="KEY", help="these scenarios")
    add("--opponents", nargs="+", metavar="TEXT", help="those whose names hold one of these")
    add("--rounds", type=int, default=5, help="of each scenario (5)")
    add("--seconds", type=float, default=1.5, help="of load in each round (1.5)")
    add("--no-fetch", action="store_true", help="take what is installed")
    add("--no-write", action="store_true", help="print only")
    add("--render", action="store_true", help="measure nothing: write the page from the raw file")
    return parser


def _bench(given: argparse.Namespace) -> int:
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    scenarios = _scenarios(given)
    installed = install(_say, fetch=not given.no_fetch)
    if any(scenario.exchange for scenario in scenarios):
        mcp_install.install(installed, _say, fetch=not given.no_fetch)
    meant = [o for o in EVERYBODY if any(run.takes_part(o, each) for each in scenarios)]
    wanted = [o for o in meant if not given.opponents or _named(o.name, given.opponents)]
    opponents, skipped = run.available(wanted, installed.programs, installed.missing)
    for name, why in skipped.items():
        _say(f"✗ {name} is skipped: {why}")
    this = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDER) as folder:
        tour = run.Tour(
            folder=Path(folder),
            programs=installed.programs,
            opponents=opponents,
            rounds=given.rounds,
            seconds=given.seconds,
            say=_say,
            skipped=skipped,
        )
        measured = tour.measure(scenarios, this)
    about = _about(tour, installed, this)
    _print(about, measured)
    _say(f"▸ Took {time.monotonic() - began:.0f} s")
    if tour.failures:
        _say("\n".join(["✗ The run does not count:", *tour.failures]))
        return 1
    if not given.no_write:
        known = results.load(RAW)
        known.add(about, measured)
        results.save(known, RAW)
        _write_page()
    return 0


def _scenarios(given: argparse.Namespace) -> list[Scenario]:
    if given.only:
        return [BY_KEY[key] for key in given.only]
    if given.mcp:
        return [each for each in SCENARIOS if each.exchange]
    return [each for each in SCENARIOS if given.full or each.quick]


def _named(name: str, texts: Sequence[str]) -> bool:
    return any(text.lower() in name.lower() for text in texts)


def _about(tour: run.Tour, installed: Installed, began: str) -> Run:
    return Run(
        began=began,
        commit=_commit(),
        machine=machine.describe(),
        versions=run.versions(installed.programs),
        skipped={name: _without_places(why) for name, why in tour.skipped.items()},
        rounds=tour.rounds,
        seconds=tour.seconds,
    )


def _without_places(text: str) -> str:
    """A reason without addresses and paths of this machine."""
    return re.sub(r"\S*(?:://|/\w+/)\S*", "…", text)


def _commit() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    return ""


def _print(about: Run, measured: Mapping[str, Measured]) -> None:
    fresh = Results()
    fresh.add(about, measured)
    for opponents, aims in ((OPPONENTS, goals.GOALS), (MCP_OPPONENTS, goals.MCP_GOALS)):
        for title, text, _ in report.sections(fresh, opponents):
            _say(f"\n{title}\n\n{text}")
        landed = report.goals_table(fresh, aims)
        if landed:
            _say(f"\nWhere it landed\n\n{landed}")


def _write_page() -> None:
    """Write the page from the raw file alone: what was measured is rounded there."""
    known = results.load(RAW)
    page = report.written(PAGE.read_text("utf-8"), known, EVERYBODY, CHART.name)
    PAGE.write_text(page, "utf-8")
    CHART.write_text(report.picture(known, OPPONENTS), "utf-8")
    _say(f"▸ Wrote {', '.join(str(path.relative_to(ROOT)) for path in (RAW, PAGE, CHART))}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
