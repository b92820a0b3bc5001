"""`jelou serve`: runs the edge. Every flag but the global ones is a row of the settings' table."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge.admin.client import RemoteOperations, UnixTransport
from edge.admin.errors import AdminError
from edge.cli.context import Session
from edge.cli.deploying import deploy_directory, deployed_lines
from edge.cli.group import command, session
from edge.config import ADMIN_SOCKET, SETTINGS, Config, Setting, as_plain
from edge.config_loading import ConfigError, Loaded, load
from edge.config_shown import print_config
from edge.server.supervisor import Ready
from edge.server.supervisor import serve as run_edge


def _settings(function: Callable[..., None]) -> Callable[..., None]:
    """The table's rows as options; the value is read by the table, not by the option."""
    for setting in reversed(SETTINGS):
        if setting.name != "data_dir":  # an option of every command
            function = _option(setting)(function)
    return function


def _option(setting: Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    if setting.is_boolean:
        names = f"{setting.flag}/--no-{setting.flag[2:]}"
        return click.option(names, setting.name, default=None, help=setting.help)
    return click.option(
        setting.flag,
        setting.name,
        metavar=setting.kind.metavar,
        multiple=setting.many,
        help=setting.help,
    )


@command("serve")
@click.option(
    "--config",
    "toml",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="edge.toml",
    help="Read settings from this file; flags and environment come before it.",
)
@click.option("--print-config", "show", is_flag=True, help="Show every setting and its origin.")
@click.option(
    "--takeover",
    is_flag=True,
    help="Take the place of the edge that runs on the data directory, if one does.",
)
@_settings
@session
def serve(session: Session, /, toml: Path | None, show: bool, takeover: bool, **flags: Any) -> None:
    """Run the edge until SIGTERM or Ctrl-C; then let requests finish.

    Each setting is a flag, a variable JELOU_<NAME> and a key of edge.toml, in that order.
    """
    loaded = _loaded(session, toml, flags)
    if show:
        _show(session, loaded)
        return
    deploys = _deploys(session, loaded.config)
    follower = sys.argv[1:]
    sys.exit(run_edge(loaded.config, on_ready=deploys, takeover=takeover, follower=follower))


def _loaded(session: Session, toml: Path | None, flags: dict[str, Any]) -> Loaded:
    try:
        return load({**flags, "data_dir": session.given.data_dir}, session.environ, toml)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _show(session: Session, loaded: Loaded) -> None:
    if not session.given.json:
        session.out.lines([print_config(loaded).rstrip("\n")])
        return
    plain = as_plain(loaded.config)
    data = {
        name: {"value": plain.get(name), "origin": origin}
        for name, origin in loaded.origins.items()
    }
    session.out.json({"ok": True, "data": data})


def _deploys(session: Session, config: Config) -> Ready:
    """Deploys the project directories of the settings; one that fails stops no other."""

    async def deploy_all(_: object) -> None:
        for directory in config.project:
            await asyncio.to_thread(_deploy, session, config, directory)

    return deploy_all


def _deploy(session: Session, config: Config, directory: Path) -> None:
    operations = RemoteOperations(UnixTransport(config.data_dir / ADMIN_SOCKET))
    try:
        result = deploy_directory(operations, directory, config)
    except AdminError as error:
        session.out.fail(f"{directory}: {error.message}")
        return
    session.out.lines(deployed_lines(result, first_steps=True))
    for message in result.warnings:
        session.out.warn(message)
