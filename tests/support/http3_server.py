"""One worker of the server inside the test's loop that speaks HTTP/3."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from edge.config import Config
from edge.events import Event
from edge.server.worker import Listeners, Server
from tests.support.certificates import self_signed
from tests.support.edge_server import Running
from tests.support.edge_server_app import Small
from tests.support.http3 import Http3Client


class Watching(Small):
    """The small app, with what was observed.

    Attributes:
        clients: the port that each request came from, as the app was told.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events: list[Event] = []
        self.observe = self.events.append
        self.clients: list[int] = []
        app = self.app

        async def noting(scope: Any, receive: Any, send: Any) -> None:
            self.clients.append(scope["client"][1])
            await app(scope, receive, send)

        self.app = noting


def udp_socket(port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", port))
    return sock


def http3_config(directory: Path, **settings: Any) -> Config:
    """Settings with TLS and HTTP/3."""
    certfile, keyfile = self_signed(directory)
    given = {"drain_timeout": 0.0, "certfile": certfile, "keyfile": keyfile, "http3": True}
    return replace(Config(directory), **given | settings)


@asynccontextmanager
async def http3_running(tmp_path: Path, **settings: Any) -> AsyncIterator[Running]:
    """A worker with these settings, ended at once afterwards."""
    small = Watching()
    server = Server(http3_config(tmp_path, **settings), small)
    sock = udp_socket()
    await server.start(Listeners(datagrams=[sock]))
    port = sock.getsockname()[1]
    try:
        yield Running(port, small, server)
    finally:
        for client in list(Http3Client.open):
            client.vanish()
        with anyio.fail_after(10):
            await server.drain()
