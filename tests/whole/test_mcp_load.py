"""Thousands of sessions and open streams in one worker: bounded memory, and everybody is told."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import anyio
import anyio.to_thread
import pytest

from edge.state.kept import session_keys
from mcp_bridge.session import open_session, sign
from tests.support.http1_client import Http1Client, request
from tests.support.mcp_wire import ENVELOPE, STATELESS
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, document
from tests.support.whole_processes import memory, settled

SESSIONS = 10_000
STREAMS = 2_000
AT_ONCE = 50
KIB = 1024
PER_STREAM = 24 * KIB
"""Bytes of a worker's memory for one open stream, its connection included."""

FOR_SESSIONS = 16 * 1024 * KIB
"""Bytes that a worker may take while all sessions are used: it keeps none of them."""

WITHIN = 20.0
"""Seconds in which all streams are told, or ended; far more than it takes on an idle machine."""

TOLD = b"notifications/tools/list_changed"
RPC = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")]

T = TypeVar("T")


async def each(work: Sequence[Callable[[], Awaitable[T]]], at_once: int = AT_ONCE) -> list[T]:
    """Do all of it, some at once; the results in order."""
    room = asyncio.Semaphore(at_once)

    async def one(do: Callable[[], Awaitable[T]]) -> T:
        async with room:
            return await do()

    return list(await asyncio.gather(*(one(do) for do in work)))


class Client:
    """Requests of one token to `/mcp` of the function."""

    def __init__(self, edge: Edge, token: str) -> None:
        self._port = edge.port
        self._token = ("x-jelou-token", token)
        self._connections: list[Http1Client] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.writer.transport.abort()
        await asyncio.sleep(0)

    async def connect(self) -> Http1Client:
        """A connection of its own; ended at the end."""
        connection = await Http1Client.connect("127.0.0.1", self._port)
        self._connections.append(connection)
        return connection

    def get(self, session: str) -> bytes:
        """A `GET` of a session."""
        fields = [self._token, ("accept", "text/event-stream"), ("mcp-session-id", session)]
        return request("/shop/mcp", fields=fields, host="localhost")

    def listen(self) -> bytes:
        """A `subscriptions/listen`."""
        method = "subscriptions/listen"
        params = {"notifications": {"toolsListChanged": True}, "_meta": ENVELOPE}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        named = [("mcp-protocol-version", STATELESS), ("mcp-method", method)]
        return self._post(body, *named)

    def list(self, session: str) -> bytes:
        """A `tools/list` in a session."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return self._post(body, ("mcp-session-id", session))

    def download(self) -> bytes:
        """A large answer of the function's."""
        return request("/shop/download?99999999", fields=[self._token], host="localhost")

    def _post(self, body: object, *fields: tuple[str, str]) -> bytes:
        every = [self._token, *RPC, *fields]
        return request("/shop/mcp", "POST", every, json.dumps(body).encode(), host="localhost")

    async def use(self, sessions: Sequence[str]) -> int:
        """List in each of these sessions, over one connection; how many were answered."""
        connection, answered = await self.connect(), 0
        for session in sessions:
            await connection.send(self.list(session))
            answered += (await connection.answer()).status == 200
        await connection.aclose()
        return answered

    async def open(self, asked: bytes) -> Http1Client:
        """A stream that has begun."""
        connection = await self.connect()
        await connection.send(asked)
        head = await connection.head()
        assert head.status == 200, head
        assert await connection.chunk()
        return connection


def sessions_of(edge: Edge) -> list[str]:
    """Ids as the edge gives them; the worker that uses them has never heard of one."""
    keys = session_keys(edge.data_dir, os.urandom).keys()
    [token] = edge.operations.tokens("shop")
    now = time.time()
    return [
        sign(open_session("shop", token.id, "2025-11-25", now, os.urandom), keys)
        for _ in range(SESSIONS)
    ]


async def told(connection: Http1Client) -> None:
    """Wait for word of a change."""
    while TOLD not in await connection.chunk():
        pass


async def rest(connection: Http1Client) -> bytes:
    """What still comes of a stream; its last chunk has to."""
    found = b""
    while piece := await connection.chunk():
        found += piece
    return found


async def used(client: Client, sessions: Sequence[str]) -> None:
    """Use every session, over a few connections."""
    shares = [sessions[at::10] for at in range(10)]
    answered = await each([partial(client.use, share) for share in shares])
    assert sum(answered) == len(sessions)


async def opened(client: Client, sessions: Sequence[str]) -> list[Http1Client]:
    """A stream of each session, and as many listeners."""
    asked = [*map(client.get, sessions), *[client.listen()] * len(sessions)]
    return await each([partial(client.open, one) for one in asked])


async def stopped_reading(client: Client) -> Http1Client:
    """A client with a large answer that it does not read."""
    connection = await client.connect()
    await connection.send(client.download())
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
    return connection


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_thousands_of_sessions_and_streams_cost_little_are_all_told_and_end_in_order(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", "--drain-timeout", "5") as edge:
        token = edge.deploy("shop", origin.url).token or ""
        [worker] = edge.workers
        sessions, half = sessions_of(edge), STREAMS // 2
        async with Client(edge, token) as client:
            await used(client, sessions[:100])
            before = memory(worker)[0]
            await used(client, sessions)
            idle = memory(worker)[0]
            assert idle - before < FOR_SESSIONS

            streams = await opened(client, sessions[:half])
            taken = settled(lambda: memory(worker)[0]) - idle
            print(f"{taken / STREAMS / KIB:.1f} KiB for each open stream")  # noqa: T201
            assert taken < STREAMS * PER_STREAM

            await each([partial(stopped_reading, client) for _ in range(5)])
            origin.openapi = document("new")
            await anyio.to_thread.run_sync(edge.deploy, "shop", origin.url)
            with anyio.fail_after(WITHIN):
                await asyncio.gather(*map(told, streams))
            await used(client, sessions[:10])

            os.kill(edge.pid, signal.SIGTERM)
            with anyio.fail_after(WITHIN):
                ends = await asyncio.gather(*map(rest, streams))
            assert ends[:half] == [b""] * half
            assert all(b'"resultType":"complete"' in end for end in ends[half:])
            assert await anyio.to_thread.run_sync(edge.program.process.wait, 20) == 0
