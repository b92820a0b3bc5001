"""The README's way from nothing to a tool, typed as it stands there."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import packages
from tests.docs.pages import PAGES, blocks
from tests.support.edge import isolated

SECONDS = 60.0
PROMPT = "$ "
INTERRUPT = "^C"
INSPECTOR = "npx @modelcontextprotocol/inspector"


@dataclass
class Step:
    """A command, and what the page says that it prints."""

    command: str
    printed: list[str]


def steps() -> Iterator[Step]:
    """The commands of the page's block, in their order."""
    text = PAGES[0].read_text("utf-8")
    block = next(each for each in blocks(text) if "six commands" in each.heading)
    for part in block.text.replace(" \\\n", " ").split(f"\n{PROMPT}"):
        command, *printed = part.removeprefix(PROMPT).splitlines()
        yield Step(command, printed)


def test_there_are_six_commands() -> None:
    assert len([*steps()]) == 6


def free_port() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return str(listener.getsockname()[1])


class Terminal:
    """A shell in a directory of its own, in which `jelou` is this project's."""

    def __init__(self, home: Path, node: Path, inspector: Path) -> None:
        self.directory = home
        self.token = ""
        self.running: list[subprocess.Popen[str]] = []
        self.ports = {"3000": free_port(), "8080": free_port()}
        self.inspector = f"{node} {inspector} "
        programs = home / "bin"
        programs.mkdir()
        words = shlex.join([sys.executable, "-m", "edge.cli.main"])
        (programs / "jelou").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (programs / "jelou").chmod(0o755)
        self.environ = {
            **os.environ,
            **isolated(home / "data"),
            "PATH": f"{programs}:{node.parent}:/usr/bin:/bin",
            "PYTHONPATH": str(PAGES[0].parent),
            "JELOU_DATA_DIR": str(home / "data"),
            "JELOU_BIND": f"127.0.0.1:{self.ports['8080']}",
            "NO_COLOR": "1",
        }

    def typed(self, step: Step) -> None:
        """Type a command, and compare what it prints."""
        command = self._here(step.command).replace(
            "jelou dev", f"jelou dev --port {self.ports['3000']}"
        )
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"{command.removesuffix('&').rstrip()}; printf '\\ncwd %s' \"$PWD\""],
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        self._compare(process, [line for line in step.printed if line != INTERRUPT])
        if INTERRUPT in step.printed:
            os.killpg(process.pid, signal.SIGINT)
        if not command.endswith("&"):
            rest, _ = process.communicate(timeout=SECONDS)
            _, _, ended = rest.rpartition("cwd ")
            self.directory = Path(ended) if ended else self.directory

    def _compare(self, process: subprocess.Popen[str], expected: list[str]) -> None:
        """Every line that the page shows is printed, in that order; others may stand between."""
        assert process.stdout is not None
        seen: list[str] = []
        for line in expected:
            wanted = masked(self._here(line))
            for printed in process.stdout:
                seen.append(printed)
                if found := re.search(r"jfn_rt_\w{38}", printed):
                    self.token = found[0]
                if masked(printed.rstrip()) == wanted:
                    break
            else:
                pytest.fail(f"{line!r} was not printed, but:\n{''.join(seen)}")

    def _here(self, text: str) -> str:
        for port, free in self.ports.items():
            text = text.replace(f":{port}", f":{free}")
        text = text.replace(INSPECTOR, self.inspector)
        return text.replace("jfn_rt_…", self.token) if self.token else text

    def close(self) -> None:
        """End what still runs."""
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            with process:
                process.wait(SECONDS)


def masked(line: str) -> str:
    """A line without what differs from time to time."""
    line = re.sub(r"dep_[0-9a-z]{8}", "dep_abc12345", line)
    return re.sub(r"jfn_rt_\w{38}", "jfn_rt_…", line)


def test_the_page_is_true(tmp_path: Path) -> None:
    node = packages.or_skip(packages.node)
    tools = packages.or_skip(lambda: packages.installed(packages.TOOLS))
    with closing(
        Terminal(tmp_path, node, tools / "node_modules" / ".bin" / "mcp-inspector")
    ) as shell:
        for step in steps():
            shell.typed(step)
