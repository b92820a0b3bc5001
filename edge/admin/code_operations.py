"""What can be done with code, and what is told of functions that the edge runs. Pure.

As `edge.admin.operations`, of which it is a part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.admin.times import Time


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """Files that were sent, or that a deployment is made of.

    Attributes:
        digest: names them: SHA-256 in hex of what was sent, or of a deployment's code (files,
            entrypoint and build).
        files: how many.
        bytes: of all of them together.
    """

    digest: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process of a function, and those that it has started.

    Attributes:
        state: `starting`, `up` or `leaving`.
        memory: bytes resident, of all of them.
        processes: how many there are.
    """

    instance: str
    deployment: str
    state: str
    pid: int
    started: Time
    memory: int
    processes: int


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a process last ended, or failed to start, that had not been told to end.

    Attributes:
        reason: one sentence.
        output: its last lines.
    """

    at: Time
    reason: str
    output: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """How the edge runs a function.

    Attributes:
        command: what is started; for an entrypoint `python` and its path.
        state: `sleeping`, `starting`, `up`, `backing off` or `failed`; `stopped` where no edge
            runs, `unknown` where that cannot be asked.
        restarts: starts in place of processes that ended without being told to.
        waiting, active: requests that wait for a process, and that are in flight.
        retry_in: seconds until the next start while `backing off`, else 0.
        last_exit: None if there was none since the edge started.
    """

    command: tuple[str, ...]
    state: str
    restarts: int = 0
    waiting: int = 0
    active: int = 0
    retry_in: float = 0.0
    processes: tuple[ProcessInfo, ...] = ()
    last_exit: ExitInfo | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A deployment's files that were written, and to how many bytes."""

    id: str
    function: str
    bytes: int


class CodeOperations(Protocol):
    """Code, there and back. Synchronous; safe in several threads."""

    def put_code(self, archive: Path) -> CodeInfo:
        """Send the files of a project, for a deploy that follows within an hour.

        Args:
            archive: a tar file (`edge.code.archive`), which is only read.

        Raises:
            AdminError: INPUT_ERROR if it is no such archive, or over `code_files` or `code_size`.
        """
        ...

    def download_code(self, slug: str, id: str, to: Path) -> Downloaded:  # noqa: A002
        """Write a deployment's project as it was deployed to a file: a tar.gz.

        Args:
            to: the file; what is in it is replaced.

        Raises:
            AdminError: NOT_FOUND if there is no such deployment, or the edge does not run it.
        """
        ...
