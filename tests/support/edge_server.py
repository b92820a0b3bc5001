"""One worker of the server inside the test's loop, and a raw client for it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from edge.config import Config
from edge.server.worker import Listeners, Server
from tests.support.edge_server_app import Small


@dataclass
class Running:
    """A worker that serves the small app."""

    port: int
    small: Small
    server: Server

    async def connect(self) -> "Client":
        """A TCP connection to it."""
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, request: bytes) -> bytes:
        """Send bytes on a new connection; all that comes back until it ends."""
        client = await self.connect()
        try:
            client.send(request)
            return await client.rest()
        finally:
            client.close()

    async def until(self, reached: Any) -> None:
        """Wait until a condition holds; the test fails if it does not within 5 s."""
        with anyio.fail_after(5):
            while not reached():  # noqa: ASYNC110 — whatever a test can see
                await anyio.sleep(0.01)


@dataclass
class Client:
    """A raw HTTP/1 client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def get(self, target: str) -> bytes:
        """One keep-alive request with a short answer; its body."""
        self.send(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return (await self.answer())[1]

    async def answer(self) -> tuple[bytes, bytes]:
        """The head and the body, as long as its content-length says."""
        with anyio.fail_after(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
            return head, await self.reader.readexactly(int(length[0].split(b":")[1]))

    async def until(self, mark: bytes) -> bytes:
        with anyio.fail_after(5):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        """Everything until the end; raises ConnectionResetError after a reset."""
        with anyio.fail_after(5):
            return await self.reader.read()

    def reset(self) -> None:
        """Leave as a killed process does."""
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def running(tmp_path: Path, **settings: Any) -> AsyncIterator[Running]:
    """A worker with these settings, ended at once afterwards."""
    config = replace(Config(tmp_path, drain_timeout=0.0), **settings)
    small = Small()
    server = Server(config, small)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    port = sock.getsockname()[1]
    await server.start(Listeners(public=[sock]))
    try:
        yield Running(port, small, server)
    finally:
        with anyio.fail_after(10):
            await server.drain()
