"""How commands are declared: loaded when used, each with the options that every command takes.

A command's module is imported when it runs, by its address in a table; the table also holds its
one line of help, so that listing the commands imports none of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import click
from click.shell_completion import CompletionItem

from edge.cli import loading
from edge.cli.context import Session


class Lazy(NamedTuple):
    """Where a command is.

    Attributes:
        address: `module:attribute`.
        help: what the list of commands says of it.
    """

    address: str
    help: str


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a global option where every command finds it; what is given last counts."""
    if value not in (None, False):
        setattr(ctx.ensure_object(Session).given, param.name or "", value)


def _option(*names: str, **settings: Any) -> click.Option:
    return click.Option(list(names), expose_value=False, callback=_remember, **settings)


def global_options() -> list[click.Parameter]:
    """The options of every command."""
    return [
        _option("--data-dir", metavar="DIR", help="The edge's data directory on this machine."),
        _option("--edge", metavar="URL", help="Manage the edge at this URL."),
        _option("--profile", metavar="NAME", help="Manage the edge of this saved login."),
        _option("--json", is_flag=True, help="Print JSON."),
        _option("--no-input", is_flag=True, help="Never ask; fail instead."),
        _option("-y", "--yes", is_flag=True, help="Answer every question with yes."),
    ]


class EdgeCommand(click.Command):
    """A command with the options that every command takes."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        own = {name for parameter in self.params for name in parameter.opts}
        self._globals = [p for p in global_options() if own.isdisjoint(p.opts)]
        self.params.extend(self._globals)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then those of every command."""
        _format_options(self, self._globals, ctx, formatter)


class EdgeGroup(click.Group):
    """A group whose commands are loaded when used."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = dict(lazy or {})
        self._globals = global_options()
        self.params.extend(self._globals)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the tables: the order in which one needs them."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now if it is in the table."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        return cast(click.Command, loading.load(self.lazy[cmd_name].address))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each command, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(self._lines(ctx))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What a shell may complete a word to: names of the tables, no command imported."""
        lines = self._lines(ctx) if not incomplete.startswith("-") else []
        named = [CompletionItem(name, help=said) for name, said in lines]
        fitting = [item for item in named if item.value.startswith(incomplete)]
        return [*fitting, *click.Command.shell_complete(self, ctx, incomplete)]

    def _lines(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Each command with its line of help."""
        lines = [(name, command.help) for name, command in self.lazy.items()]
        for name in super().list_commands(ctx):
            found = super().get_command(ctx, name)
            lines.append((name, found.get_short_help_str(80) if found else ""))
        return lines

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The group's own options, those of every command, then the commands."""
        _format_options(self, self._globals, ctx, formatter)
        self.format_commands(ctx, formatter)


def _format_options(
    command: click.Command,
    every: list[click.Parameter],
    ctx: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    own = [p.get_help_record(ctx) for p in command.get_params(ctx) if p not in every]
    for title, records in (
        ("Options", own),
        ("Options of every command", [p.get_help_record(ctx) for p in every]),
    ):
        rows = [record for record in records if record is not None]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command."""
    return click.command(name, cls=EdgeCommand)


def group(name: str, lazy: Mapping[str, Lazy] | None = None) -> Callable[..., EdgeGroup]:
    """Declare a group; `lazy` are the commands that live elsewhere."""

    def declare(function: Callable[..., Any]) -> EdgeGroup:
        return click.group(name, cls=EdgeGroup, lazy=lazy)(function)

    return declare


session = click.make_pass_decorator(Session, ensure=True)
"""Hands a command the session as its first argument."""
