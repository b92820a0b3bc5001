"""The official Python client in each of its modes, through real sockets."""

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp_bridge.serving import serving


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_the_official_client_lists_and_calls_tools(mode: str) -> None:
    async with serving() as edge, Client(streamable_http_client(edge.url), mode=mode) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["createOrder", "getOrder"]
        result = await client.call_tool("getOrder", {"id": "a/b", "limit": 2})
        assert result.structured_content is not None
        assert result.structured_content["target"] == "/orders/a%2Fb?limit=2"
        assert not result.is_error
