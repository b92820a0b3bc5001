"""What the bridge relies on in the MCP SDK beyond its documented surface."""

from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from mcp_bridge.revisions import HANDSHAKE, STATELESS


def test_the_sdk_is_the_pinned_one() -> None:
    assert version("mcp").startswith("2.3.")


def test_our_revisions_are_the_sdks() -> None:
    assert tuple(HANDSHAKE_PROTOCOL_VERSIONS) == HANDSHAKE
    assert tuple(MODERN_PROTOCOL_VERSIONS) == STATELESS


def test_middleware_is_a_list_that_may_be_replaced_and_server_info_may_be_overridden() -> None:
    server: Server[Any] = Server("x")
    assert isinstance(server.middleware, list)
    assert isinstance(Server.server_info, property)
    assert isinstance(Server.server_info_stamp, property)
    assert server.create_initialization_options().server_name == "x"
    assert server.get_request_handler("server/discover") is not None


@pytest.mark.parametrize("header", [b"2025-11-25", b"2026-07-28", None])
async def test_the_manager_routes_by_the_version_header_and_keeps_context_variables(
    header: bytes | None,
) -> None:
    """`initialize`, discovery and calls read a context variable set before `handle_request`."""
    who: ContextVar[str] = ContextVar("who")
    seen: list[str] = []

    async def listing(ctx: Any, params: Any) -> types.ListToolsResult:
        seen.append(f"{who.get()} {ctx.protocol_version}")
        return types.ListToolsResult(tools=[])

    server: Server[Any] = Server("x", on_list_tools=listing)
    manager = StreamableHTTPSessionManager(server, stateless=True, json_response=True)
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = types.jsonrpc.JSONRPCRequest(
        jsonrpc="2.0", id=1, method="tools/list", params={"_meta": meta}
    ).model_dump_json()
    headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
    headers += [(b"mcp-method", b"tools/list")]
    headers += [(b"mcp-protocol-version", header)] if header else []
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    who.set("me")
    with anyio.fail_after(5):
        async with manager.run():
            await manager.handle_request(scope, receive, send)
    assert seen == [f"me {header.decode() if header else '2025-03-26'}"]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200
