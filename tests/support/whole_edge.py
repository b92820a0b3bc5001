"""A whole edge as its users have it: `jelou serve` with its workers, and callers on real sockets.

`tests/support/edge.py` deploys an example with the command line; this starts what a test needs of
several workers, and manages it through the same socket as the command line, in process.
"""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from edge.admin.client import RemoteOperations, UnixTransport
from edge.admin.operations import DeployRequest, DeployResult
from tests.support.edge import EDGE_READY, isolated
from tests.support.processes import JELOU, Program, started
from tests.support.whole_processes import children, command_of, eventually, owner_of

SECONDS = 20.0
UNAUTHORIZED = b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
BROKEN = (http.client.HTTPException, OSError)
"""What a caller meets whose connection breaks."""

MCP_REVISION = "2025-11-25"


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, or of an event stream the last event's."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = self.body.decode().splitlines()
            return json.loads([line[6:] for line in lines if line.startswith("data: ")][-1])
        return json.loads(self.body)


class Caller:
    """One keep-alive connection, which is never opened anew behind a test's back."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self.connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        self.connection.connect()
        self.connection.auto_open = 0
        self.server_port = port
        self.port = self.connection.sock.getsockname()[1]

    def send(
        self,
        target: str,
        token: str | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Send a request; `receive` its answer later."""
        fields = dict(headers or {}) | ({} if token is None else {"X-Jelou-Token": token})
        self.connection.request(method, target, body=body, headers=fields)
        return self

    def receive(self) -> Answer:
        """The whole answer to what was sent."""
        response = self.connection.getresponse()
        body = response.read()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, body)

    def ask(self, target: str, token: str | None = None, **more: Any) -> Answer:
        """One request and its answer."""
        return self.send(target, token, **more).receive()

    def send_rpc(
        self, target: str, token: str | None, method: str, session: str | None = None, **params: Any
    ) -> Self:
        """Send one JSON-RPC call of a handshake revision."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        if session is not None:
            headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": MCP_REVISION}
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.send(target, token, method="POST", body=json.dumps(call), headers=headers)

    def rpc(self, *arguments: Any, **params: Any) -> Answer:
        """One call and its answer; the arguments are those of `send_rpc`."""
        return self.send_rpc(*arguments, **params).receive()

    def open_session(self, target: str, token: str) -> str:
        """The id of a new MCP session."""
        answer = self.rpc(
            target,
            token,
            "initialize",
            protocolVersion=MCP_REVISION,
            capabilities={},
            clientInfo={"name": "test", "version": "1"},
        )
        assert answer.status == 200, answer
        return answer.headers["mcp-session-id"]

    def was_closed(self) -> bool:
        """Wait for what the other side does next: whether that is to close."""
        try:
            return self.connection.sock.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


@dataclass
class Edge:
    """A running edge."""

    program: Program
    data_dir: Path
    callers: list[Caller] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The parent process."""
        return self.program.process.pid

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.program.address.rpartition(":")[2])

    @property
    def workers(self) -> list[int]:
        """Process ids of its workers."""
        return [pid for pid in children(self.pid) if "worker" in command_of(pid)]

    @cached_property
    def operations(self) -> RemoteOperations:
        """Its management, through the data directory's socket."""
        return RemoteOperations(UnixTransport(self.data_dir / "admin.sock"))

    def deploy(self, slug: str, upstream: str, **config: Any) -> DeployResult:
        """Deploy a function of this name; `config` is the project file's."""
        return self.operations.deploy(DeployRequest(project=project(slug, upstream, **config)))

    def caller(self) -> Caller:
        """A new connection; hung up at the end if the test does not."""
        caller = Caller(self.port)
        self.callers.append(caller)
        return caller

    def worker_of(self, caller: Caller) -> int:
        """Which worker a connection has reached."""
        found: list[int] = []

        def reached() -> bool:
            pid = owner_of(caller.port, caller.server_port, self.workers)
            if pid is not None:
                found.append(pid)
            return bool(found)

        eventually(reached, "a worker has accepted the connection")
        return found[0]

    def callers_of(self, worker: int, count: int) -> list[Caller]:
        """So many new connections to one worker."""
        found: list[Caller] = []
        for _ in range(200):
            caller = self.caller()
            if self.worker_of(caller) == worker:
                found.append(caller)
            else:
                caller.close()
            if len(found) == count:
                break
        assert len(found) == count
        return found

    @contextmanager
    def caller_of_each_worker(self) -> Iterator[dict[int, Caller]]:
        """One connection to each worker, by its process id."""
        callers: dict[int, Caller] = {}
        workers = self.workers
        try:
            for _ in range(200):
                caller = self.caller()
                pid = self.worker_of(caller)
                if pid in callers:
                    caller.close()
                callers.setdefault(pid, caller)
                if len(callers) == len(workers):
                    break
            assert sorted(callers) == workers
            yield callers
        finally:
            for caller in callers.values():
                caller.close()


def project(slug: str, upstream: str, **config: Any) -> str:
    """A project file's text."""
    return json.dumps({"function": slug, "upstream": upstream, "config": config})


def serve_command(data_dir: Path, *flags: str, workers: int = 1) -> list[str]:
    """The command that starts an edge on a free port."""
    bind = [] if "--bind" in flags else ["--bind", "127.0.0.1:0"]
    base = [*JELOU, "serve", "--data-dir", str(data_dir), "--workers", str(workers)]
    return [*base, *bind, *flags]


@contextmanager
def serving(
    data_dir: Path,
    *flags: str,
    workers: int = 1,
    by: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Edge]:
    """Start an edge, by another program if one is given; stop it, if it still runs, at the end."""
    command = [*by, *serve_command(data_dir, *flags, workers=workers)]
    with started(command, EDGE_READY, env={**isolated(data_dir), **(env or {})}) as program:
        edge = Edge(program, data_dir)
        try:
            yield edge
        finally:
            for caller in edge.callers:
                caller.close()
