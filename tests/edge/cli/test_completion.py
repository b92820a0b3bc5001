"""Completion as somebody at a shell has it: a word begun, a key pressed, the word on the line."""

import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.edge.cli.conftest import ROOT, Cli
from tests.support.tools import tool

SECONDS = 30.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x07\r]")

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "--no-rcs", "-i"],
}
BEFORE = {"bash": "bind 'set enable-bracketed-paste off'", "zsh": "autoload compinit; compinit -u"}


class Typing:
    """Hands at a terminal in which a shell runs."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = ""

    def types(self, text: str) -> None:
        """Press these keys."""
        os.write(self._terminal, text.encode())

    def sees(self, text: str) -> None:
        """Wait until the terminal shows this, and forget what it has shown up to there."""
        deadline = time.monotonic() + SECONDS
        while text not in self._seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} was not shown: {self._seen!r}"
            if select.select([self._terminal], [], [], left)[0]:
                shown = os.read(self._terminal, 65536).decode(errors="replace")
                self._seen = ESCAPES.sub("", self._seen + shown)
        self._seen = self._seen.partition(text)[2]


def environ(home: Path) -> dict[str, str]:
    """One in which `jelou` is this project's."""
    program = home / "jelou"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m edge.cli.main "$@"\n')
    program.chmod(0o755)
    return {
        "HOME": str(home),
        "PATH": f"{home}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
        "PS1": "> ",
    }


@contextmanager
def shell(name: str, variables: Mapping[str, str]) -> Iterator[Typing]:
    """An interactive shell at a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        SHELLS[name],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=variables,
        cwd=variables["HOME"],
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Typing(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("name", ["bash", pytest.param("zsh", marks=pytest.mark.slow)])
def test_a_word_that_is_begun_is_completed_by_the_tabulator(tmp_path: Path, name: str) -> None:
    tool(name)
    with shell(name, environ(tmp_path)) as hands:
        hands.types(f'{BEFORE[name]}; eval "$(jelou completion {name})"; echo re""ady\n')
        hands.sees("ready")
        hands.types("jelou tok\t")
        hands.sees("jelou tokens ")
        hands.types("rev\t")
        hands.sees("revoke ")
        hands.types("--no-in\t")
        hands.sees("--no-input")


@pytest.mark.slow
def test_fish_completes_and_says_what_each_is(tmp_path: Path) -> None:
    tool("fish")
    line = 'jelou completion fish | source; complete -C "jelou tok"; complete -C "jelou mcp c"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", line],
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    tokens, config = done.stdout.splitlines()
    assert tokens == "tokens\tRuntime tokens: who may call a function."
    assert config.startswith("config\t")


def test_completing_a_command_imports_none(cli: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "edge.cli.main"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "COMP_WORDS": "jelou ",
            "COMP_CWORD": "1",
            "_JELOU_COMPLETE": "bash_complete",
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert "plain,serve" in done.stdout.splitlines()
    assert "edge.cli.serve" not in done.stderr


def test_the_script_is_had_as_json_too(cli: Cli) -> None:
    made = cli("completion", "zsh", "--json").data
    assert made["shell"] == "zsh"
    assert made["script"].strip() == cli("completion", "zsh").out.strip()
