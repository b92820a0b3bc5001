"""Speaks for an MCP server of the other era: a handshake client of a stateless one, or the reverse.

On the official SDK, both ends; each request stands alone on the caller's side, and has a client of
its own on the function's: nothing is shared between callers. What crosses is what both eras have:
tools, resources, prompts, completions and progress. Not what one era alone knows: sessions, lists
that change, logging, and questions to the user.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp import Client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter

from mcp_bridge.exchange import App, Message, Scope, Send
from mcp_bridge.guard import guard
from mcp_bridge.jsonrpc import HEADER_MISMATCH, REFUSED
from mcp_bridge.revisions import STATELESS, is_stateless
from mcp_bridge.upstream_client import Exchange, Transport, client, discover
from tokens.model import Scopes

Context = ServerRequestContext[Any, Any]

CLOSING_SECONDS = 2.0
"""For which a call that its client left may take to end at the function."""

_OWN_META = "io.modelcontextprotocol/"


@dataclass(frozen=True, slots=True)
class Eras:
    """Which revisions an MCP server speaks."""

    handshake: bool
    stateless: bool

    def serve(self, *, stateless: bool) -> bool:
        """Whether it speaks those of a client."""
        return self.stateless if stateless else self.handshake


class UnavailableError(Exception):
    """A function cannot say now which revisions it speaks."""


@dataclass(slots=True)
class _Call:
    """One request while it is carried across.

    Attributes:
        scopes: of a token that covers some tools alone, else None.
        transport: by which the function is reached; knows what an exchange failed with.
    """

    upstream: Client
    scopes: Scopes | None
    transport: Transport = field(repr=False)


_call: ContextVar[_Call] = ContextVar("mcp_bridge_upstream_call")


class _UpstreamServer(Server[Any]):
    """The SDK's server, with the identity of the function that the request is for."""

    @property
    def server_info(self) -> types.Implementation:
        known = _call.get().upstream.server_info
        return known or types.Implementation(name="upstream", version="")

    @property
    def server_info_stamp(self) -> dict[str, Any]:
        return self.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        options = super().create_initialization_options(
            notification_options, experimental_capabilities, extensions
        )
        call, info = _call.get(), self.server_info
        return options.model_copy(
            update={
                "server_name": info.name,
                "server_version": info.version,
                "title": info.title,
                "capabilities": _capabilities(call),
                "instructions": call.upstream.instructions,
            }
        )


class UpstreamBridge:
    """Carries requests across the eras, for every function of one worker that wants it."""

    def __init__(self, max_body: int) -> None:
        """Args: max_body: bytes of a message."""
        # What a function says wrong, or too late, is its caller's to know and not the log's.
        logging.getLogger("mcp.client").setLevel(logging.CRITICAL)
        self._manager = StreamableHTTPSessionManager(
            _server(), stateless=True, max_request_body_size=max_body
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve while inside; enter and leave in the same task, once."""
        async with self._manager.run():
            yield

    async def eras(self, exchange: Exchange) -> Eras:
        """Ask a function which revisions it speaks.

        Raises:
            UnavailableError: it answers that it cannot.
            Exception: what the exchange raised, where the function gave no answer.
        """
        return Eras(
            handshake=await _connects(exchange, "legacy"),
            stateless=await _connects(exchange, STATELESS[-1]),
        )

    async def serve(
        self,
        exchange: Exchange,
        scope: Scope,
        body: bytes,
        send: Send,
        *,
        stateless: bool,
        scopes: Scopes | None,
    ) -> None:
        """Answer one POST.

        Args:
            scope: ASGI's, its fields as the SDK shall see them.
            stateless: whether the client speaks the stateless revision.
            scopes: of a token that covers some tools alone, else None; its message was judged.

        Raises:
            Exception: what the exchange raised, where the function gave no answer.
        """
        transport = Transport(exchange)
        carried = _Carried(transport, scope, body, send, stateless=stateless, scopes=scopes)
        try:
            await _closing(carried.run, self._manager.handle_request)
        except Exception:
            if transport.failure is None:
                raise
        if transport.failure is not None and not carried.started:
            raise transport.failure


@dataclass(slots=True)
class _Carried:
    """One POST being answered.

    Attributes:
        started: whether its answer has begun.
    """

    transport: Transport
    scope: Scope
    body: bytes
    send: Send
    stateless: bool
    scopes: Scopes | None
    started: bool = False
    read: bool = False

    async def run(self, leaving: anyio.CancelScope, app: App) -> None:
        """Answer it with a client of its own, which is closed in good order also on leaving."""
        mode = "legacy" if self.stateless else STATELESS[-1]
        async with client(self.transport, mode) as upstream:
            if b'"initialize"' in self.body and not self.stateless:
                await discover(upstream)
            _call.set(_Call(upstream, self.scopes, self.transport))
            with leaving:
                await app(self.scope, self._receive, self._tell)

    async def _receive(self) -> Message:
        if self.read:
            await anyio.sleep_forever()  # whoever notices that the client left cancels this
        self.read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _tell(self, message: Message) -> None:
        if self.started or self.transport.failure is None:
            self.started = True
            await self.send(message)


async def _closing(run: Callable[[anyio.CancelScope, App], Awaitable[None]], app: App) -> None:
    """Run to the end; when this is cancelled, leave what it is doing and give it time to close.

    A function of a handshake revision stops a call when its session is deleted, not when its caller
    is gone.
    """
    leaving = anyio.CancelScope()
    task = asyncio.ensure_future(run(leaving, app))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        leaving.cancel()
        with anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await asyncio.wait({task})
        task.cancel()
        raise


async def _connects(exchange: Exchange, mode: str) -> bool:
    """Whether a function answers a client of one era; what cannot be asked is no answer."""
    transport = Transport(exchange)
    try:
        async with client(transport, mode) as upstream:
            if is_stateless(mode):
                await discover(upstream)
    except Exception:
        if transport.failure is not None:
            raise transport.failure from None
        if transport.unavailable:
            raise UnavailableError from None
        return False
    return True


def _server() -> Server[Any]:
    server = _UpstreamServer("upstream")
    for method, row in _METHODS.items():
        server.add_request_handler(method, row.params, _relaying(row))
    server.add_request_handler("server/discover", types.RequestParams, _discover)
    server.middleware[:] = [guard]
    return server


@dataclass(frozen=True, slots=True)
class _Row:
    """One method that both eras have."""

    request: Callable[..., types.Request[Any, Any]]
    params: type[types.RequestParams]
    result: Any


_METHODS = {
    "tools/list": _Row(types.ListToolsRequest, types.PaginatedRequestParams, types.ListToolsResult),
    "tools/call": _Row(
        types.CallToolRequest,
        types.CallToolRequestParams,
        TypeAdapter(types.CallToolResult | types.InputRequiredResult),
    ),
    "resources/list": _Row(
        types.ListResourcesRequest, types.PaginatedRequestParams, types.ListResourcesResult
    ),
    "resources/templates/list": _Row(
        types.ListResourceTemplatesRequest,
        types.PaginatedRequestParams,
        types.ListResourceTemplatesResult,
    ),
    "resources/read": _Row(
        types.ReadResourceRequest, types.ReadResourceRequestParams, types.ReadResourceResult
    ),
    "prompts/list": _Row(
        types.ListPromptsRequest, types.PaginatedRequestParams, types.ListPromptsResult
    ),
    "prompts/get": _Row(
        types.GetPromptRequest, types.GetPromptRequestParams, types.GetPromptResult
    ),
    "completion/complete": _Row(
        types.CompleteRequest, types.CompleteRequestParams, types.CompleteResult
    ),
}


def _relaying(row: _Row) -> Callable[[Context, Any], Awaitable[Any]]:
    async def relay(ctx: Context, params: Any) -> Any:
        call = _call.get()
        try:
            result = await _relayed(ctx, call.upstream, row, params)
        except MCPError:
            if call.transport.failure is None:
                raise
            raise MCPError(REFUSED, "The function gave no answer.") from None
        return _shown(result, call.scopes)

    return relay


async def _relayed(ctx: Context, upstream: Client, row: _Row, params: Any) -> Any:
    request = row.request(params=_cleaned(row, params))

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        await ctx.session.report_progress(progress, total, message)

    session = upstream.session
    try:
        return await session.send_request(request, row.result, progress_callback=progressed)
    except MCPError as error:
        if error.code != HEADER_MISMATCH or row.request is not types.CallToolRequest:
            raise
    # The tool wants arguments mirrored in fields; the client learns which from the list.
    await session.list_tools()
    return await session.send_request(request, row.result, progress_callback=progressed)


def _cleaned(row: _Row, params: Any) -> Any:
    """The params without what the caller's era says of its own connection."""
    if params is None:
        return None
    said = params.model_dump(by_alias=True, mode="json", exclude_none=True)
    meta = said.pop("_meta", None) or {}
    kept = {
        key: value
        for key, value in meta.items()
        if not key.startswith(_OWN_META) and key != "progressToken"
    }
    return row.params.model_validate({**said, **({"_meta": kept} if kept else {})})


def _shown(result: Any, scopes: Scopes | None) -> Any:
    """A result as the caller may see it."""
    if isinstance(result, types.ListToolsResult) and scopes is not None:
        covered = [tool for tool in result.tools if scopes.tool(tool.name)]
        return result.model_copy(update={"tools": covered})
    if isinstance(result, types.InputRequiredResult):
        text = "The tool asks for input, which cannot be given by way of this address."
        content: list[Any] = [types.TextContent(type="text", text=text)]
        return types.CallToolResult(content=content, is_error=True)
    return result


async def _discover(_ctx: Context, _params: types.RequestParams | None) -> types.DiscoverResult:
    call = _call.get()
    return types.DiscoverResult(
        supported_versions=list(STATELESS),
        capabilities=_capabilities(call),
        instructions=call.upstream.instructions,
    )


def _capabilities(call: _Call) -> types.ServerCapabilities:
    """What the function can do that crosses, without news of it."""
    said = call.upstream.server_capabilities
    if call.scopes is not None:
        return types.ServerCapabilities(tools=types.ToolsCapability() if said.tools else None)
    return types.ServerCapabilities(
        tools=types.ToolsCapability() if said.tools else None,
        resources=types.ResourcesCapability() if said.resources else None,
        prompts=types.PromptsCapability() if said.prompts else None,
        completions=said.completions,
    )
