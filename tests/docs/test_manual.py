"""The manual page: what `make man` would write, and as man(1) and groff(1) want it."""

import os
import subprocess

from tests.docs.command_lines import commands
from tests.docs.manual import PAGE, manual
from tests.support.tools import tool


def test_it_is_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == manual(), "it is out of date: make man"


def test_groff_has_nothing_to_say_against_it() -> None:
    words = [tool("groff"), "-man", "-ww", "-z", "-K", "utf8", "-T", "utf8", str(PAGE)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_reader_finds_every_command_in_it() -> None:
    done = subprocess.run(
        [tool("man"), "--local-file", str(PAGE)],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "MANWIDTH": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    longer = {name for name, _ in commands() if f"\n   jelou {name}" not in done.stdout}
    assert all(name.startswith("functions ") for name in longer), longer
    assert "--takeover" in done.stdout
