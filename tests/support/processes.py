"""Starting the project's programs as a user would: real processes, stopped by their own id.

It knows how to wait for a server's ready line, not what the server is.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support import token_scan

JELOU = (sys.executable, "-c", "from edge.cli.main import main; main()")
ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 15.0


@dataclass(slots=True)
class Program:
    """A running program, all that it wrote, and the last lines of it."""

    process: subprocess.Popen[str]
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def read(self, stream: IO[str], kept: list[str], mark: str | None) -> None:
        """Keep what the program writes; note what follows ``mark`` in it."""
        with stream:
            for line in stream:
                self.lines.append(line)
                kept.append(line)
                if mark and mark in line:
                    self.address = line.split(mark, 1)[1].split()[0]
                    self.ready.set()
        if mark:
            self.ready.set()

    def output(self) -> str:
        """Return what was written last, for the message of a failing test."""
        return "".join(self.lines)


@contextmanager
def started(
    command: Sequence[str],
    mark: str,
    *,
    env: Mapping[str, str] | None = None,
    seconds: float = 30.0,
) -> Iterator[Program]:
    """Start a server, wait for the line that holds ``mark``, and stop it at the end.

    Raises AssertionError with the program's output if it ends, or says nothing for ``seconds``.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    program = Program(process)
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        threading.Thread(
            target=program.read, args=[process.stdout, program.stdout, mark], daemon=True
        ),
        threading.Thread(
            target=program.read, args=[process.stderr, program.stderr, None], daemon=True
        ),
    ]
    for reader in readers:
        reader.start()
    try:
        assert program.ready.wait(seconds), f"not ready in {seconds} s:\n{program.output()}"
        assert program.address, f"ended before it was ready:\n{program.output()}"
        yield program
    finally:
        stop(process)
        for reader in readers:
            reader.join(STOP_SECONDS)  # a process that outlives its parent holds the pipe open
        token_scan.said(_words(command), "".join(program.stdout), "".join(program.stderr))


def stop(process: subprocess.Popen[str]) -> None:
    """End a program, gently if it lets itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    seconds: float = 50.0,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit status."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    token_scan.said(_words(command), done.stdout, done.stderr)
    return done


def _words(command: Sequence[str]) -> Sequence[str]:
    """What `jelou` or `make` is told to do, or another script's name; of other programs nothing."""
    if tuple(command[: len(JELOU)]) == JELOU:
        return command[len(JELOU) :]
    if command[0] == "make":
        return [command[0], command[-1]]
    return [Path(word).name for word in command[1:2] if word.endswith(".py")]
