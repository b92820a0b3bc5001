"""Drives FastMCP's client, in the mode that the argument names."""

import asyncio
import sys
from typing import Any

from commands import HEADERS, URL, obey, on_message, on_progress, texts
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main(mode: str) -> None:
    """Hold one client open for all commands."""
    transport = StreamableHttpTransport(URL, headers=HEADERS)
    async with Client(transport, mode=mode, message_handler=on_message) as client:

        async def list_tools() -> list[str]:
            return [tool.name for tool in await client.list_tools()]

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await client.call_tool(
                name, arguments, raise_on_error=False, progress_handler=on_progress
            )
            return {"failed": result.is_error, "text": texts(result)}

        await obey(list_tools, call_tool)


asyncio.run(main(sys.argv[1]))
