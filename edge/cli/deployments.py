"""`jelou deployments` and `jelou rollback`: a function's versions."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from edge.admin.errors import AdminError
from edge.admin.operations import DeploymentFiles, DeploymentInfo, RolledBack
from edge.cli import output
from edge.cli.context import Session
from edge.cli.deploying import tool_lines
from edge.cli.group import command, group, session
from edge.cli.project_files import FILE, slug_here

DOCUMENT = "openapi.json"


@group("deployments")
def deployments() -> None:
    """A function's versions: list, show, download."""


@command("list")
@click.argument("slug", required=False)
@session
def list_(session: Session, slug: str | None) -> None:
    """List a function's deployments, newest first."""
    session.show(session.operations().deployments(slug_here(slug)), _table)


@command("info")
@click.argument("slug")
@click.argument("deployment", metavar="ID")
@session
def info(session: Session, slug: str, deployment: str) -> None:
    """Show one deployment."""
    session.show(session.operations().deployment(slug, deployment), _details)


@command("download")
@click.argument("slug")
@click.argument("deployment", metavar="ID")
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write the files; default SLUG-ID here.",
)
@session
def download(session: Session, slug: str, deployment: str, directory: Path | None) -> None:
    """Write a deployment's project file and OpenAPI document."""
    found = session.operations().download(slug, deployment)
    written = _write(directory or Path(f"{slug}-{found.id}"), found)
    session.show(found, lambda _: [output.done(f"Wrote {path}") for path in written])


@command("rollback")
@click.argument("slug", required=False)
@click.argument("deployment", metavar="[ID]", required=False)
@session
def rollback(session: Session, slug: str | None, deployment: str | None) -> None:
    """Make an earlier deployment answer again: the one named, else the one before.

    Configuration and tools are restored; the function's own code is where it runs, and stays.
    """
    session.show(session.operations().rollback(slug_here(slug), deployment), _rolled_back)


for _command in (list_, info, download):
    deployments.add_command(_command)


def _write(directory: Path, found: DeploymentFiles) -> list[Path]:
    """The files, none of which may exist."""
    project = json.dumps(json.loads(found.project), indent=2, ensure_ascii=False) + "\n"
    texts = {FILE: project, DOCUMENT: found.document}
    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if text is not None:
                with (directory / name).open("x", encoding="utf-8") as file:
                    file.write(text)
                written.append(directory / name)
    except FileExistsError as error:
        message = f"{error.filename} exists already; choose another directory with -o"
        raise AdminError("INPUT_ERROR", message) from None
    except OSError as error:
        message = f"{directory} cannot be written: {error.strerror}"
        raise AdminError("INPUT_ERROR", message) from None
    return written


def _table(found: tuple[DeploymentInfo, ...]) -> list[str]:
    rows = [[d.id, output.moment(d.created), d.origin, "live" if d.live else ""] for d in found]
    return output.table(["Id", "Created", "Origin", "State"], rows)


def _details(found: DeploymentInfo) -> list[str]:
    document = "none" if found.document_bytes is None else f"{found.document_bytes} bytes"
    return output.fields(
        [
            ("Id", found.id),
            ("Function", found.function),
            ("State", "live" if found.live else "not live"),
            ("Created", output.moment(found.created)),
            ("Origin", found.origin),
            ("Upstream", ", ".join(found.upstream)),
            ("Document", document),
            ("Digest", found.digest),
        ]
    )


def _rolled_back(result: RolledBack) -> Iterator[str]:
    yield output.done(f"Rolled back to {result.id}")
    yield output.item("URL", result.url)
    yield from tool_lines(result.tool_changes, result.mcp_url and result.tools_digest)
    yield output.warning(
        "Configuration and tools are restored; the function's code runs elsewhere and is as it was."
    )
