"""Drives LangChain's MCP adapters: ``each`` opens a session for each call, ``held`` keeps one."""

import asyncio
import sys
from typing import Any

from commands import HEADERS, URL, obey, on_progress
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

CLIENT = MultiServerMCPClient(
    {"customers": {"transport": "streamable_http", "url": URL, "headers": HEADERS}},
    callbacks=Callbacks(on_progress=on_progress),
)


async def call(tools: list[BaseTool], name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool as an agent does, which gets a message for its model."""
    tool = {each.name: each for each in tools}[name]
    wanted = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
    message = await tool.ainvoke(wanted)
    return {"failed": message.status == "error", "text": message.text}


async def each_call_its_session() -> None:
    """List once, as an agent does when it is built; every call opens its own session."""
    tools = await CLIENT.get_tools()

    async def list_tools() -> list[str]:
        return [tool.name for tool in await CLIENT.get_tools()]

    await obey(list_tools, lambda name, arguments: call(tools, name, arguments))


async def one_session() -> None:
    """Hold one session for all commands."""
    async with CLIENT.session("customers") as session:
        callbacks = Callbacks(on_progress=on_progress)
        tools = await load_mcp_tools(session, callbacks=callbacks, server_name="customers")

        async def list_tools() -> list[str]:
            return [tool.name for tool in await load_mcp_tools(session)]

        await obey(list_tools, lambda name, arguments: call(tools, name, arguments))


asyncio.run(one_session() if sys.argv[1] == "held" else each_call_its_session())
