"""Runs one program to its end: bounded in time, its last output kept, nothing of it left running.

For what makes a deployment's code. Not here: a function's own processes (`edge/running/`).
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from edge.code.limits import CodeError
from edge.exits import signal_name

TAIL_BYTES = 16 * 1024
TAIL_LINES = 40
"""How much of the output is kept for the error."""

_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Owner:
    """The user of the system who runs the program, and whose code it is."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """A program to be run.

    Attributes:
        what: it is, for errors: `The build`.
        environment: all of it; may hold secrets.
        owner: who runs it, or None for this process's user.
        timeout: seconds.
    """

    what: str
    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    owner: Owner | None
    timeout: float


def run(command: Command) -> None:
    """Run it to its end.

    Raises:
        CodeError: it cannot be started, takes too long, or fails; with its last lines.
    """
    try:
        process = _started(command)
    except OSError as error:
        raise CodeError(
            f"{command.what} cannot be started ({command.argv[0]}): {error.strerror}"
        ) from None
    tail = bytearray()
    try:
        in_time = _followed(process, tail, time.monotonic() + command.timeout)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it has started and left
        status = process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if not in_time:
        raise CodeError(
            f"{command.what} took longer than {command.timeout:g} s (build_timeout){_said(tail)}"
        )
    if status:
        raise CodeError(f"{command.what} failed {_status(status)}{_said(tail)}")


def _started(command: Command) -> "subprocess.Popen[bytes]":
    owner = command.owner
    return subprocess.Popen(
        command.argv,
        cwd=command.directory,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=0o022,
        user=None if owner is None else owner.uid,
        group=None if owner is None else owner.gid,
        extra_groups=None if owner is None else (),
    )


def _followed(process: "subprocess.Popen[bytes]", tail: bytearray, deadline: float) -> bool:
    """Take its output until it has ended; whether it did so in time."""
    output = [cast(IO[bytes], process.stdout).fileno()]
    while time.monotonic() < deadline:
        ready = select.select(output, [], [], _LOOK)[0]
        if ready:
            chunk = os.read(output[0], 64 * 1024)
            tail += chunk
            del tail[:-TAIL_BYTES]
            if not chunk:
                output.clear()
        elif _has_ended(process.pid):
            return True
    return False


def _has_ended(pid: int) -> bool:
    """Told without reaping it: its pid stays its own, so that its group can be killed."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _said(tail: bytearray) -> str:
    lines = tail.decode("utf-8", "replace").rstrip().splitlines()[-TAIL_LINES:]
    return ":\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


def _status(status: int) -> str:
    return f"(exit status {status})" if status >= 0 else f"(ended by {signal_name(-status)})"
