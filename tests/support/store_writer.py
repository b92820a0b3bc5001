"""A program that writes to a store without end and says what was acknowledged; made to be killed.

Run as `python -m tests.support.store_writer DIRECTORY`; see `StoreWriter`. It starts once and then
forks a writer for each round, so that hundreds of kills take seconds.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.admin.local import LocalOperations
from edge.admin.opening import open_store
from edge.admin.operations import DeployRequest
from edge.config import Config
from tests.support.processes import ROOT

SLUG = "shop"
PROJECT = (
    '{"function": "shop", "upstream": "http://127.0.0.1:9", "openapi": false, "description": "%s"}'
)


class StoreWriter:
    """The near end, of this program or of one that does as it does.

    A line `try …` is said before a change, `done …` once it was acknowledged.
    """

    def __init__(self, *arguments: Path, module: str = "tests.support.store_writer") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def start(self) -> int:
        """A writer; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        return int(self.hear()[1])

    def hear(self) -> Sequence[str]:
        """What was said next, word by word; `ended` once a writer is gone."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        assert line, "the program has ended"
        return line

    def __enter__(self) -> Self:
        """The program itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self._process.terminate()
        self._process.wait(10)


def say(*words: str) -> None:
    """One line, at once."""
    os.write(1, f"{' '.join(words)}\n".encode())


def write(operations: LocalOperations, prefix: str) -> None:
    """Create, revoke, rotate, set and deploy until the end comes."""
    for number in count():
        name = f"{prefix}-{number}"
        say("try", "create", name)
        made = operations.create_token(SLUG, name)
        say("done", "good", made.token)
        match number % 4:
            case 0:
                say("try", "revoke", made.token)
                operations.revoke_token(SLUG, made.id)
                say("done", "revoked", made.token)
            case 1:
                say("try", "rotate", made.token)
                fresh = operations.rotate_token(SLUG, made.id)
                say("done", "expired", made.token)
                say("done", "good", fresh.token)
            case 2:
                say("try", "set", name)
                operations.set_secrets(SLUG, {"KEY": name})
                say("done", "secret", name)
            case 3:
                say("try", "deploy", name)
                operations.deploy(DeployRequest(project=PROJECT % name))
                say("done", "deployed", name)


def main() -> None:
    """Fork a writer for each `go`."""
    config = Config(data_dir=Path(sys.argv[1]))
    for number, _ in enumerate(iter(sys.stdin.readline, "")):
        child = os.fork()
        if child == 0:
            say("started", str(os.getpid()))
            write(open_store(config, "1", "open"), f"r{number}")
            os._exit(0)
        os.waitpid(child, 0)
        say("ended")


if __name__ == "__main__":
    main()
