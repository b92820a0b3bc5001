"""The program's commands, and command lines as pages show them, for the tests of `docs/`."""

import re
import shlex
from collections.abc import Iterator

import click

from edge.cli.context import Session
from edge.cli.main import cli

_PREFIX = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?=jelou )")
_OPERATORS = frozenset({"&", "|", "<", ">", "&&"})
_ELSEWHERE = frozenset({"--help", "--version"})


def commands(
    group: click.Group = cli, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command with its name, such as `tokens create`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*words, name))
        else:
            yield " ".join((*words, name)), found


def flags(command: click.Command) -> set[str]:
    """Every spelling of the command's options."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    return {flag for each in options for flag in (*each.opts, *each.secondary_opts)}


def shown_lines(text: str) -> Iterator[list[str]]:
    """The command lines of a block, each as its words behind `jelou`."""
    for line in text.replace("\\\n", " ").splitlines():
        match = _PREFIX.match(line)
        if match is not None:
            yield _words(line[match.end() :])


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)[1:]
    ends = [at for at, word in enumerate(words) if word in _OPERATORS]
    return words[: ends[0]] if ends else words


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words lead to, and what is left of them.

    Raises:
        LookupError: there is no such command.
    """
    found: click.Command = cli
    rest = list(words)
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        below = found.get_command(click.Context(found), name)
        if below is None:
            raise LookupError(f"jelou has no command {name!r} ({' '.join(words)})")
        found = below
    return found, rest


def check_mention(words: list[str]) -> None:
    """Hold a command named in a sentence to the program: it exists, and so do its options."""
    command, rest = find(words)
    named = {word.partition("=")[0].strip("[]") for word in rest if word.startswith(("-", "[-"))}
    unknown = {flag for flag in named if flag not in flags(command) | _ELSEWHERE | {"-"}}
    assert not unknown, f"jelou {' '.join(words)}: no option {unknown}"


def check_line(words: list[str]) -> None:
    """Parse a whole command line as the program would, without running it."""
    command, rest = find(words)
    if isinstance(command, click.Group) or _ELSEWHERE & set(rest):
        check_mention(words)
        return
    command.make_context(command.name, rest, parent=click.Context(cli, obj=Session({})))
