"""A client in a process of its own, held open while a test tells it what to do."""

import json
import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

from tests.support.processes import ROOT, stop

SECONDS = 30.0


class Driven:
    """A connected client that obeys the commands of `tests/clients/drivers`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answers: Queue[str | None] = Queue()
        self._complaints: deque[str] = deque(maxlen=500)
        self._readers = [
            threading.Thread(target=read, daemon=True)
            for read in (self._read_answers, self._read_complaints)
        ]
        for reader in self._readers:
            reader.start()

    def connected(self) -> None:
        """Wait until the client has connected."""
        assert self._answer() == {"connected": True}

    def tools(self) -> list[str]:
        """The names of the tools that it lists."""
        names: list[str] = self._tell({"do": "list"})["tools"]
        return names

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What it says that a call answered: ``failed``, ``text`` and ``progress``."""
        return self._tell({"do": "call", "tool": tool, "arguments": arguments})

    def hears_of_a_change(self) -> bool:
        """Whether it is told within seconds that the tools changed, or was since last asked."""
        heard: bool = self._tell({"do": "wait for a change"})["changed"]
        return heard

    def let_go(self) -> int:
        """Tell it that there are no more commands; return its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(SECONDS)

    def join(self) -> None:
        """Wait until all that it wrote is read; nothing of its pipes stays open."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        for reader in self._readers:
            reader.join(SECONDS)

    def _tell(self, command: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert "raised" not in answer, f"{answer['raised']}\n{self._complained()}"
        return answer

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=SECONDS)
        except Empty:
            line = None
        assert line is not None, f"the client says nothing:\n{self._complained()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _complained(self) -> str:
        self._readers[1].join(1)  # to its end, if the client has ended
        return "".join(self._complaints)

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put(None)

    def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._complaints.extend(lines)


@contextmanager
def driven(command: Sequence[str], url: str, token: str, *, home: str) -> Iterator[Driven]:
    """Start a client's driver and let it connect; end it afterwards, by closing its stdin."""
    where = {"JELOU_MCP_URL": url, "JELOU_FUNCTION_TOKEN": token, "HOME": home}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **where},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    client = Driven(process)
    try:
        client.connected()
        yield client
        assert client.let_go() == 0, "the client did not end well"
    finally:
        stop(process)
        client.join()
