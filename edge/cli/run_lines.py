"""How the edge runs a function, as lines for people."""

import shlex
from collections.abc import Iterator

from edge.admin.code_operations import ExitInfo, ProcessInfo, RunInfo
from edge.cli import output
from edge.code.limits import readable


def run_fields(run: RunInfo) -> list[tuple[str, str]]:
    """What is started, and how that is."""
    return [
        ("Runs", shlex.join(run.command)),
        ("State", _state(run)),
        ("Restarts", str(run.restarts)),
    ]


def run_lines(run: RunInfo) -> Iterator[str]:
    """Its processes, and why one ended last."""
    yield from (_process(process) for process in run.processes)
    if run.last_exit is not None:
        yield from _exit(run.last_exit)


def _state(run: RunInfo) -> str:
    if run.state == "backing off":
        return f"backing off, started again in {run.retry_in:.0f} s"
    if run.state == "sleeping":
        return "sleeping; the next request wakes it"
    if run.state == "stopped":
        return "stopped: no edge is running"
    if run.state == "up":
        return f"up, {run.active} in flight, {run.waiting} waiting"
    return run.state


def _process(process: ProcessInfo) -> str:
    forks = process.processes - 1
    more = f", {forks} of its own" if forks > 0 else ""
    return (
        f"    process {process.pid}  {process.state}  {readable(process.memory)}{more}  "
        f"since {output.moment(process.started)}"
    )


def _exit(last: ExitInfo) -> Iterator[str]:
    yield output.warning(f"{output.moment(last.at)}: {last.reason}")
    yield from (f"    {line}" for line in last.output)
