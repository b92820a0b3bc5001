"""Drives the official Python client through a bridge for stdio, which the arguments start."""

import asyncio
import os
import sys
from typing import Any

from commands import obey, on_message, on_progress, texts
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def main(command: str, *args: str) -> None:
    """Hold one bridge open for all commands."""
    bridge = StdioServerParameters(command=command, args=list(args), env=dict(os.environ))
    async with Client(stdio_client(bridge), mode="legacy", message_handler=on_message) as client:

        async def list_tools() -> list[str]:
            return [tool.name for tool in (await client.list_tools()).tools]

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await client.call_tool(name, arguments, progress_callback=on_progress)
            return {"failed": bool(result.is_error), "text": texts(result)}

        await obey(list_tools, call_tool)


asyncio.run(main(*sys.argv[1:]))
