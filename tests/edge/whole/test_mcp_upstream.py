"""Functions that are MCP servers: the official client and server, with the edge between them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from edge.functions import Upstream
from tests.support.edge_in_process import EdgeInProcess
from tests.support.mcp_origin import TOOLS, McpOrigin, running

MODES = ["auto", "legacy", "2026-07-28"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[McpOrigin]:
    """An MCP server with sessions."""
    with running(McpOrigin(tmp_path / "mcp.sock")) as started:
        yield started


def deploy(edge: EdgeInProcess, server: McpOrigin, slug: str = "shop", **config: Any) -> None:
    """Put the edge before a server."""
    upstream = Upstream("unix", socket=str(server.path))
    edge.deploy(upstream, slug, **{"mcp": {"upstream": "/mcp"}, **config})


def url(edge: EdgeInProcess, slug: str = "shop") -> str:
    """The function's MCP address."""
    return f"http://{edge.address}/{slug}/mcp"


@asynccontextmanager
async def client(edge: EdgeInProcess, mode: str, **more: Any) -> AsyncIterator[Client]:
    """The official client, with the token."""
    async with httpx2.AsyncClient(headers={"X-Jelou-Token": edge.token}) as http:
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
