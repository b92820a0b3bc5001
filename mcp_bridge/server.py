"""The official SDK, asked for everything that is not answered without it.

One SDK server serves all functions, without state: which function a request is for travels in a
context variable. The edge's gate has already checked host, token, `Origin` and scope.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError

from mcp_bridge import calls
from mcp_bridge.admission import SESSION_ID, VERSION, Admitted
from mcp_bridge.calls import Asking, ToolCall
from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.exchange import ask
from mcp_bridge.guard import guard
from mcp_bridge.invoking import collect
from mcp_bridge.jsonrpc import INVALID_PARAMS, as_edge_error
from mcp_bridge.jsontext import parse
from mcp_bridge.judging import LIST_TTL_MS, OF_ERRORS, ForSdk
from mcp_bridge.pages import Pages
from mcp_bridge.revisions import STATELESS
from mcp_bridge.targets import Target, Targets
from mcp_bridge.tools import Invoker
from tokens.secret import redact


@dataclass(frozen=True, slots=True)
class _Served:
    """One HTTP request while it is served."""

    endpoint: Endpoint
    invoker: Invoker
    request: McpRequest


_served: ContextVar[_Served] = ContextVar("mcp_bridge_served")


class _FunctionServer(Server[Any]):
    """The SDK's server, with the identity of the function that the request is for."""

    @property
    def server_info(self) -> types.Implementation:
        return types.Implementation(**_served.get().endpoint.identity)

    @property
    def server_info_stamp(self) -> dict[str, Any]:
        return _served.get().endpoint.identity

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,  # noqa: ARG002
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        told = NotificationOptions(tools_changed=True)
        options = super().create_initialization_options(told, experimental_capabilities, extensions)
        endpoint = _served.get().endpoint
        return options.model_copy(
            update={
                "server_name": endpoint.slug,
                "server_version": endpoint.version,
                "title": endpoint.identity.get("title"),
                "instructions": endpoint.instructions,
            }
        )


class SdkServer:
    """Answers requests through the SDK; one instance per worker.

    Args:
        pages, targets: what callers see of lists, and mean by names.
        max_body: bytes of a message.
        max_result: bytes of a function's answer.
    """

    def __init__(self, pages: Pages, targets: Targets, max_body: int, max_result: int) -> None:
        self._pages = pages
        self._targets = targets
        self._max_result = max_result
        self._manager = StreamableHTTPSessionManager(
            self._server(), json_response=True, stateless=True, max_request_body_size=max_body
        )

    def _server(self) -> Server[Any]:
        server = _FunctionServer(
            "jelou-edge",
            cache_hints={"tools/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="private")},
            get_tool_input_schema=_input_schema,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        server.add_request_handler("server/discover", types.RequestParams, _discover)
        server.middleware[:] = [guard]
        return server

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve while inside; enter and leave in the same task, once."""
        async with self._manager.run():
            yield

    async def answer(
        self, endpoint: Endpoint, invoker: Invoker, request: McpRequest, judged: ForSdk
    ) -> Whole:
        """The SDK's answer; an error as the edge's own."""
        _served.set(_Served(endpoint, invoker, request))
        fields = _for_sdk(request, judged.admitted)
        whole = await ask(
            self._manager.handle_request, request.method, "/mcp", fields, request.body
        )
        if whole.status >= 400:
            body = as_edge_error(whole.body, whole.status, request.id)
            return Whole(whole.status, body, (*whole.headers, *OF_ERRORS))
        return whole

    async def _list_tools(
        self, ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> Any:
        endpoint = _served.get().endpoint
        try:
            page = self._pages.page(
                endpoint, ctx.protocol_version, params.cursor if params else None
            )
        except ValueError as problem:
            raise MCPError(INVALID_PARAMS, f"Invalid params: {problem}") from None
        return calls.stamped(endpoint, parse(b"{" + page + b"}"), ctx.protocol_version)

    async def _call_tool(
        self, ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> Any:
        served, revision = _served.get(), ctx.protocol_version
        endpoint, request = served.endpoint, served.request
        target = self._targets.of(endpoint, params.name, params.arguments or {}, revision)
        if target is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {redact(params.name)[:100]}")
        if not isinstance(target, Target):
            return calls.stamped(endpoint, target, revision)
        asking = Asking(ctx.request_id, revision, may_stream=False)
        meta = dict(ctx.meta or {})
        begun = calls.begin(endpoint, target, meta, request, asking, self._max_result)
        if not isinstance(begun, ToolCall):
            return calls.stamped(endpoint, begun, revision)
        whole = await collect(begun, served.invoker, _ignore)
        return parse(whole.body)["result"]


async def _ignore(_frames: bytes) -> None:
    """Who is answered in one piece is told nothing before."""


async def _discover(
    _ctx: ServerRequestContext[Any, Any], _params: types.RequestParams | None
) -> types.DiscoverResult:
    return types.DiscoverResult(
        supported_versions=list(STATELESS),
        capabilities=types.ServerCapabilities(tools=types.ToolsCapability(list_changed=True)),
        instructions=_served.get().endpoint.instructions,
    )


def _input_schema(name: str) -> Mapping[str, Any] | None:
    """For the SDK's check of `Mcp-Param-*` headers, before any handler runs."""
    entry = _served.get().endpoint.find(name)
    return entry.tool.input_schema if entry else None


def _for_sdk(request: McpRequest, admitted: Admitted) -> list[tuple[bytes, bytes]]:
    """The fields as the SDK shall see them: it routes by one revision header, and media types,
    which were judged, it wants in its own spelling. It is given the body whole, whose length it
    sees.
    """
    dropped = {VERSION, SESSION_ID, b"accept", b"content-type", b"content-length"}
    headers = [pair for pair in request.headers if pair[0] not in dropped]
    headers.append((b"accept", b"application/json, text/event-stream"))
    headers.append((b"content-type", b"application/json"))
    if admitted.revision is not None:
        headers.append((VERSION, admitted.revision.encode("latin-1")))
    return headers
