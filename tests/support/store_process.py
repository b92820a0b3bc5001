"""A second process on a store, which does what it is told through pipes and stops where it is told.

Run as `python -m tests.support.store_process DIRECTORY [--pause]`; see `StoreProcess`.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tokens.database import Database
from tokens.errors import TokenError
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

ROOT = Path(__file__).parents[2]


class StoreProcess:
    """The near end: one line is one command, one line is one answer.

    With `pause`, every write stops between COMMIT and publication, says `committed <generation>`
    and goes on at `go`.
    """

    def __init__(self, directory: Path, *, pause: bool = False) -> None:
        arguments = [sys.executable, "-m", "tests.support.store_process", str(directory)]
        self._process = subprocess.Popen(
            arguments + ["--pause"] * pause,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.hear() == "started"

    def open(self) -> None:
        """Let it open the store."""
        assert self.ask("go") == "open"

    def tell(self, *words: str) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")

    def hear(self) -> str:
        """The next answer; empty if the process is gone."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, *words: str) -> str:
        """Send a command and wait for its answer."""
        self.tell(*words)
        return self.hear()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait(10)

    def __enter__(self) -> Self:
        """The process itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def say(text: str) -> None:
    """Answer with one line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def wait_for_go() -> None:
    """Stop here until told."""
    if sys.stdin.readline() != "go\n":
        raise SystemExit


def pause(generation: int) -> None:
    """Stop between COMMIT and publication."""
    say(f"committed {generation}")
    wait_for_go()


def obey(database: Database, service: TokenService, verb: str, words: list[str]) -> str:
    """Carry one command out."""
    match verb, words:
        case "create", [function, name]:
            return service.create(function, name).secret
        case "revoke", [function, name]:
            return service.revoke(function, name).id
        case "half", [function, name]:
            with database.write():
                service.create(function, name)
                say("half made")
                wait_for_go()
            return "made"
        case "hold", []:
            with database.write():
                say("held")
                wait_for_go()
            return "released"
        case "mirror", []:
            return str(database.mirror.read())
        case "imported", [module]:
            return str(module in sys.modules)
    raise ValueError(verb)


def main() -> None:
    """Obey until the other end closes."""
    say("started")
    wait_for_go()
    on_commit = pause if "--pause" in sys.argv else lambda _: None
    database = Database.open(Path(sys.argv[1]), create=True, patience=30, on_commit=on_commit)
    service = TokenService(SqliteTokens(database), database.clock, os.urandom)
    say("open")
    for line in iter(sys.stdin.readline, ""):
        verb, *words = line.split()
        try:
            say(obey(database, service, verb, words))
        except TokenError as error:
            say(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
