"""The command line in a world of its own: its data directory, its logins, its working directory."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.cli.context import Session
from edge.cli.main import run
from tests.support.documents_origin import BOOKS, Origin, origin

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The `data` of `--json`."""
        (line,) = self.out.splitlines()
        answer = json.loads(line)
        assert answer["ok"] is True, answer
        return answer["data"]

    @property
    def error(self) -> dict[str, Any]:
        """The `error` of `--json`."""
        answer: dict[str, Any] = json.loads(self.out)
        assert answer["ok"] is False
        error: dict[str, Any] = answer["error"]
        return error


@dataclass
class Cli:
    """Runs commands in this process; `environ` is all that they see of the environment."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    directory: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "") -> Outcome:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = _exit_code(arguments, self.environ)
        printed = self.capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    def process(self, *arguments: str, stdin: str = "") -> Outcome:
        """The same in a process of its own, through the entry point."""
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli.main", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            env=self._process_environ(),
            cwd=self.directory,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def terminal(self, *arguments: str, answer: str) -> str:
        """The same at a terminal, where someone answers; returns what the terminal shows."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "edge.cli.main", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**self._process_environ(), "NO_COLOR": "1"},
            cwd=self.directory,
        ) as process:
            os.close(theirs)
            os.write(ours, answer.encode())
            shown = b"".join(_pieces(ours))
            process.wait(30)
        os.close(ours)
        return shown.decode().replace("\r\n", "\n")

    def _process_environ(self) -> dict[str, str]:
        return {**self.environ, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def _pieces(descriptor: int) -> Iterator[bytes]:
    """What comes out of a terminal until the last program on it has ended."""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # EIO is how Linux says so
            return
        if not piece:
            return
        yield piece


def _exit_code(arguments: Sequence[str], environ: dict[str, str]) -> int:
    try:
        return run(arguments, Session(environ))
    except SystemExit as exit_:
        return int(exit_.code or 0)


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    environ = {
        "HOME": str(tmp_path / "home"),
        "JELOU_DATA_DIR": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    return Cli(capsys, monkeypatch, here, environ)


@pytest.fixture
def function() -> Iterator[Origin]:
    """A function with an OpenAPI document of three operations."""
    with origin() as served:
        served.serve("/openapi.json", BOOKS)
        yield served


@pytest.fixture
def project(cli: Cli, function: Origin) -> Path:
    """A project directory, which is the working directory, for that function."""
    text = json.dumps({"function": "my-function", "upstream": function.url})
    (cli.directory / "jelou.json").write_text(text)
    return cli.directory
