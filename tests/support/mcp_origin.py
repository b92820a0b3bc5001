"""Functions that are MCP servers, on the official SDK: with sessions, events and all that it does.

Each runs in a process of its own behind a Unix socket, so that it can be killed and started anew at
its address; what it has seen, it tells at `/seen`.
"""

import asyncio
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from hypercorn.asyncio import serve
from hypercorn.config import Config
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from tests.support import mcp_era

ROOT = Path(__file__).parents[2]

Context = ServerRequestContext[Any, Any]


@dataclass
class Seen:
    """What a server has seen.

    Attributes:
        heads: method, target and fields of each request.
        calls: names of the tools that were called, in order.
        cancelled: calls that were cut off.
    """

    heads: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    cancelled: int = 0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


@dataclass
class McpOrigin:
    """A server at an address, across its restarts.

    Attributes:
        path: of its socket.
        before: what those that have ended had seen.
    """

    path: Path
    before: list[Seen] = field(default_factory=list)

    def seen(self, how: str = "/seen") -> Seen:
        """What the one that runs has seen so far."""
        connection = _UnixConnection(self.path)
        connection.request("GET", how)
        told = json.loads(connection.getresponse().read())
        connection.close()
        return Seen(**told)

    def forget(self) -> "McpOrigin":
        """Have it forget what it has seen, for the next test."""
        self.seen("/forget")
        return self

    def note(self) -> None:
        """Keep what it has seen, since it ends."""
        self.before.append(self.seen())


class _App:
    """The server as an ASGI application."""

    def __init__(self, only: str = "", **how: Any) -> None:
        self._seen = Seen()
        self._only = only
        self._manager = StreamableHTTPSessionManager(_server(self._seen), **how)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self._manager.run():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] in ("/seen", "/forget"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            body = json.dumps(asdict(self._seen)).encode()
            if scope["path"] == "/forget":
                self._seen.heads.clear()
                self._seen.calls.clear()
                self._seen.cancelled = 0
            await send({"type": "http.response.body", "body": body})
            return
        fields = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        target = f"{scope['path']}?{scope['query_string'].decode()}"
        self._seen.heads.append((scope["method"], target, fields))
        if mcp_era.is_foreign(self._only, fields):
            await mcp_era.refuse(send)
            return
        await self._manager.handle_request(scope, receive, send)


TOOLS = ("echo", "secret", "progress", "wait", "ask")


def _server(seen: Seen) -> Server[Any]:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}

    async def list_tools(ctx: Context, params: Any) -> types.ListToolsResult:
        tools = [types.Tool(name=name, input_schema=schema) for name in TOOLS]
        return types.ListToolsResult(tools=tools)

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        seen.calls.append(params.name)
        said = (params.arguments or {}).get("text", "")
        if params.name == "progress":
            for step in (1, 2):
                await ctx.session.report_progress(step, 2, f"step {step}")
        if params.name == "ask":
            said = await _asked(ctx)
        if params.name == "wait":
            await _wait(seen)
        text = types.TextContent(type="text", text=f"{params.name}: {said}")
        return types.CallToolResult(content=[text])

    async def list_resources(ctx: Context, params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[types.Resource(uri="test://a", name="a")])

    return Server(
        "origin",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        get_tool_input_schema=lambda name: schema,
    )


async def _asked(ctx: Context) -> str:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    answer = await ctx.session.elicit_form("Well?", schema, related_request_id=ctx.request_id)
    return str((answer.content or {}).get("answer"))


async def _wait(seen: Seen) -> None:
    try:
        await anyio.sleep(20)
    except anyio.get_cancelled_exc_class():
        seen.cancelled += 1
        raise


@contextmanager
def running(origin: McpOrigin, *how: str) -> Iterator[McpOrigin]:
    """Run it in a process of its own, which is killed, its sessions with it, at the end.

    Args:
        how: `stateless`, `json`: as for the SDK's manager; `only-handshake`, `only-stateless`:
            of that era alone.
    """
    origin.path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.support.mcp_origin", str(origin.path), *how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield origin
            origin.note()
        finally:
            process.kill()


async def _main(path: str, *how: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    only = next((word for word in how if word.startswith("only-")), "")
    app = _App(only, stateless="stateless" in how, json_response="json" in how)
    await serve(app, config)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
