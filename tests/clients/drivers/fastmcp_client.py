"""Drives FastMCP's client."""

import asyncio
from typing import Any

from commands import HEADERS, URL, obey, on_progress, texts
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main() -> None:
    """Hold one client open for all commands."""
    async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:

        async def list_tools() -> list[str]:
            return [tool.name for tool in await client.list_tools()]

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await client.call_tool(
                name, arguments, raise_on_error=False, progress_handler=on_progress
            )
            return {"failed": result.is_error, "text": texts(result)}

        await obey(list_tools, call_tool)


asyncio.run(main())
