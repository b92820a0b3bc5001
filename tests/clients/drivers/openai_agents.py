"""Drives the MCP server object of the OpenAI Agents SDK, as an agent would; no model is asked."""

import asyncio
from typing import Any

from agents.mcp import MCPServerStreamableHttp
from commands import HEADERS, URL, obey, texts


async def main() -> None:
    """Hold one server object open for all commands."""
    async with MCPServerStreamableHttp({"url": URL, "headers": HEADERS}) as server:

        async def list_tools() -> list[str]:
            return [tool.name for tool in await server.list_tools()]

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await server.call_tool(name, arguments)
            return {"failed": bool(result.is_error), "text": texts(result)}

        await obey(list_tools, call_tool)


asyncio.run(main())
