"""The runner as a process of its own, functions for it to run, and a worker that talks with it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import edge.project_file.parse as project_file
from edge.child import Orders
from edge.config import Config, as_plain
from edge.functions import Project
from edge.registry.sqlite import SqliteRegistry
from edge.running.client import Runner
from edge.running.protocol import SOCKET, Hello, Message, Need, Synced, Up, from_line, to_line
from edge.secrets.store import SqliteSecrets
from tokens.database import Database

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20.0

SERVER = """
import os, socket, sys, time

def listen(path=None):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path or os.environ["LISTEN_SOCKET"])
    server.listen(64)
    return server

def serve(server, answer=lambda path: os.environ["JELOU_PROCESS"]):
    while True:
        client, _ = server.accept()
        asked = client.recv(65536)
        if asked:
            path = asked.split()[1].decode()
            body = str("ok" if path == "/__health" else answer(path)).encode()
            head = "HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n"
            client.sendall((head % len(body)).encode() + body)
        client.close()
"""
"""A module `served` that functions of tests are written with."""

GOOD = "from served import *\nserve(listen())\n"

M = TypeVar("M")


def python(file: str = "main.py") -> list[str]:
    """A command that starts quickly."""
    return [sys.executable, "-S", "-E", file]


def make_project(slug: str = "one", **keys: Any) -> Project:
    """A project whose program is `main.py`."""
    text = json.dumps({"function": slug, "command": python(), "openapi": False, **keys})
    parsed = project_file.parse_project(text)
    assert parsed.project is not None, parsed.problems
    return parsed.project


def put_code(data_dir: Path, digest: str, source: str = GOOD) -> str:
    """Lay a function's files where the runner finds them; the digest."""
    directory = data_dir / "code" / digest
    files = directory / "files"
    files.mkdir(parents=True)
    (files / "main.py").write_text(source)
    (files / "served.py").write_text(SERVER)
    (directory / "whole").touch()
    return digest


class Store:
    """The store of a data directory, to deploy in."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.database = Database.open(data_dir, create=True)
        self._registry = SqliteRegistry(self.database, os.urandom)
        self._now = 1.0

    def deploy(self, project: Project, code: str) -> str:
        """Make it live, without a trial; the deployment's id."""
        self._now += 1
        deployed = self._registry.deploy(project, None, (), "deploy", self._now, code)
        return deployed.deployment.id

    def deploy_source(self, source: str = GOOD, slug: str = "one", **keys: Any) -> str:
        """Deploy a program; the deployment's id."""
        digest = put_code(self.data_dir, f"{slug}{int(self._now)}", source)
        return self.deploy(make_project(slug, **keys), digest)

    def roll_back(self, slug: str, deployment: str) -> None:
        """Make a former deployment live again."""
        self._now += 1
        self._registry.rollback(slug, deployment, self._now)

    def set_secret(self, slug: str, name: str, value: str) -> None:
        """Keep a secret of a function."""
        SqliteSecrets(self.database).set(slug, {name: value}, self._now)

    def delete(self, slug: str) -> None:
        """Forget a function."""
        assert self._registry.delete(slug)

    def close(self) -> None:
        """Close it."""
        self.database.close()


class Worker:
    """A worker's end of its connection."""

    def __init__(self, data_dir: Path, slot: int = 0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(data_dir / SOCKET))
        self._lines = self._socket.makefile("rb")
        self.heard: list[Message] = []
        self.say(Hello(slot))
        self.until(Synced)

    def say(self, *messages: Message) -> None:
        """Tell the runner."""
        self._socket.sendall(b"".join(map(to_line, messages)))

    def until(self, kind: type[M]) -> M:
        """The next message of a kind; those before it are in `heard`."""
        while True:
            line = self._lines.readline()
            assert line, "the runner has hung up"
            message = from_line(line)
            self.heard.append(message)
            if isinstance(message, kind):
                return message

    def wake(self, deployment: str) -> Up:
        """An instance for a request that waits."""
        self.say(Need(deployment, 1))
        up = self.until(Up)
        assert up.deployment == deployment
        self.say(Need(deployment, 0))
        return up

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()


@dataclass
class Running:
    """A runner and its store."""

    data_dir: Path
    process: subprocess.Popen[bytes]
    store: Store
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def client(self) -> Runner:
        """What operations ask it by."""
        return Runner.connect(self.data_dir)

    @contextmanager
    def worker(self, slot: int = 0) -> Iterator[Worker]:
        """A worker that is connected."""
        with closing(Worker(self.data_dir, slot)) as worker:
            yield worker

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def read(self) -> None:
        """Keep what it writes to stderr."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.decode())


def settings(data_dir: Path, **values: Any) -> Config:
    """Settings for tests: what has to end ends soon."""
    given: dict[str, Any] = {"stop_timeout": 2.0, "drain_timeout": 2.0, "start_timeout": 10.0}
    return Config(data_dir=data_dir, **(given | values))


@contextmanager
def running(data_dir: Path, **values: Any) -> Iterator[Running]:
    """A runner on a data directory; it is ended afterwards."""
    store = Store(data_dir)
    process = start(settings(data_dir, **values))
    made = Running(data_dir, process, store)
    reader = threading.Thread(target=made.read, daemon=True)
    reader.start()
    try:
        yield made
    finally:
        if process.poll() is None:
            made.stop()
        reader.join(SECONDS)
        store.close()
        for pipe in (process.stdin, process.stderr):
            assert pipe is not None
            pipe.close()


def start(config: Config) -> subprocess.Popen[bytes]:
    """Start a runner and wait until it is ready."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "edge.running.main"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(writing,),
        env={**os.environ, "PYTHONPATH": str(ROOT), "SECRET_OF_THE_EDGE": "hidden"},
    )
    os.close(writing)
    assert process.stdin is not None
    process.stdin.write(Orders(as_plain(config), ["127.0.0.1:8080"], writing).to_json())
    process.stdin.flush()
    with os.fdopen(reading, "rb") as status:
        said = status.readline()
    assert said == b"ready\n", said
    return process


class _Unix(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)


def ask(address: str, path: str = "/") -> str:
    """The body of an instance's answer."""
    if address.startswith("unix:"):
        client: HTTPConnection = _Unix(address.removeprefix("unix:"))
    else:
        client = HTTPConnection(address.removeprefix("http://"), timeout=SECONDS)
    with closing(client):
        client.request("GET", path)
        return client.getresponse().read().decode()
