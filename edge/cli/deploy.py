"""`jelou deploy`: a project directory, or a function known by its address alone."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from edge.admin.errors import AdminError
from edge.admin.expectations import check_digest
from edge.admin.operations import DeployRequest, DeployResult, Operations
from edge.admin.projects import checked
from edge.cli import code_files, output
from edge.cli.context import Session
from edge.cli.deploying import deployed_lines, from_directory
from edge.cli.group import command, session
from edge.cli.log_reader import BEFORE, LogReader
from edge.cli.project_files import FILE
from edge.cli.token_file import TokenFile
from edge.code.collect import SourceFile
from edge.project_file.parse import parse_project

ADDRESSES = ("http://", "https://", "unix:")


@command("deploy")
@click.argument("target", metavar="[DIR | URL]", default=".")
@click.option("--slug", metavar="NAME", help="The function's name, for a URL.")
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option(
    "--expect-tools",
    metavar="DIGEST",
    help="Deploy nothing unless the tools have this digest.",
)
@click.option("--no-confirm", is_flag=True, help="Do not ask before deploying.")
@click.option("--follow", is_flag=True, help="Show what it writes from then on, until Ctrl+C.")
@click.option("--save", is_flag=True, help="Write jelou.json here, for a URL.")
@click.option("--no-token", is_flag=True, help="Create no token on the first deploy.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write the token of the first deploy to this file (0600) instead of printing it.",
)
@session
def deploy(
    session: Session,
    target: str,
    slug: str | None,
    dry_run: bool,
    expect_tools: str | None,
    no_confirm: bool,
    follow: bool,
    save: bool,
    no_token: bool,
    token_file: Path | None,
) -> None:
    """Put a function behind the edge, or bring it up to date.

    DIR holds the project file jelou.json (default: the working directory). Where it says how the
    edge runs the function, its files are deployed too: they are installed and built, and go live
    once the new process answers. What .jelouignore names is left out, as are hidden files,
    node_modules, dist and Python's own. A URL deploys a
    function without one: its OpenAPI document is looked for at /openapi.json, /swagger.json and
    /v3/api-docs.

    The first deploy creates the token "default" and shows it once. Later ones say which tools they
    change for agents; a changed description comes first, for agents do what descriptions say.
    """
    by_url = target.startswith(ADDRESSES)
    _check_options(by_url, slug, save, no_token, token_file)
    request = DeployRequest(
        dry_run=dry_run,
        create_token=not no_token,
        expect_tools=None if expect_tools is None else check_digest(expect_tools),
    )
    if by_url:
        request = replace(request, url=target, slug=slug)
    else:
        local = session.target().directory is not None
        request = from_directory(request, Path(target), session.config(), local=local)
    operations = session.operations("scratch" if dry_run else "create")
    files = _files(session, operations, request, Path(target))
    if not dry_run and not no_confirm:
        _confirm(session, request)
    if files is not None:
        request = code_files.sent(operations, request, Path(target), files)
    with TokenFile(token_file) if token_file and not dry_run else nullcontext() as file:
        result = operations.deploy(request)
        result, saved = _stored(session, result, file)
    session.show(result, lambda result: deployed_lines(result, first_steps=by_url, saved=saved))
    if save:
        _save(session, result)
    if not session.given.json:
        for message in result.warnings:
            session.out.warn(message)
    if follow and result.id is not None:
        LogReader(session, operations, result.function).follow(BEFORE)


def _check_options(
    by_url: bool, slug: str | None, save: bool, no_token: bool, token_file: Path | None
) -> None:
    if not by_url and (slug is not None or save):
        raise click.UsageError("--slug and --save are for a URL; jelou.json names the function.")
    if no_token and token_file is not None:
        raise click.UsageError("--no-token and --token-file exclude each other.")
    if save and (Path.cwd() / FILE).exists():
        raise AdminError("INPUT_ERROR", f"There is a {FILE} here already; --save would replace it")


def _files(
    session: Session, operations: Operations, request: DeployRequest, directory: Path
) -> tuple[SourceFile, ...] | None:
    """The files to be sent, after they have been told; None where none are."""
    if not code_files.is_code(request):
        return None
    files = code_files.found(operations, directory)
    if not session.given.json:
        session.out.lines([code_files.told(files, directory)])
    return files


def _confirm(session: Session, request: DeployRequest) -> None:
    """Ask at a terminal, as the platform does; without one, deploying is what was asked for."""
    if session.given.yes or not session.interactive:
        return
    what = request.url or checked(parse_project(request.project or "")).slug
    if session.ask(f"? Deploy {what}? (Y/n) ").lower() not in ("", "y", "yes"):
        raise AdminError("INPUT_ERROR", "Nothing was deployed")


def _stored(
    session: Session, result: DeployResult, file: TokenFile | None
) -> tuple[DeployResult, Path | None]:
    """Put the token into its file; where that fails it is shown, for it exists already."""
    if file is None or result.token is None:
        return result, None
    try:
        file.write(result.token)
    except OSError as error:
        session.out.warn(f"The token file could not be written ({error.strerror}); here it is:")
        return result, None
    shown, hidden = f"'X-Jelou-Token: {result.token}'", f'"X-Jelou-Token: $(cat {file.path})"'
    example = (result.example or "").replace(shown, hidden)
    return replace(result, token=None, example=example), file.path


def _save(session: Session, result: DeployResult) -> None:
    """Write the project file of a function that was deployed by its address."""
    path = Path.cwd() / FILE
    text = json.dumps(result.project, indent=2, ensure_ascii=False)
    try:
        path.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}); the function is deployed"
        raise AdminError("INPUT_ERROR", message) from None
    if not session.given.json:
        session.out.lines([output.done(f"Wrote {FILE}")])
