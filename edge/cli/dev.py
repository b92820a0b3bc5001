"""`jelou dev`: a project served on this machine alone, deployed anew whenever a file changes.

An edge of its own, with a data directory that ends with it; no token is asked for.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import watchfiles

from edge.admin.client import RemoteOperations, UnixTransport
from edge.admin.errors import AdminError
from edge.admin.operations import DeployRequest, DeployResult
from edge.cli import output
from edge.cli.code_files import with_code
from edge.cli.context import Session
from edge.cli.deploying import from_directory
from edge.cli.group import command, session
from edge.cli.log_lines import shown
from edge.cli.project_files import read_project, slug_of
from edge.cli.secret_files import from_file
from edge.config import ADMIN_SOCKET, Config
from edge.server.supervisor import serve as run_edge

Told = Callable[[DeployResult], Iterable[str]]
"""What is said of a deploy."""

WAIT = 1
"""Seconds for which one look at the log lasts: the command ends no later than that after Ctrl-C."""

SHOWN = 500
"""Lines of the log taken at once."""

HOST = "localhost"
"""On this host the function answers at the root, as it does on a host of its own."""


@command("dev")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    help="Where to listen; 0 picks one.",
)
@click.option(
    "--env", type=click.Path(path_type=Path), metavar="FILE", help="Secrets; .env by default."
)
@click.option("--no-watch", is_flag=True, help="Do not deploy anew when a file changes.")
@session
def dev(session: Session, directory: Path, port: int, env: Path | None, no_watch: bool) -> None:
    """Run a function here, without a token, and anew whenever a file changes.

    It is served as it would be once deployed: plain HTTP, MCP at /mcp, cron, logs. Nothing is left
    of it when the command ends.
    """
    read_project(directory)  # a directory without a project is told before anything starts
    data_dir = Path(tempfile.mkdtemp(prefix="jelou-dev-"))
    config = Config(data_dir, bind=(f"127.0.0.1:{port}",), access_log_format="text")
    work = Dev(session, directory.absolute(), config, env)
    try:
        status = run_edge(config, on_ready=lambda bound: work.run(bound.addresses, not no_watch))
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
    sys.exit(status)


class Dev:
    """The project as it is served: deployed, its logs shown, deployed again.

    Args:
        env: the file of secrets, or None for `.env` where there is one.
    """

    def __init__(self, session: Session, directory: Path, config: Config, env: Path | None) -> None:
        self._session = session
        self._directory = directory
        self._config = config
        self._env = env
        self._secrets: dict[str, str] = {}
        self._operations = RemoteOperations(UnixTransport(config.data_dir / ADMIN_SOCKET))

    async def run(self, addresses: Iterable[str], watch: bool) -> None:
        """Serve until cancelled.

        Args:
            addresses: what the edge is bound to.
        """
        port, begun = next(iter(addresses)).rpartition(":")[2], asyncio.Event()
        async with asyncio.TaskGroup() as group:
            if watch:  # from now on, or a change amid the first deploy would be missed
                group.create_task(self._watch(begun))
            await self._deploy(lambda result: _served(result, f"http://{HOST}:{port}"))
            if watch:
                self._session.out.lines([f"{output.ITEM} Watching for changes (Ctrl-C ends)"])
            begun.set()
            group.create_task(self._show_logs())

    async def _watch(self, begun: asyncio.Event) -> None:
        async for _ in watchfiles.awatch(self._directory, raise_interrupt=False):
            await begun.wait()
            await self._deploy(_again)

    async def _deploy(self, told: Told) -> None:
        """Deploy the files as they are; what is wrong with them is told, and the last stays."""
        try:
            result = await asyncio.to_thread(self._deployed)
        except AdminError as error:
            self._session.out.fail(error.message)
            return
        self._session.out.lines(told(result))
        for message in result.warnings:
            self._session.out.warn(message)

    def _deployed(self) -> DeployResult:
        self._set_secrets()
        request = with_code(self._operations, self._request(), self._directory)
        return self._operations.deploy(request)

    def _set_secrets(self) -> None:
        """The file of secrets as it is now; what it no longer names is kept until the end."""
        file = self._env or self._directory / ".env"
        slug = slug_of(self._directory)
        if slug is None or (self._env is None and not file.is_file()):
            return
        values = from_file(str(file))
        if values != self._secrets:
            self._operations.set_secrets(slug, values)
            self._secrets = values

    async def _show_logs(self) -> None:
        """What the function writes, as it comes."""
        cursor: str | None = None
        while True:
            slug = slug_of(self._directory)
            try:
                page = await asyncio.to_thread(
                    self._operations.logs, slug or "", after=cursor, limit=SHOWN, wait=WAIT
                )
            except AdminError:  # it is not deployed, or a worker has just been replaced
                await asyncio.sleep(WAIT)
                continue
            self._session.out.lines(shown(line) for line in page.lines)
            cursor = page.cursor
            if not page.is_run:
                await asyncio.sleep(WAIT)

    def _request(self) -> DeployRequest:
        request = from_directory(DeployRequest(), self._directory, self._config, local=True)
        return replace(request, project=_open(request.project or ""))


def _open(project: str) -> str:
    """The project file with what differs here: no token, and a host where it has the root."""
    try:
        value: Any = json.loads(project)
        value["hosts"] = [HOST]
        value.setdefault("config", {})["public"] = True
    except (ValueError, TypeError, AttributeError):
        return project  # what is wrong with it is for the deploy to say
    return json.dumps(value)


def _served(result: DeployResult, root: str) -> Iterator[str]:
    yield output.done(f"Serving {result.function}")
    yield output.item("URL", root)
    if result.mcp_url is not None:
        yield output.item("MCP", f"{root}/mcp")
    if result.tools:
        yield output.item("Tools", ", ".join(tool.name for tool in result.tools))


def _again(result: DeployResult) -> Iterator[str]:
    if result.changed:
        yield output.done("Reloaded")
