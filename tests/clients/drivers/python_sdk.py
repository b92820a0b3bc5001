"""Drives the official Python client, in the mode that the argument names."""

import asyncio
import sys
from typing import Any

import httpx2
from commands import HEADERS, URL, changed, obey, on_message, on_progress, texts
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def listen(client: Client) -> None:
    """Hear of changes in the stateless revision, where one asks for them."""
    async with client.listen(tools_list_changed=True) as changes:
        async for _ in changes:
            changed.set()


async def main(mode: str) -> None:
    """Hold one client open for all commands."""
    async with (
        httpx2.AsyncClient(headers=HEADERS, timeout=30) as http,
        Client(
            streamable_http_client(URL, http_client=http), mode=mode, message_handler=on_message
        ) as client,
    ):

        async def list_tools() -> list[str]:
            return [tool.name for tool in (await client.list_tools()).tools]

        async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            result = await client.call_tool(name, arguments, progress_callback=on_progress)
            return {"failed": bool(result.is_error), "text": texts(result)}

        listening = None if mode == "legacy" else asyncio.create_task(listen(client))
        await obey(list_tools, call_tool)
        if listening is not None:
            listening.cancel()


asyncio.run(main(sys.argv[1]))
