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
from edge.cli.context import Session
from edge.cli.deploying import from_directory
from edge.cli.group import command, session
from edge.cli.project_files import read_project
from edge.config import ADMIN_SOCKET, Config
from edge.server.supervisor import serve as run_edge

Told = Callable[[DeployResult], Iterable[str]]
"""What is said of a deploy."""

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
    config = Config(data_dir=data_dir, bind=(f"127.0.0.1:{port}",))
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
        self._operations = RemoteOperations(UnixTransport(config.data_dir / ADMIN_SOCKET))

    async def run(self, addresses: Iterable[str], watch: bool) -> None:
        """Serve until cancelled.

        Args:
            addresses: what the edge is bound to.
        """
        port = next(iter(addresses)).rpartition(":")[2]
        await self._deploy(lambda result: _served(result, f"http://{HOST}:{port}"))
        if not watch:
            return
        self._session.out.lines([output.item("Watching", f"{self._directory} (Ctrl-C ends)")])
        async for _ in watchfiles.awatch(self._directory, raise_interrupt=False):
            await self._deploy(_again)

    async def _deploy(self, told: Told) -> None:
        """Deploy the files as they are; what is wrong with them is told, and the last stays."""
        try:
            result = await asyncio.to_thread(self._operations.deploy, self._request())
        except AdminError as error:
            self._session.out.fail(error.message)
            return
        self._session.out.lines(told(result))
        for message in result.warnings:
            self._session.out.warn(message)

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
