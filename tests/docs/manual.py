"""The manual page of `jelou`, `docs/man/jelou.1`, written from the program's commands.

`make man` writes it anew; a test holds the page to what this would write. Roff as man(7) has it.
"""

import inspect
import re
from collections.abc import Iterable, Iterator

import click

from edge.cli.context import Session
from edge.cli.group import global_options
from edge.cli.main import COMMANDS, cli
from edge.config import SETTINGS
from tests.docs.command_lines import commands
from tests.docs.pages import DOCS, codes, page, rows

PAGE = DOCS / "man" / "jelou.1"

FILES = (
    ("/var/lib/jelou-edge", "The data directory of an edge that root runs."),
    ("$XDG_DATA_HOME/jelou-edge, ~/.local/share/jelou-edge", "That of other users."),
    ("jelou.json", "A function's project file."),
    ("edge.toml", "Settings of an edge, where --config names it."),
)
STATUSES = (("0", "Done."), ("1", "Failed, or refused."), ("2", "The command was not understood."))
HEAD = """\
.\\" Written by `make man` from the commands of the program; edit those.
.TH JELOU 1 "" "jelou-edge" "User Commands"
.SH NAME
jelou, jelou-edge \\- one gate in front of your functions
.SH SYNOPSIS
.B jelou
.RI [ OPTIONS ]
.I COMMAND
.RI [ ARGUMENTS ]
"""


def manual() -> str:
    """The whole page."""
    parts = [
        HEAD,
        _section("DESCRIPTION", _paragraphs(cli.help or "")),
        _section("COMMANDS", _each_command()),
        _section("OPTIONS OF EVERY COMMAND", _options(global_options())),
        _section("ENVIRONMENT", _variables()),
        _section("FILES", _terms(FILES)),
        _section("EXIT STATUS", _terms(STATUSES)),
    ]
    return "".join(parts)


def _section(title: str, lines: Iterable[str]) -> str:
    return f".SH {title}\n" + "".join(f"{line}\n" for line in lines)


def _each_command() -> Iterator[str]:
    for name, command in commands():
        if name.split()[0] == "functions" and name.split()[1] in COMMANDS:
            continue  # a longer spelling of one that is told of by itself
        context = click.Context(command, info_name=f"jelou {name}", obj=Session({}))
        _, *arguments = command.collect_usage_pieces(context)
        yield f".SS {_text(' '.join(['jelou', name, *arguments]))}"
        yield from _paragraphs(command.help or "")
        shared = {each.name for each in global_options()} | {"help"}
        own = [each for each in command.get_params(context) if each.name not in shared]
        yield from _options(each for each in own if isinstance(each, click.Option))


def _options(options: Iterable[click.Parameter]) -> Iterator[str]:
    context = click.Context(cli, obj=Session({}))
    records = (option.get_help_record(context) for option in options)
    return _terms(record for record in records if record is not None)


def _variables() -> Iterator[str]:
    """Those of the settings, and the ones that the page on the command line explains."""
    yield from _paragraphs(
        f"Each setting of `jelou serve` is also a variable, `{SETTINGS[0].variable}` that of"
        f" `{SETTINGS[0].flag}`; a flag comes before it."
    )
    table = page("cli.md").partition("### Environment")[2].partition("\n## ")[0]
    for cells in rows(table):
        if codes(cells[0]):
            said = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", cells[1])
            yield from _terms([(", ".join(codes(cells[0])), said)])


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).replace("\b\n", "").split("\n\n"):
        yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, said in pairs:
        yield ".TP"
        yield f"\\fB{_text(term)}\\fR"
        yield _text(said)


def _text(text: str) -> str:
    """A line of text: nothing in it is taken for a request or an escape; `code` in bold."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    bold = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", escaped)
    return f"\\&{bold}" if bold.startswith((".", "'")) else bold


if __name__ == "__main__":
    PAGE.write_text(manual(), "utf-8")
