"""HTTP/3 as its users have it: the same gate and doors as over HTTP/2, whichever worker answers."""

import asyncio
import json
import os
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import DataReceived
from aioquic.quic.events import StreamReset

from tests.support.certificates import self_signed
from tests.support.edge import isolated
from tests.support.http3 import Fields, Http3Client
from tests.support.processes import run
from tests.support.whole_edge import MCP_REVISION, UNAUTHORIZED, serve_command, serving
from tests.support.whole_function import Function

JSON = ("content-type", "application/json")
ACCEPT = ("accept", "application/json, text/event-stream")


def flags(directory: Path, *more: str) -> list[str]:
    """Those of an edge that speaks HTTP/3."""
    certfile, keyfile = self_signed(directory)
    return ["--certfile", str(certfile), "--keyfile", str(keyfile), "--http3", *more]


@pytest.fixture
async def clients() -> AsyncIterator[None]:
    """Every client is closed at the end."""
    yield
    for client in list(Http3Client.open):
        client.vanish()


ASKS = pytest.mark.usefixtures("clients")


def rpc(client: Http3Client, token: str, method: str, fields: Fields = (), **params: Any) -> int:
    """Begin a call of MCP."""
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    every = [("x-jelou-token", token), JSON, ACCEPT, *fields]
    stream = client.ask("/shop/mcp", "POST", every, end=False)
    client.send(stream, message, end=True)
    return stream


async def session_of(client: Http3Client, token: str) -> str:
    opened = rpc(
        client,
        token,
        "initialize",
        protocolVersion=MCP_REVISION,
        capabilities={},
        clientInfo={"name": "test", "version": "1"},
    )
    assert await client.status(opened) == 200
    return (await client.head(opened))["mcp-session-id"]


@ASKS
async def test_the_gate_and_the_doors_are_those_of_every_lane(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, *flags(tmp_path)) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        client = await Http3Client.connect(edge.port)
        stranger = client.ask("/shop/hello")
        assert (await client.status(stranger), await client.body(stranger)) == (401, UNAUTHORIZED)
        known = client.ask("/shop/hello", fields=[("x-jelou-token", token)])
        assert await client.status(known) == 200
        await client.body(known)
        too_many = [("x-jelou-token", token), *(("x", "y") for _ in range(130))]
        assert await client.status(client.ask("/shop/hello", fields=too_many)) == 431
        long = client.ask("/shop/" + "x" * 9000, fields=[("x-jelou-token", token)])
        assert await client.status(long) == 414

        session = await session_of(client, token)
        mine = [("mcp-session-id", session), ("mcp-protocol-version", MCP_REVISION)]
        listed = rpc(client, token, "tools/list", mine)
        assert b'"tools"' in await client.body(listed)
        watching = client.ask("/shop/mcp", fields=[("x-jelou-token", token), ACCEPT, *mine])
        assert (await client.head(watching))["content-type"] == "text/event-stream"
        (only,) = edge.operations.tokens("shop")
        edge.operations.revoke_token("shop", only.id)
        while not client.is_whole(watching) and not client.was_reset(watching):
            await client.more()
        late = client.ask("/shop/hello", fields=[("x-jelou-token", token)])
        assert await client.status(late) == 401


@pytest.mark.slow
@ASKS
async def test_a_client_that_leaves_aborts_its_function_and_a_broken_answer_is_no_whole_one(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", *flags(tmp_path)) as edge:
        edge.deploy("shop", origin.url, public=True)
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/shop/events")
        origin.next_event.release()
        await client.until(DataReceived, stream)
        client.give_up(stream)
        await asyncio.to_thread(origin.wait_until_left)
        client.ask("/shop/hold")
        await asyncio.to_thread(origin.wait_for_held, 1)
        client.close()
        await asyncio.to_thread(origin.wait_until_left)


class Truncated(BaseHTTPRequestHandler):
    """A function whose answers break off."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.write(b"half")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


@pytest.mark.slow
@ASKS
async def test_an_answer_that_breaks_off_is_no_whole_one(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Truncated) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            with serving(tmp_path / "data", *flags(tmp_path)) as edge:
                url = f"http://127.0.0.1:{server.server_port}"
                await asyncio.to_thread(edge.deploy, "shop", url, public=True)
                client = await Http3Client.connect(edge.port)
                stream = client.ask("/shop/any")
                reset = await client.until(StreamReset, stream)
                assert reset.error_code == ErrorCode.H3_INTERNAL_ERROR
                assert not client.is_whole(stream)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@ASKS
async def test_calls_tell_of_their_progress_and_end_with_their_client(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", *flags(tmp_path)) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        client = await Http3Client.connect(edge.port)
        session = await session_of(client, token)
        mine = [("mcp-session-id", session), ("mcp-protocol-version", MCP_REVISION)]
        call = {"name": "hold", "arguments": {}, "_meta": {"progressToken": 1}}
        first = rpc(client, token, "tools/call", mine, **call)
        assert (await client.head(first))["content-type"] == "text/event-stream"
        await asyncio.to_thread(origin.wait_for_held, 1)
        client.give_up(first)
        await asyncio.to_thread(origin.wait_until_left)
        second = rpc(client, token, "tools/call", mine, **call)
        await asyncio.to_thread(origin.wait_for_held, 1)
        origin.let_go.set()
        assert b'"held"' in (await client.body(second)).replace(b"\\", b"")


@pytest.mark.slow
@ASKS
async def test_requests_are_logged_as_what_they_were(tmp_path: Path, origin: Function) -> None:
    log = tmp_path / "access.log"
    given = flags(tmp_path, "--access-log", str(log))
    with serving(tmp_path / "data", "--bind", "[::1]:0", *given) as edge:
        edge.deploy("shop", origin.url, public=True)
        client = await Http3Client.connect(edge.port, host="::1")
        assert await client.status(client.ask("/shop/hello")) == 200
        client.ask("/shop/hold")
        await asyncio.to_thread(origin.wait_for_held, 1)
        client.close()
        await reached(lambda: log.exists() and len(log.read_text().splitlines()) == 2)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["protocol"], line["lane"]) for line in lines] == [("HTTP/3", "asgi")] * 2
    assert [line["client"] for line in lines] == ["::1"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("config", [{"limits": {"body": 1000}}])
@ASKS
async def test_bodies_are_limited_in_size_and_slowness(
    tmp_path: Path, origin: Function, config: dict[str, Any]
) -> None:
    more = ("--body-idle", "1s", "--body-rate", "1KiB")
    with serving(tmp_path / "data", *flags(tmp_path, *more)) as edge:
        edge.deploy("shop", origin.url, public=True, **config)
        client = await Http3Client.connect(edge.port)
        large = client.ask("/shop/take", "POST", end=False)
        client.send(large, b"x" * 1001)
        assert await client.status(large) == 413
        still = client.ask("/shop/take", "POST", end=False)
        client.send(still, b"x")
        assert await client.status(still) == 408
        slow = client.ask("/shop/take", "POST", end=False)
        with anyio.fail_after(10):
            while not client.answered(slow):
                client.send(slow, b"x")
                await anyio.sleep(0.1)
        assert await client.status(slow) == 408
        fine = client.ask("/shop/take", "POST", end=False)
        client.send(fine, b"x" * 1000, end=True)
        assert json.loads(await client.body(fine))["bytes"] == 1000


@pytest.mark.parametrize(
    "lane", ["--fast-lane", pytest.param("--no-fast-lane", marks=pytest.mark.slow)]
)
@ASKS
async def test_every_answer_over_tls_tells_of_it(
    tmp_path: Path, origin: Function, lane: str
) -> None:
    with serving(tmp_path / "data", *flags(tmp_path, lane)) as edge:
        token = edge.deploy("shop", origin.url).token or ""
        trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        here = f"https://127.0.0.1:{edge.port}"
        for http2 in (False, True):
            async with httpx2.AsyncClient(verify=trust, http2=http2, trust_env=False) as client:
                known = {"x-jelou-token": token}
                ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
                answers = [
                    await client.get(f"{here}/shop/hello"),
                    await client.get(f"{here}/shop/hello", headers=known),
                    await client.get(f"{here}/shop/hello", headers=known),
                    await client.get(f"{here}/__edge/ready"),
                    await client.post(f"{here}/shop/mcp", headers=known, json=ping),
                ]
            said = {answer.headers.get("alt-svc") for answer in answers}
            assert said == {f'h3=":{edge.port}"; ma=86400'}


def test_without_the_extra_an_edge_says_what_to_install(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['aioquic'] = None")
    environ = isolated(tmp_path / "data")
    paths = [str(hidden), environ.get("PYTHONPATH", "")]
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    ended = run(serve_command(tmp_path / "data", *flags(tmp_path)), env=environ)
    assert ended.returncode == 1
    assert "pip install 'jelou-edge[http3]'" in ended.stderr


@pytest.mark.slow
def test_a_port_that_is_taken_for_datagrams_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", 0))  # where no other test has the same port over TCP
        address = f"127.0.0.2:{taken.getsockname()[1]}"
        command = serve_command(tmp_path / "data", "--bind", address, *flags(tmp_path))
        ended = run(command, env=isolated(tmp_path / "data"))
    assert ended.returncode == 1
    assert f"UDP {address} cannot be bound" in ended.stderr


def test_without_tls_there_is_none(tmp_path: Path) -> None:
    ended = run(serve_command(tmp_path, "--http3"), env=isolated(tmp_path))
    assert ended.returncode == 2
    assert "http3 needs TLS" in ended.stderr


# Workers and edges that give their place to others.


class Steady:
    """A client that asks one request after another, and moves on where it is told to.

    Attributes:
        wrong: what should not have happened.
        asked, moved: how many requests were answered, and how often it was told to go.
    """

    def __init__(self, port: int, path: str) -> None:
        self.wrong: list[str] = []
        self.asked = self.moved = 0
        self._port = port
        self._path = path

    async def run(self) -> None:
        client = await Http3Client.connect(self._port)
        while True:
            stream = client.ask(self._path)
            try:
                if await client.status(stream) != 200 or not await client.body(stream):
                    self.wrong.append(f"{await client.status(stream)}")
            except (AssertionError, TimeoutError):
                self.wrong.append(f"{client.closed} {client.events[-3:]}")
                client.vanish()
                client = await Http3Client.connect(self._port)
            self.asked += 1
            if client.said_goodbye or client.closed:
                self.moved += 1
                client.close()
                client = await Http3Client.connect(self._port)


@asynccontextmanager
async def steady(port: int, path: str, many: int = 3) -> AsyncIterator[list[Steady]]:
    """So many of them, while the test does something else."""
    callers = [Steady(port, path) for _ in range(many)]
    tasks = [asyncio.create_task(caller.run()) for caller in callers]
    try:
        yield callers
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def reached(done: Any, seconds: float = 40) -> None:
    with anyio.fail_after(seconds):
        while not done():  # noqa: ASYNC110 — another process's doing
            await anyio.sleep(0.05)


@pytest.mark.slow
@ASKS
async def test_no_request_is_lost_where_workers_are_recycled(
    tmp_path: Path, origin: Function
) -> None:
    more = ("--worker-lifetime", "1s", "--drain-timeout", "3")
    with serving(tmp_path / "data", *flags(tmp_path, *more), workers=2) as edge:
        edge.deploy("shop", origin.url, public=True)
        async with steady(edge.port, "/shop/hello") as callers:
            await reached(lambda: all(caller.moved >= 2 for caller in callers))
        assert [caller.wrong for caller in callers] == [[], [], []]


@pytest.mark.slow
@ASKS
async def test_a_takeover_loses_no_request_and_finishes_what_was_begun(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    given = flags(tmp_path, "--drain-timeout", "8")
    with ExitStack() as stack:
        old = stack.enter_context(serving(data_dir, *given, workers=2))
        old.deploy("shop", origin.url, public=True)
        client = await Http3Client.connect(old.port)
        held = client.ask("/shop/hold?me")
        await asyncio.to_thread(origin.wait_for_held, 1)
        async with steady(old.port, "/shop/hello") as callers:
            new = await asyncio.to_thread(
                stack.enter_context, serving(data_dir, *given, "--takeover", workers=2)
            )
            assert new.port == old.port
            await reached(lambda: all(caller.moved for caller in callers))
            asked = [caller.asked for caller in callers]
            await reached(lambda: all(c.asked > n + 5 for c, n in zip(callers, asked, strict=True)))
        assert [caller.wrong for caller in callers] == [[], [], []]
        origin.let_go.set()
        assert json.loads(await client.body(held)) == {"held": "me"}
        assert (await client.until_closed()).error_code == ErrorCode.H3_NO_ERROR
        assert await asyncio.to_thread(old.program.process.wait, 30) == 0


@pytest.mark.slow
@ASKS
async def test_a_client_behind_another_address_reaches_its_worker(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", *flags(tmp_path), workers=4) as edge:
        edge.deploy("shop", origin.url, public=True)
        client = await Http3Client.connect(edge.port)
        for _ in range(8):  # some of these addresses are another worker's
            await client.move()
            assert await client.status(client.ask("/shop/hello")) == 200


@pytest.mark.slow
@ASKS
async def test_a_worker_that_was_killed_is_not_waited_for(tmp_path: Path, origin: Function) -> None:
    with serving(tmp_path / "data", *flags(tmp_path)) as edge:
        edge.deploy("shop", origin.url, public=True)
        client = await Http3Client.connect(edge.port)
        assert await client.status(client.ask("/shop/hello")) == 200
        tokens = client.reset_tokens
        (worker,) = edge.workers
        os.kill(worker, signal.SIGKILL)
        await reached(lambda: edge.workers not in ([], [worker]))
        client.ask("/shop/hello")
        await reached(lambda: client.came[-1][-16:] in tokens)
        fresh = await Http3Client.connect(edge.port)
        assert await fresh.status(fresh.ask("/shop/hello")) == 200
        assert len(list((tmp_path / "data" / "quic").iterdir())) == 1


@pytest.mark.slow
@ASKS
async def test_a_new_certificate_is_shown_to_new_connections(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", *flags(tmp_path)) as edge:
        edge.deploy("shop", origin.url, public=True)
        client = await Http3Client.connect(edge.port)
        before = client.certificate
        self_signed(tmp_path)
        edge.program.process.send_signal(signal.SIGHUP)

        async def shown() -> Any:
            other = await Http3Client.connect(edge.port)
            return other.certificate

        with anyio.fail_after(10):
            while await shown() == before:  # noqa: ASYNC110 — another process's doing
                await anyio.sleep(0.05)
        assert await client.status(client.ask("/shop/hello")) == 200
