"""`jelou functions`: what is deployed."""

from collections.abc import Iterator

import click

from edge.admin.cron_operations import OVERLAP, SigningSecret
from edge.admin.operations import Deleted, FunctionInfo, FunctionSummary
from edge.cli import output
from edge.cli.context import Session
from edge.cli.durations import Duration, shown
from edge.cli.group import Lazy, command, group, session
from edge.cli.run_lines import run_fields, run_lines

ALIASES = {
    "init": Lazy("edge.cli.init:init", "Start a function."),
    "dev": Lazy("edge.cli.dev:dev", "Run a function here, anew on every change."),
    "deploy": Lazy("edge.cli.deploy:deploy", "Put a function behind the edge."),
    "cron": Lazy("edge.cli.cron:cron", "Schedules of a function, and their runs."),
    "logs": Lazy("edge.cli.logs:logs", "What a function writes, as it comes."),
    "secrets": Lazy("edge.cli.secrets:secrets", "What functions are told and nobody is shown."),
}
"""The platform's longer spellings."""


@group("functions", lazy=ALIASES)
def functions() -> None:
    """List, show and delete functions."""


@command("list")
@session
def list_(session: Session) -> None:
    """List the functions of the edge."""
    session.show(session.operations().functions(), _table)


@command("info")
@click.argument("slug")
@click.option(
    "--signing-secret", is_flag=True, help="Show what its schedules' runs are signed with."
)
@session
def info(session: Session, slug: str, signing_secret: bool) -> None:
    """Show a function: its addresses, tools and settings."""
    if signing_secret:
        session.show(session.operations().signing_secret(slug), _signing_secret)
        return
    found = session.operations().function(slug)
    session.show(found, _details)
    if not session.given.json:
        for message in found.warnings:
            session.out.warn(message)


@command("delete")
@click.argument("slug")
@session
def delete(session: Session, slug: str) -> None:
    """Delete a function; its tokens end for good, also if the slug returns."""
    operations = session.operations()
    if not session.given.yes:
        count = operations.function(slug).tokens
        session.confirm(f"Delete {slug} and end its {count} {_tokens(count)} for good?")
    session.show(operations.delete_function(slug), _deleted)


@command("rotate-secret")
@click.argument("slug")
@click.option(
    "--overlap",
    type=Duration(),
    default=OVERLAP,
    metavar="24h",
    help="How long the old one signs too; default 24h.",
)
@session
def rotate_secret(session: Session, slug: str, overlap: float) -> None:
    """Give the runs of a function's schedules a new signing secret."""
    made = session.operations().rotate_signing_secret(slug, overlap)
    session.show(made, lambda made: _rotated(made, overlap))


for _command in (list_, info, delete, rotate_secret):
    functions.add_command(_command)


def _tokens(count: int) -> str:
    return "token" if count == 1 else "tokens"


def _table(found: tuple[FunctionSummary, ...]) -> list[str]:
    rows = [
        [
            function.slug,
            function.url,
            function.deployment,
            output.moment(function.deployed),
            "public" if function.public else "token",
        ]
        for function in found
    ]
    return output.table(["Slug", "URL", "Deployment", "Deployed", "Access"], rows)


def _details(found: FunctionInfo) -> Iterator[str]:
    yield from output.fields(
        [
            ("Slug", found.slug),
            ("Description", found.description),
            ("URL", found.url),
            ("MCP", found.mcp_url or "off"),
            ("Hosts", ", ".join(found.hosts) or "none"),
            *_where(found),
            ("Access", "public" if found.public else "token"),
            ("Tokens", str(found.tokens)),
            ("Deployment", found.deployment),
            ("Deployed", output.moment(found.deployed)),
            ("Created", output.moment(found.created)),
            ("Tools digest", found.tools_digest or "unknown: the tools are the upstream's own"),
        ]
    )
    if found.run is not None:
        yield from run_lines(found.run)
    if found.tools:
        yield f"{output.ITEM} Tools"
        yield from (f"    {_tool(tool.name, tool.description)}" for tool in found.tools)


def _where(found: FunctionInfo) -> list[tuple[str, str]]:
    """Where it listens, or how the edge runs it."""
    return run_fields(found.run) if found.run else [("Upstream", ", ".join(found.upstream))]


def _tool(name: str, description: str) -> str:
    first = description.partition("\n")[0]
    return f"{name}  {first[:80]}".rstrip()


def _signing_secret(found: SigningSecret) -> Iterator[str]:
    pairs = [("Signing secret", found.secret)]
    if found.previous is not None:
        pairs.append(("Signs too", found.previous))
    yield from output.fields(pairs)


def _rotated(made: SigningSecret, overlap: float) -> Iterator[str]:
    yield output.done(f"Rotated the signing secret of {made.function}")
    yield from output.fields([("Signing secret", made.secret)])
    if overlap:
        yield f"  The old one signs too for another {shown(overlap)}; receivers may check either."


def _deleted(gone: Deleted) -> Iterator[str]:
    yield output.done(f"Deleted {gone.function}; {gone.tokens} {_tokens(gone.tokens)} ended")
