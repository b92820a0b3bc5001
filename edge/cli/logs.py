"""`jelou logs`: what a function writes, as it comes or as it was."""

import click

from edge.admin.log_operations import LINES_AT_ONCE
from edge.cli.context import Session
from edge.cli.durations import Duration
from edge.cli.group import command, session
from edge.cli.log_reader import BEFORE, LogReader
from edge.cli.project_files import slug_here

HISTORY = 100


@command("logs")
@click.argument("slug", required=False)
@click.option("-f", "--follow", is_flag=True, help="Show what comes, until Ctrl+C (default).")
@click.option("--history", is_flag=True, help="Show what was written, and stop.")
@click.option(
    "--since", type=Duration(), metavar="10m", help="Only lines of that long ago or less."
)
@click.option("--request", metavar="ID", help="Only lines of the request with this id.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(1, LINES_AT_ONCE),
    metavar="N",
    help=f"How many earlier lines: default {HISTORY} with --history, else {BEFORE}.",
)
@session
def logs(
    session: Session,
    slug: str | None,
    follow: bool,
    history: bool,
    since: float | None,
    request: str | None,
    lines: int | None,
) -> None:
    """Show what a function that the edge runs has written to stdout, stderr and ctx.log.

    With --json each line is an object of its own, as it is kept.
    """
    if follow and history:
        raise click.UsageError("--follow shows what comes, --history what was: choose one.")
    within = None if since is None else max(1, round(since))
    reader = LogReader(session, session.operations(), slug_here(slug), request, within)
    if history:
        reader.history(lines or (LINES_AT_ONCE if since is not None else HISTORY))
    else:
        reader.follow(lines or (LINES_AT_ONCE if since is not None else BEFORE))
