"""Asks a running edge's runner, for admin operations: one connection for each request.

Synchronous. Not here: what the runner does then (`edge/running/runner.py`), and running a function
without an edge (`edge/running/alone.py`).
"""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from edge.running.protocol import (
    LONGEST_LINE,
    SOCKET,
    Adopt,
    AskStatus,
    AwaitEnd,
    Done,
    Failed,
    FunctionStatus,
    Message,
    ProtocolError,
    Ready,
    Restart,
    StartTrial,
    Status,
    from_line,
    to_line,
)
from edge.running.protocol import Said as SaidLine
from edge.running.runs import RunFailed, Said

SOON = 5.0
"""Seconds within which the runner answers what needs no process."""

LATEST = 300.0
"""Seconds after which even a start is given up; the runner's own limits come first."""


class Runner:
    """The runner of one data directory; see `edge.running.runs.Runs`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def connect(cls, data_dir: Path) -> Self:
        """The runner of a data directory. Raises RunFailed if none listens there."""
        runner = cls(data_dir / SOCKET)
        with runner._asking(SOON):
            return runner

    @contextmanager
    def trial(
        self, slug: str, project: str, code: str, said: Said | None = None, deployment: str = ""
    ) -> Iterator["RemoteTrial"]:
        """See `Runs.trial`."""
        name = "trial_" + os.urandom(8).hex()
        with self._asking(LATEST) as asked:
            answer = asked.ask(StartTrial(name, slug, project, code, deployment), said)
            if not isinstance(answer, Ready):
                raise asked.unexpected(answer)
            yield RemoteTrial(answer.address, name, asked)

    def status(self, slug: str) -> FunctionStatus:
        """See `Runs.status`."""
        with self._asking(SOON) as asked:
            answer = asked.ask(AskStatus(slug))
            if not isinstance(answer, Status):
                raise asked.unexpected(answer)
            return answer.status

    def restart(self, slug: str) -> None:
        """See `Runs.restart`."""
        with self._asking(LATEST) as asked:
            asked.expect_done(Restart(slug))

    def ended(self, slug: str) -> None:
        """See `Runs.ended`."""
        with self._asking(LATEST) as asked:
            asked.expect_done(AwaitEnd(slug))

    @contextmanager
    def _asking(self, timeout: float) -> Iterator["_Asked"]:
        """A connection of its own."""
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.settimeout(timeout)
            try:
                sock.connect(str(self._path))
            except OSError as error:
                raise RunFailed(f"The edge's runner does not answer: {error.strerror}") from None
            with sock.makefile("rb") as answers:
                yield _Asked(sock, answers)


class RemoteTrial:
    """See `edge.running.runs.Trial`."""

    def __init__(self, address: str, name: str, asked: "_Asked") -> None:
        self.address = address
        self._name = name
        self._asked = asked

    def adopt(self, deployment: str) -> None:
        """See `Trial.adopt`."""
        self._asked.expect_done(Adopt(self._name, deployment))


class _Asked:
    """One connection to the runner."""

    def __init__(self, sock: socket.socket, answers: BinaryIO) -> None:
        self._sock = sock
        self._answers = answers

    def ask(self, message: Message, said: Said | None = None) -> Message:
        """Ask, and wait for the answer behind what is said before. Raises RunFailed."""
        try:
            self._sock.sendall(to_line(message))
            while True:
                answer = self._read()
                if not isinstance(answer, SaidLine):
                    return answer
                if said is not None:
                    said(answer.text)
        except (OSError, ProtocolError) as error:
            raise RunFailed(f"The edge's runner does not answer: {error}") from None

    def expect_done(self, message: Message) -> None:
        """Ask for what is answered by `Done`. Raises RunFailed for all else."""
        answer = self.ask(message)
        if not isinstance(answer, Done):
            raise self.unexpected(answer)

    def unexpected(self, answer: Message) -> RunFailed:
        """What an answer other than the one hoped for means."""
        if isinstance(answer, Failed):
            return RunFailed(answer.reason)
        return RunFailed("The edge's runner answers something else than it was asked")

    def _read(self) -> Message:
        line = self._answers.readline(LONGEST_LINE + 1)
        if not line:
            raise ConnectionError("it has closed the connection")
        return from_line(line)
