"""What every driver in Python does: a command a line on stdin, an answer a line on stdout, as JSON.

It imports nothing but the standard library: each driver runs in its client's own environment.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

URL = os.environ["JELOU_MCP_URL"]
HEADERS = {"X-Jelou-Token": os.environ["JELOU_FUNCTION_TOKEN"]}

progress: list[float] = []
"""What the call now running has reported; a driver's progress handler appends to it."""

changed = asyncio.Event()
"""Set when the client hears that the tools changed; a driver's handler sets it."""

SECONDS = 5.0

ListTools = Callable[[], Awaitable[list[str]]]
CallTool = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


async def on_progress(value: float, *more: object) -> None:
    """Note a progress notification: what every client's handler is called with begins like this."""
    progress.append(value)


async def on_message(message: Any) -> None:
    """Note a change of the tools: what the handlers of every client on mcp 2.x are called with."""
    if getattr(message, "method", None) == "notifications/tools/list_changed":
        changed.set()


async def hears_change() -> bool:
    """Whether the tools change, or have changed since this was last asked."""
    try:
        await asyncio.wait_for(changed.wait(), SECONDS)
    except TimeoutError:
        return False
    changed.clear()
    return True


def texts(result: Any) -> str:
    """The text of a result of the official SDK, whichever version."""
    return "".join(getattr(block, "text", "") for block in result.content)


async def obey(list_tools: ListTools, call_tool: CallTool) -> None:
    """Answer each command until stdin ends; say first that the client is connected."""
    say({"connected": True})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        progress.clear()
        try:
            if command["do"] == "list":
                say({"tools": await list_tools()})
            elif command["do"] == "wait for a change":
                say({"changed": await hears_change()})
            else:
                answer = await call_tool(command["tool"], command["arguments"])
                say(answer | {"progress": list(progress)})
        except Exception as error:
            say({"raised": f"{type(error).__name__}: {error}"})


def say(value: dict[str, Any]) -> None:
    """Write one answer."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
