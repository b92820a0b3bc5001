"""Use a function's tools from Python, with the official MCP client (``pip install mcp``).

Usage: ``python3 client.py [auto|legacy|2026-07-28] [TOOL [ARGUMENTS AS JSON]]``

Prints, as JSON, the revision agreed on, the names of the tools, and what the tool answered.
``JELOU_MCP_URL`` and ``JELOU_FUNCTION_TOKEN`` say where and as whom.
"""

import asyncio
import json
import os
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(mode: str, tool: str, arguments: dict[str, Any]) -> None:
    """Connect, list the tools, call one."""
    headers = {"X-Jelou-Token": os.environ["JELOU_FUNCTION_TOKEN"]}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(
            streamable_http_client(os.environ["JELOU_MCP_URL"], http_client=http), mode=mode
        ) as client,
    ):
        tools = (await client.list_tools()).tools
        result = await client.call_tool(tool, arguments)
        seen = {
            "protocol": client.protocol_version,
            "tools": [each.name for each in tools],
            "result": result.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
    print(json.dumps(seen, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    asyncio.run(
        main(
            given.get(1, "auto"),
            given.get(2, "getCustomer"),
            json.loads(given.get(3, '{"id": "c1"}')),
        )
    )
