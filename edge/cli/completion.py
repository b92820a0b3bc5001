"""`jelou completion`: a script that has a shell complete commands and options of `jelou`.

The script asks `jelou` itself, by a variable of its environment, so that it never grows old. Not
here: what a word may be completed to (`group.py`).
"""

from dataclasses import dataclass

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from edge.cli.context import Session
from edge.cli.group import command, session

PROGRAM = "jelou"

VARIABLE = "_JELOU_COMPLETE"
"""By which the script tells `jelou` to complete; click makes the name of it from the program's."""

_SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}


@dataclass(frozen=True, slots=True)
class Completion:
    """The script of a shell."""

    shell: str
    script: str


@command("completion")
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
@session
def completion(session: Session, shell: str) -> None:
    """Print a script that has a shell complete what you type.

    For bash, in ~/.bashrc: eval "$(jelou completion bash)"
    """
    script = _SHELLS[shell](click.get_current_context().find_root().command, {}, PROGRAM, VARIABLE)
    session.show(Completion(shell, script.source()), lambda made: [made.script.rstrip("\n")])
