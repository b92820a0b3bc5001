"""Starts the contenders and the functions behind them, each pinned to its CPU, and ends them all.

Everything started here leads a session of its own, is known by its id, and is ended at the exit of
the `Fleet`, whatever happened: what a contender has started ends with it.
"""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.benchmarks import machine, traffic
from tests.benchmarks.opponents.model import Endpoint, Launch, Opponent, Programs, SetUp
from tests.support.processes import ROOT
from tokens import secret

START_SECONDS = 30.0
STOP_SECONDS = 12.0


class NotServing(Exception):
    """A contender did not come up, or answers wrongly; the text says what it wrote."""


@dataclass(slots=True)
class Running:
    """A contender that serves.

    Attributes:
        pids: its processes, as they were once it served.
        endpoint: where it speaks MCP, if it is measured in that.
        sessions: the ids of those that the load has opened.
    """

    opponent: Opponent
    setup: SetUp
    process: subprocess.Popen[bytes]
    log: Path
    pids: list[int] = field(default_factory=list)
    endpoint: Endpoint | None = None
    sessions: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http{'s' if self.setup.tls else ''}://127.0.0.1:{self.setup.port}"

    def status(self, token: str | None) -> int:
        """Ask once, as the load does; the status. Raises OSError, HTTPException."""
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection("127.0.0.1", self.setup.port, timeout=5, context=context)
            if self.setup.tls
            else http.client.HTTPConnection("127.0.0.1", self.setup.port, timeout=5)
        )
        fields = {"Host": traffic.HOST} | ({"X-Jelou-Token": token} if token else {})
        with closing(connection):
            connection.request("POST", traffic.TARGET, body=b"{}", headers=fields)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def await_serving(self) -> None:
        """Wait until it lets a good token in; then it has to refuse others. Raises NotServing."""
        deadline = time.monotonic() + START_SECONDS
        good, status = self.setup.tokens[0], 0
        while status != 200:
            with suppress(OSError, http.client.HTTPException):
                status = self.status(good)
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotServing(self.complaint(f"answers {status}" if status else "is silent"))
            time.sleep(0.02)
        for token in (None, bad_token(good)):
            if self.status(token) != 401:
                raise NotServing(self.complaint(f"answers {self.status(token)} to a bad token"))
        self.pids = machine.tree(self.process.pid)

    def complaint(self, what: str) -> str:
        """What is wrong with it, and the last lines that it wrote."""
        said = self.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
        ended = "has ended" if self.process.poll() is not None else what
        return f"{self.opponent.name} {ended}: {' / '.join(said) or 'it wrote nothing'}"


def bad_token(good: str) -> str:
    """A token of the right form, checksum and all, that nobody knows: it has to be looked up."""
    prefix, random = good[: len(secret.RUNTIME)], good[len(secret.RUNTIME) : -6]
    body = prefix + random[::-1]
    return body + secret.checksum(body.encode())


@dataclass(slots=True)
class Fleet:
    """Everything that was started."""

    stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def start(self, opponent: Opponent, setup: SetUp, programs: Programs) -> Running:
        """Start a contender on the server's CPU, and do not wait until it serves."""
        setup.folder.mkdir(parents=True, exist_ok=True)
        launch = opponent.launch(setup, programs)
        cpus = machine.SERVER_CPUS if setup.workers == 1 else frozenset(machine.CPUS)
        log = setup.folder / "log"
        return Running(opponent, setup, self.spawn(launch, cpus, log), log)

    def spawn(self, launch: Launch, cpus: Collection[int], log: Path) -> subprocess.Popen[bytes]:
        """Start a program, pinned; it is ended with the fleet."""
        with log.open("wb") as output, machine.pinned(cpus):
            process = subprocess.Popen(
                launch.command,
                cwd=ROOT,
                env={**_environment(), **launch.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.stack.callback(end, process)
        return process


def function(fleet: Fleet, folder: Path, port: int, launch: Launch | None = None) -> None:
    """Start the function behind the contenders: ours, unless another is given; wait for it."""
    own = [sys.executable, "-m", "tests.benchmarks.upstream", str(port)]
    process = fleet.spawn(launch or Launch(own), machine.LOAD_CPUS, folder / "function.log")
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotServing(f"the function: {(folder / 'function.log').read_text('utf-8')}")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    family = machine.tree(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for pid in family:
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == process.pid:  # its session: never a stranger with a reused id
                os.kill(pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def copy_of(store: Path, target: Path) -> Path:
    """A data directory of its own for one contender."""
    return Path(shutil.copytree(store, target, dirs_exist_ok=True))


def _environment() -> Mapping[str, str]:
    """Ours, without settings that a user may have for the edge."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JELOU_")}
