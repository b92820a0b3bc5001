"""Functions that are MCP servers: the official client and server, with the edge between them."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from edge.functions import Upstream
from tests.support.calling import until
from tests.support.edge_in_process import EdgeInProcess
from tests.support.mcp_origin import TOOLS, McpOrigin, running

INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
)
CALL = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}
)

MODES = ["auto", "legacy", "2026-07-28"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpOrigin]:
    """An MCP server with sessions, for all that do not end it."""
    with running(McpOrigin(tmp_path_factory.mktemp("mcp") / "mcp.sock")) as origin:
        yield origin


@pytest.fixture
def server(started: McpOrigin) -> McpOrigin:
    """The same, as if it had just begun."""
    return started.forget()


def deploy(edge: EdgeInProcess, server: McpOrigin, slug: str = "shop", **config: Any) -> None:
    """Put the edge before a server."""
    upstream = Upstream("unix", socket=str(server.path))
    edge.deploy(upstream, slug, **{"mcp": {"upstream": "/mcp"}, **config})


def url(edge: EdgeInProcess, slug: str = "shop") -> str:
    """The function's MCP address."""
    return f"http://{edge.address}/{slug}/mcp"


def fields(token: str) -> dict[str, str]:
    """What every message is sent with."""
    return {
        "X-Jelou-Token": token,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }


@asynccontextmanager
async def client(
    edge: EdgeInProcess, mode: str, token: str = "", **more: Any
) -> AsyncIterator[Client]:
    """The official client, with the token."""
    async with httpx2.AsyncClient(headers={"X-Jelou-Token": token or edge.token}) as http:
        transport = streamable_http_client(url(edge), http_client=http)
        async with Client(transport, mode=mode, **more) as connected:
            yield connected


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_lists_and_calls_tools(
    edge: EdgeInProcess, server: McpOrigin, mode: str
) -> None:
    deploy(edge, server)
    with anyio.fail_after(20):
        async with client(edge, mode) as mcp:
            listed = [tool.name for tool in (await mcp.list_tools()).tools]
            result = await mcp.call_tool("echo", {"text": "hi"})
    assert listed == list(TOOLS)
    assert result.content[0].text == "echo: hi"


async def test_a_restarted_server_does_not_fail_the_next_call(
    edge: EdgeInProcess, tmp_path: Path
) -> None:
    server = McpOrigin(tmp_path / "mcp.sock")
    with anyio.fail_after(30):
        with running(server):
            deploy(edge, server)
            manager = client(edge, "legacy")
            mcp = await manager.__aenter__()
            assert not (await mcp.call_tool("echo", {"text": "1"})).is_error
        with running(server):
            for text in ("2", "3"):
                result = await mcp.call_tool("echo", {"text": text})
                assert result.content[0].text == f"echo: {text}"
            await manager.__aexit__(None, None, None)
    assert [seen.calls for seen in server.before] == [["echo"], ["echo", "echo"]]


@pytest.mark.parametrize("mode", MODES)
async def test_progress_arrives(edge: EdgeInProcess, server: McpOrigin, mode: str) -> None:
    deploy(edge, server)
    told: list[float] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    with anyio.fail_after(20):
        async with client(edge, mode) as mcp:
            await mcp.call_tool("progress", {}, progress_callback=progressed)
    assert told == [1, 2]


async def test_the_server_may_ask_the_user_within_a_call(
    edge: EdgeInProcess, server: McpOrigin
) -> None:
    deploy(edge, server)

    async def answers(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"answer": "42"})

    with anyio.fail_after(20):
        async with client(edge, "legacy", elicitation_callback=answers) as mcp:
            result = await mcp.call_tool("ask", {})
    assert result.content[0].text == "ask: 42"


async def test_many_calls_that_find_the_session_dead_open_one(
    edge: EdgeInProcess, tmp_path: Path
) -> None:
    server = McpOrigin(tmp_path / "mcp.sock")
    results: list[str] = []
    with anyio.fail_after(30):
        with running(server):
            deploy(edge, server)
            token = edge.token
            headers = fields(token)
            async with httpx2.AsyncClient(headers=headers) as http:
                opened = await http.post(url(edge), content=INITIALIZE)
        named = {**headers, "Mcp-Session-Id": opened.headers["mcp-session-id"]}

        async def call(http: httpx2.AsyncClient, number: int) -> None:
            answer = await http.post(url(edge), content=CALL.replace('"id": 1', f'"id": {number}'))
            results.append(f"{answer.status_code} {answer.headers['mcp-session-id']}")

        with running(server):
            async with httpx2.AsyncClient(headers=named) as http, anyio.create_task_group() as many:
                for number in range(8):
                    many.start_soon(call, http, number)
            opened_again = [
                seen for _, _, seen in server.seen().heads if "mcp-session-id" not in seen
            ]
    assert results == [f"200 {named['Mcp-Session-Id']}"] * 8
    assert len(opened_again) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", [(), ("json",)])
async def test_a_token_of_one_tool_lists_and_calls_that_alone(
    edge: EdgeInProcess, tmp_path: Path, mode: str, how: tuple[str, ...]
) -> None:
    with running(McpOrigin(tmp_path / "mcp.sock"), *how) as server, anyio.fail_after(20):
        deploy(edge, server)
        token = edge.mint("some", scopes=["tool:echo"]).secret
        async with client(edge, mode, token) as mcp:
            listed = [tool.name for tool in (await mcp.list_tools()).tools]
            result = await mcp.call_tool("echo", {"text": "hi"})
            assert mcp.server_capabilities is not None
            assert mcp.server_capabilities.resources is None
            with pytest.raises(MCPError) as refused:
                await mcp.call_tool("secret", {})
            with pytest.raises(MCPError) as unknown:
                await mcp.list_resources()
        assert server.seen().calls == ["echo"]
    assert listed == ["echo"]
    assert result.content[0].text == "echo: hi"
    assert (refused.value.code, unknown.value.code) == (-32602, -32601)


async def test_the_function_sees_who_calls_and_nothing_of_the_gate(
    edge: EdgeInProcess, server: McpOrigin
) -> None:
    deploy(edge, server)
    sent = {**fields(edge.token), "Origin": f"http://{edge.address}", "Mcp-Param-Region": "eu"}
    async with httpx2.AsyncClient(headers=sent) as http:
        answer = await http.post(url(edge) + "?a=1", content=INITIALIZE)
    assert answer.status_code == 200
    method, target, seen = server.seen().heads[0]
    assert (method, target, seen["host"]) == ("POST", "/mcp?a=1", "localhost")
    assert seen["x-jelou-trigger"] == "mcp"
    assert seen["x-jelou-token-name"] == "default"
    assert seen["mcp-param-region"] == "eu"
    assert not {"origin", "x-jelou-token"} & seen.keys()


async def test_leaving_a_stateless_call_cancels_it(edge: EdgeInProcess, server: McpOrigin) -> None:
    deploy(edge, server)

    async def leave(leaving: anyio.CancelScope) -> None:
        await until(lambda: "wait" in server.seen().calls)
        leaving.cancel()

    with anyio.fail_after(20):
        async with client(edge, "2026-07-28") as mcp, anyio.create_task_group() as tasks:
            tasks.start_soon(leave, tasks.cancel_scope)
            await mcp.call_tool("wait", {})
        await until(lambda: server.seen().cancelled)
