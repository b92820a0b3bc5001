"""A supervised edge in processes of its own, serving the small app of the server's tests."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from tests.support.processes import Program, started

SCRIPT = """
import json, sys
from edge.config_loading import load
from edge.server.supervisor import serve
given = json.loads(sys.argv[1])
factory = given.pop("factory")
problem = given.pop("on_ready")
async def on_ready(bound):
    if problem:
        raise RuntimeError(problem)
sys.exit(serve(load(given, {}, None).config, factory=factory, runner=None, on_ready=on_ready))
"""
BUILD = "tests.support.edge_server_app:build"


def command(data_dir: Path, factory: str = BUILD, **settings: Any) -> list[str]:
    """The command line of an edge."""
    given = {"bind": ["127.0.0.1:0"], "data_dir": str(data_dir), "factory": factory, "on_ready": ""}
    given |= settings
    return [sys.executable, "-c", SCRIPT, json.dumps(given)]


@dataclass(frozen=True, slots=True)
class Supervised:
    """A running edge."""

    program: Program

    @property
    def address(self) -> str:
        return self.program.address

    @property
    def pid(self) -> int:
        return self.program.process.pid

    def workers(self) -> set[int]:
        """The process ids of the workers."""
        return children(self.pid)

    def get(self, path: str) -> str:
        """The body of an answer over a connection of its own."""
        return ask(self.address, path)[1]

    def connection_to(self, pid: int, stack: ExitStack) -> HTTPConnection:
        """A keep-alive connection to that worker, closed with the stack."""
        for _ in range(200):
            client = stack.enter_context(closing(connection(self.address, 10)))
            if get(client, "/pid")[1] == str(pid):
                return client
        raise AssertionError(f"no connection went to worker {pid}")


@contextmanager
def supervised(
    data_dir: Path,
    *,
    by: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    **settings: Any,
) -> Iterator[Supervised]:
    """Start an edge, by another program if one is given; it is ended afterwards."""
    words = [*by, *command(data_dir, **settings)]
    with started(words, "Edge ready on ", env=env) as program:
        yield Supervised(program)


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("edge", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def connection(address: str, timeout: float = 5) -> HTTPConnection:
    """A connection to `http://host:port`."""
    return HTTPConnection(address.removeprefix("http://"), timeout=timeout)


def get(client: HTTPConnection, path: str) -> tuple[int, str]:
    """Status and body of an answer; the connection is kept. Raises OSError, HTTPException."""
    client.request("GET", path)
    answer = client.getresponse()
    return answer.status, answer.read().decode()


def begin(client: HTTPConnection, path: str) -> HTTPResponse:
    """An answer whose head has arrived: the request is in flight."""
    client.request("GET", path)
    return client.getresponse()


def ask(address: str, path: str, timeout: float = 5) -> tuple[int, str]:
    """The same on a connection of its own; `address` may be the path of a Unix socket."""
    made = UnixConnection(Path(address)) if address.startswith("/") else None
    client = made or connection(address, timeout)
    try:
        return get(client, path)
    finally:
        client.close()


def until(reached: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition of another process holds; the test fails if it does not."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def children(pid: int) -> set[int]:
    """The process ids of a process's children (proc(5))."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(child) for child in text.split()}


def runs(pid: int) -> bool:
    """Whether a process is there and not a zombie (proc(5))."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)
