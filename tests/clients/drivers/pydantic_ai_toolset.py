"""Drives pydantic-ai's MCP toolset; no model is asked."""

import asyncio
import json
from typing import Any

from commands import HEADERS, URL, obey, on_progress
from pydantic_ai import ModelRetry
from pydantic_ai.mcp import MCPToolset


async def main() -> None:
    """Hold one toolset open for all commands."""
    async with MCPToolset(URL, headers=HEADERS, progress_handler=on_progress) as toolset:

        async def list_tools() -> list[str]:
            return [tool.name for tool in await toolset.list_tools()]

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            try:
                result = await toolset.direct_call_tool(name, arguments)
            except ModelRetry as told:  # how a tool's failure reaches the model
                return {"failed": True, "text": told.message}
            return {"failed": False, "text": json.dumps(result)}

        await obey(list_tools, call_tool)


asyncio.run(main())
