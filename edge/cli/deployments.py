"""`jelou deployments` and `jelou rollback`: a function's versions."""

import json
from collections.abc import Callable, Iterator
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
    "where",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to write: a file for code, a directory else; default SLUG-ID(.tar.gz) here.",
)
@session
def download(session: Session, slug: str, deployment: str, where: Path | None) -> None:
    """Write what a deployment was made from.

    For a function that the edge runs, that is a tar.gz of the project; for others a directory with
    the project file and the OpenAPI document.
    """
    operations = session.operations()
    found = operations.download(slug, deployment)
    if found.code is not None:
        path = where or Path(f"{slug}-{found.id}.tar.gz")
        written = [_write_code(path, lambda to: operations.download_code(slug, found.id, to))]
    else:
        written = _write(where or Path(f"{slug}-{found.id}"), found)
    session.show(found, lambda _: [output.done(f"Wrote {path}") for path in written])


@command("rollback")
@click.argument("slug", required=False)
@click.argument("deployment", metavar="[ID]", required=False)
@session
def rollback(session: Session, slug: str | None, deployment: str | None) -> None:
    """Make an earlier deployment answer again: the one named, else the one before.

    Where the edge runs the function, its code is restored too: it is started, and answers once it
    is up. For other functions configuration and tools are restored; their code runs elsewhere.
    """
    result = session.operations().rollback(slug_here(slug), deployment)
    session.show(result, _rolled_back)
    if not session.given.json:
        for message in result.warnings:
            session.out.warn(message)


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


def _write_code(path: Path, download: Callable[[Path], object]) -> Path:
    """The archive, whole or not at all; nothing is replaced by it."""
    if path.exists():
        raise AdminError("INPUT_ERROR", f"{path} exists already; choose another with -o")
    part = path.with_name(f"{path.name}.part")
    try:
        download(part)
        part.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise AdminError("INPUT_ERROR", message) from None
    finally:
        part.unlink(missing_ok=True)
    return path


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
            ("Upstream", ", ".join(found.upstream) if found.code is None else "run by the edge"),
            ("Code", found.code or "elsewhere"),
            ("Document", document),
            ("Digest", found.digest),
        ]
    )


def _rolled_back(result: RolledBack) -> Iterator[str]:
    yield output.done(f"Rolled back to {result.id}")
    yield output.item("URL", result.url)
    yield from tool_lines(result.tool_changes, result.mcp_url and result.tools_digest)
    if result.code is not None:
        return
    yield output.warning(
        "Configuration and tools are restored; the function's code runs elsewhere and is as it was."
    )
