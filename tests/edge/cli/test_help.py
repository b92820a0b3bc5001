"""Every command is documented and takes what every command takes; starting one imports little."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from edge.cli.main import cli as program
from edge.config import SETTINGS
from edge.version import VERSION
from tests.edge.cli.conftest import ROOT, Cli

PROMISED = [
    *("serve", "init", "dev", "deploy", "rollback", "login", "logout", "whoami"),
    *("tokens create", "tokens list", "tokens revoke", "tokens rotate", "tokens check"),
    *("functions list", "functions info", "functions delete"),
    "functions rotate-secret",
    *("functions init", "functions dev", "functions deploy"),
    *("cron list", "cron logs", "cron run"),
    *("functions cron list", "functions cron logs", "functions cron run"),
    *("logs", "functions logs"),
    *("secrets set", "secrets list", "secrets delete", "secrets rotate-key"),
    *("functions secrets set", "functions secrets list", "functions secrets delete"),
    "functions secrets rotate-key",
    *("deployments list", "deployments info", "deployments download"),
    *(
        "mcp config",
        "mcp rotate-keys",
        "mcp stdio",
        "access create",
        "access list",
        "access revoke",
    ),
    *("auth list", "auth switch", "auth remove"),
    *("audit", "backup", "restore", "status", "doctor", "completion"),
]
GLOBAL = ("--data-dir", "--edge", "--profile", "--json", "--no-input", "--yes")


def commands(
    group: click.Group, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*words, name))
        else:
            yield " ".join((*words, name)), found


def test_there_are_the_promised_commands_and_no_others() -> None:
    assert sorted(name for name, _ in commands(program)) == sorted(PROMISED)


@pytest.mark.parametrize("name", [*PROMISED, "", "tokens", "functions", "mcp", "auth", "access"])
def test_every_command_has_help_and_the_options_of_every_command(cli: Cli, name: str) -> None:
    outcome = cli(*name.split(), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: jelou {name}".rstrip())
    assert len(outcome.out.splitlines()[2].strip()) > 10, "a sentence of what it does"
    for option in GLOBAL:
        assert option in outcome.out


def test_every_option_has_help() -> None:
    for name, command in commands(program):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


def test_serve_has_a_flag_for_every_setting(cli: Cli) -> None:
    shown = cli("serve", "--help").out
    for setting in SETTINGS:
        assert setting.flag in shown


def test_the_list_of_commands_has_their_help(cli: Cli) -> None:
    shown = cli("--help").out
    for name in ("serve", "deploy", "tokens", "auth"):
        assert f"\n  {name} " in shown


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").out == f"jelou {VERSION}\n"


def test_without_a_command_help_is_shown(cli: Cli) -> None:
    assert cli().code == 2


@pytest.mark.parametrize("words", [["tokens", "list"], ["--help"], ["functions", "--help"]])
def test_a_command_does_not_import_the_world(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from edge.cli.context import Session\n"
        "from edge.cli.main import run\n"
        f"run({words!r}, Session({{'JELOU_DATA_DIR': '/nonexistent/edge'}}))\n"
        "heavy = {'mcp', 'mcp_types', 'hypercorn', 'httpx', 'httpx2', 'sqlite_utils', 'anyio',\n"
        "         'jsonschema_rs', 'asyncio', 'mcp_bridge.catalog'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_entry_point_is_a_program_of_its_own(cli: Cli) -> None:
    outcome = cli.process("functions", "list", "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "NOT_FOUND")
    assert cli.process("nope").code == 2
