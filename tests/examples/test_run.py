"""What ``make run`` prints works when it is pasted."""

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.curl import UNAUTHORIZED
from tests.support.processes import ROOT, Program, run, started

JELOU = Path(sys.executable).with_name("jelou")


@dataclass(frozen=True, slots=True)
class Printed:
    """What a newcomer sees."""

    program: Program
    curl: str
    url: str
    mcp_url: str


@contextmanager
def make_run(data_dir: Path) -> Iterator[Printed]:
    """Start what ``make run`` starts; yield what it printed."""
    if not JELOU.exists():
        assert not os.environ.get("CI"), "the project is not installed"
        pytest.skip("the project is not installed: make dev")
    env = {"JELOU_DATA_DIR": str(data_dir), "JELOU_BIND": "127.0.0.1:0", "HOME": str(data_dir)}
    command = [sys.executable, str(ROOT / "examples" / "run.py")]
    with started(command, "curl -X POST ", env=env) as program:
        yield printed(program)


def printed(program: Program) -> Printed:
    """Find the line to paste and the MCP address in what was printed."""
    text = program.output()
    curl, mcp = re.search(r"^curl .+$", text, re.MULTILINE), re.search(r"MCP +(\S+)", text)
    assert curl is not None, text
    assert mcp is not None, text
    return Printed(program, curl.group(), program.address, mcp.group(1))


def without_token(line: str) -> str:
    """Leave the token's header out of a curl line."""
    shorter, found = re.subn(r' -H "X-Jelou-Token: [^"]+"', "", line)
    assert found == 1, line
    return shorter


def paste(line: str) -> str:
    """Run a line as a shell does, and return what it printed."""
    done = run(["sh", "-c", line])
    assert done.returncode == 0, done.stderr
    return done.stdout


def accepts(address: str) -> bool:
    """Tell whether anything listens at an address."""
    parts = urlsplit(address)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def test_the_printed_line_works_every_time_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    with make_run(tmp_path / "data") as first:
        assert json.loads(paste(first.curl))["name"] == "Ana Torres"
        assert paste(without_token(first.curl)) == UNAUTHORIZED
        assert first.mcp_url == f"{first.url}/mcp"
        first.program.process.send_signal(signal.SIGINT)
        assert first.program.process.wait(20) == 0
        assert not accepts(first.url)

    with make_run(tmp_path / "data") as second:
        assert second.curl != first.curl
        assert json.loads(paste(second.curl))["name"] == "Ana Torres"
