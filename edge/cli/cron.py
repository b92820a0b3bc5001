"""`jelou cron`: schedules, and what became of their runs."""

import sys
import time
from collections.abc import Iterator

import click

from edge.admin.cron_operations import CronRunInfo, ScheduleInfo
from edge.admin.operations import Operations
from edge.cli import output
from edge.cli.context import Session
from edge.cli.group import command, group, session
from edge.cli.project_files import slug_here

FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks at a run that goes on."""


@group("cron")
def cron() -> None:
    """Schedules of a function, and their runs."""


@command("list")
@click.argument("slug", required=False)
@session
def list_(session: Session, slug: str | None) -> None:
    """List the schedules of a function, with when each is due next."""
    session.show(session.operations().schedules(slug_here(slug)), _schedules)


@command("logs")
@click.argument("slug", required=False)
@click.option("--state", metavar="ERROR", help="OK, ERROR, RUNNING, SKIPPED or UNKNOWN.")
@click.option("--limit", type=click.IntRange(min=1), default=100, help="How many; default 100.")
@session
def logs(session: Session, slug: str | None, state: str | None, limit: int) -> None:
    """Show the runs of a function's schedules, newest first."""
    session.show(session.operations().cron_runs(slug_here(slug), state, limit), _runs)


@command("run")
@click.argument("slug")
@click.argument("name", required=False)
@session
def run(session: Session, slug: str, name: str | None) -> None:
    """Fire a schedule now and wait for its end; NAME is its name or its expression.

    The exit code is 0 if the function's answer is good.
    """
    operations = session.operations()
    found = _waited_for(operations, operations.fire(slug, name))
    session.show(found, _ran)
    if found.state != "ok":
        sys.exit(1)


for _command in (list_, logs, run):
    cron.add_command(_command)


def _waited_for(operations: Operations, found: CronRunInfo) -> CronRunInfo:
    pause = FIRST_LOOK
    while found.state == "running":
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_LOOK)
        found = operations.cron_run(found.function, found.id)
    return found


def _schedules(found: tuple[ScheduleInfo, ...]) -> list[str]:
    columns = ["Name", "Expression", "Timezone", "Tool", "Next"]
    rows = [
        [
            one.name or "",
            one.expression,
            one.timezone,
            one.tool or "",
            "never: the tool's address is not known"
            if one.target is None
            else output.moment(one.next),
        ]
        for one in found
    ]
    return output.table(columns, rows)


def _runs(found: tuple[CronRunInfo, ...]) -> list[str]:
    columns = ["Run", "Schedule", "Due", "Started", "Duration", "State", "Status"]
    rows = [
        [
            run.id,
            run.name or run.expression,
            "manual" if run.due is None else output.moment(run.due),
            output.moment(run.started),
            _duration(run),
            run.state,
            _status(run),
        ]
        for run in found
    ]
    return output.table(columns, rows)


def _ran(run: CronRunInfo) -> Iterator[str]:
    label = run.name or run.expression
    if run.state == "ok":
        yield output.done(f"Ran {label}: {_status(run)} in {_duration(run)}")
    elif run.state == "skipped":
        yield f"{output.FAILED} {label} was not run: the run before is still going"
    elif run.state == "unknown":
        yield f"{output.FAILED} {label} was cut off: the edge that ran it has ended"
    else:
        yield f"{output.FAILED} {label} failed: {_status(run)} in {_duration(run)}"
    yield output.item("Run", run.id)


def _status(run: CronRunInfo) -> str:
    said = [str(run.status)] if run.status is not None else []
    return " ".join([*said, *([run.code] if run.code else [])])


def _duration(run: CronRunInfo) -> str:
    return "" if run.duration is None else f"{run.duration} ms"
