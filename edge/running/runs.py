"""What an admin operation may ask of functions that the edge runs: the contract, and its error.

Pure. Two keep it: `edge/running/client.py` asks a running edge's runner, `edge/running/alone.py`
does without one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from edge.running.protocol import FunctionStatus

Said = Callable[[str], None]
"""Takes output of a process while it starts, as it comes."""


class RunFailed(Exception):
    """A process did not start, or the runner cannot be asked.

    Attributes:
        reason: why, with the last lines of its output; for the function's owner.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Trial(Protocol):
    """One process of what may become a deployment, up and ready.

    Attributes:
        address: `unix:/path` or `http://127.0.0.1:PORT`.
    """

    @property
    def address(self) -> str: ...

    def adopt(self, deployment: str) -> None:
        """Keep the process as the first of this deployment, which is live already.

        One that has ended meanwhile is replaced like any other.

        Raises:
            RunFailed: there is no such live deployment, or the runner is gone.
        """
        ...


class Runs(Protocol):
    """Every call blocks."""

    def trial(
        self, slug: str, project: str, code: str, said: Said | None = None, deployment: str = ""
    ) -> AbstractContextManager[Trial]:
        """Start one process of a function and wait until it answers.

        It ends with the context, unless it has been adopted.

        Args:
            project: the project file as canonical JSON (`Project.text`); its `command` or
                `entrypoint` and the function's secrets of now are what is started.
            code: the digest of its files, which are in place and built.
            said: called with what it writes until it answers.
            deployment: what it is told that it is; empty if that is not known yet.

        Raises:
            RunFailed: it did not answer in time, ended, or could not be started.
        """
        ...

    def status(self, slug: str) -> FunctionStatus | None:
        """How a live function is; None where no edge runs.

        Raises:
            RunFailed: the runner does not know such a function, or does not answer.
        """
        ...

    def restart(self, slug: str) -> None:
        """New processes with the secrets of now in place of those that run, if any do.

        Raises:
            RunFailed: the new ones do not start; the former ones still run.
        """
        ...

    def ended(self, slug: str) -> None:
        """Wait until nothing runs of a function that was deleted: what is in flight is answered.

        Raises:
            RunFailed: the runner does not answer.
        """
        ...
