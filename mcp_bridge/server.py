"""The MCP endpoint of every function, as an ASGI app on the official SDK.

One SDK server serves them all, without state: which function a request is for travels in a context
variable. The edge's gate has already checked host, token, `Origin` and scope.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import anyio.to_thread
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from mcp_bridge.admission import SESSION_ID, VERSION, Admitted, Rejection, admit
from mcp_bridge.catalog import Catalog, Entry
from mcp_bridge.exchange import (
    ClientGone,
    Receive,
    Scope,
    Send,
    TooLarge,
    answer,
    changing,
    read_body,
    run_while_connected,
)
from mcp_bridge.fields import is_forwardable
from mcp_bridge.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Message,
    MessageError,
    as_edge_error,
    read_message,
)
from mcp_bridge.jsontext import MAX_DEPTH, JSONError, parse
from mcp_bridge.listing import complete, listed
from mcp_bridge.requests import ArgumentError, build
from mcp_bridge.results import Result, error_result, interpret
from mcp_bridge.revisions import HANDSHAKE, STATELESS
from mcp_bridge.session import EndedSessions, Session, SessionKey, open_session, sign, verify
from mcp_bridge.tools import InvocationError, Invoker, ToolRequest
from mcp_bridge.traces import trace_fields
from tokens.model import Principal
from tokens.secret import redact

MAX_BODY = 4 * 1024 * 1024
"""Bytes of a message."""

MAX_RESULT = 4 * 1024 * 1024
"""Bytes of a function's answer to a tool call."""

_OF_ERRORS = ((b"x-jelou-error-source", b"edge"), (b"cache-control", b"no-store"))
_LIST_TTL_MS = 5_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The function that one request is for, and who is calling.

    Attributes:
        slug: the server's name.
        version: the deployment's id.
        title, description: of the function; where empty, the document's stand for them.
        public: whether the function is; a tool's own setting overrides it.
        request_id: the edge's id of the HTTP request, for error bodies.
        forward_headers: the caller's fields that are carried on to the function, in any case.
    """

    slug: str
    version: str
    catalog: Catalog
    principal: Principal | None
    public: bool
    invoker: Invoker
    request_id: str = ""
    title: str = ""
    description: str = ""
    forward_headers: tuple[str, ...] = ()

    @property
    def lineage(self) -> str:
        """The token line that sessions are bound to; empty without a token."""
        return self.principal.lineage if self.principal else ""

    @property
    def identity(self) -> types.Implementation:
        """What the server says it is."""
        info = self.catalog.info
        return types.Implementation(
            name=self.slug, version=self.version, title=self.title or info.title or None
        )

    @property
    def instructions(self) -> str | None:
        """What the server says about its use."""
        return self.description or self.catalog.info.description or None


@dataclass(frozen=True, slots=True)
class _Call:
    """One HTTP request while it is served."""

    endpoint: Endpoint
    headers: tuple[tuple[bytes, bytes], ...]


_call: ContextVar[_Call] = ContextVar("mcp_bridge_call")


class _FunctionServer(Server[Any]):
    """The SDK's server, with the identity of the function that the request is for."""

    @property
    def server_info(self) -> types.Implementation:
        return _call.get().endpoint.identity

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
        endpoint = _call.get().endpoint
        return options.model_copy(
            update={
                "server_name": endpoint.slug,
                "server_version": endpoint.version,
                "title": endpoint.identity.title,
                "instructions": endpoint.instructions,
            }
        )


class Bridge:
    """Serves `/mcp` of every function of one worker."""

    def __init__(
        self,
        keys: Sequence[SessionKey],
        ended: EndedSessions,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        *,
        max_body: int = MAX_BODY,
        max_result: int = MAX_RESULT,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        """Compose; nothing runs before `run`.

        Args:
            keys: session keys, newest first; at least one.
            clock: Unix time, seconds.
            random: that many random bytes, for session ids.
        """
        self._keys = tuple(keys)
        self._ended = ended
        self._clock = clock
        self._random = random
        self._max_body = max_body
        self._max_result = max_result
        self._max_depth = max_depth
        self._manager = StreamableHTTPSessionManager(
            self._server(), json_response=True, stateless=True, max_request_body_size=max_body
        )

    def _server(self) -> Server[Any]:
        server = _FunctionServer(
            "jelou-edge",
            cache_hints={"tools/list": CacheHint(ttl_ms=_LIST_TTL_MS, scope="private")},
            get_tool_input_schema=_input_schema,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        server.add_request_handler("server/discover", types.RequestParams, _discover)
        server.middleware[:] = [_guard]
        return server

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve while inside; enter and leave in the same task, once."""
        async with self._manager.run():
            yield

    async def serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request to `/mcp`."""
        try:
            await self._serve(endpoint, scope, receive, send)
        except Rejection as rejection:
            body = rejection.body(endpoint.request_id)
            await answer(send, rejection.status, body, (*rejection.headers, *_OF_ERRORS))
        except ClientGone:
            return

    async def _serve(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        headers = tuple(scope["headers"])
        admitted = admit(scope["method"], headers, lambda text: self._find(text, endpoint))
        if scope["method"] == "DELETE":
            await self._end(admitted.session)
            await answer(send, 204)
            return
        body = await self._read(headers, receive)
        message = _message(body, self._max_depth)
        if message.kind != "request" and not admitted.stateless:
            await answer(send, 202)
            return
        opens = message.method == "initialize" and not admitted.stateless
        telling = changing(send, lambda status, body: self._told(endpoint, status, body, opens))
        _call.set(_Call(endpoint, headers))
        await run_while_connected(
            self._manager.handle_request, _for_sdk(scope, admitted), body, receive, telling
        )

    def _find(self, text: str, endpoint: Endpoint) -> Session | None:
        session = verify(
            text,
            self._keys,
            function=endpoint.slug,
            lineage=endpoint.lineage,
            now=self._clock(),
        )
        return None if session is None or self._ended.ended(session.nonce) else session

    async def _end(self, session: Session | None) -> None:
        if session is not None:
            await anyio.to_thread.run_sync(self._ended.end, session.nonce, float(session.expires))

    async def _read(self, headers: Sequence[tuple[bytes, bytes]], receive: Receive) -> bytes:
        try:
            return await read_body(headers, receive, self._max_body)
        except TooLarge:
            message = f"A message has at most {self._max_body} bytes."
            raise Rejection(413, "body_too_large", message) from None

    def _told(
        self, endpoint: Endpoint, status: int, body: bytes, opens: bool
    ) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """The SDK's answer: an error as the edge's own, a successful `initialize` with its id."""
        if status >= 400:
            return as_edge_error(body, status, endpoint.request_id), _OF_ERRORS
        return body, self._opened(endpoint, status, body) if opens else ()

    def _opened(self, endpoint: Endpoint, status: int, body: bytes) -> list[tuple[bytes, bytes]]:
        try:
            revision = parse(body)["result"]["protocolVersion"] if status == 200 else None
        except (JSONError, KeyError, TypeError):
            return []
        if revision not in HANDSHAKE:
            return []
        session = open_session(
            endpoint.slug, endpoint.lineage, revision, self._clock(), self._random
        )
        return [(SESSION_ID, sign(session, self._keys).encode("ascii"))]

    async def _list_tools(
        self, ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> Any:
        endpoint, revision = _call.get().endpoint, ctx.protocol_version
        catalog = endpoint.catalog
        tools = catalog.visible(endpoint.principal, endpoint.public)
        try:
            page = catalog.page(tools, params.cursor if params else None)
        except ValueError as problem:
            raise MCPError(INVALID_PARAMS, f"Invalid params: {problem}") from None
        tools_shown = [listed(tool, revision) for tool in page.tools]
        cursor = {"nextCursor": page.next_cursor} if page.next_cursor else {}
        return complete({"tools": tools_shown, **cursor}, revision)

    async def _call_tool(
        self, ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> Any:
        call = _call.get()
        endpoint = call.endpoint
        entry = endpoint.catalog.find(params.name, endpoint.principal, endpoint.public)
        if entry is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {redact(params.name)[:100]}")
        arguments = params.arguments or {}
        violations = entry.arguments.violations(arguments)
        if violations:
            return complete(_invalid(violations), ctx.protocol_version)
        try:
            request = build(entry.tool, arguments)
        except ArgumentError as problem:
            return complete(_invalid([str(problem)]), ctx.protocol_version)
        carried = (*_carried(call, request), *trace_fields(ctx.meta or {}))
        request = replace(request, headers=(*request.headers, *carried))
        result = await self._invoke(endpoint.invoker, entry, request, ctx.protocol_version)
        return complete(result, ctx.protocol_version)

    async def _invoke(
        self, invoker: Invoker, entry: Entry, request: ToolRequest, revision: str
    ) -> Result:
        try:
            response = await invoker.invoke(request)
        except InvocationError as problem:
            return error_result(problem.public)
        except Exception:
            _log.exception("the call of tool %s failed inside the edge", entry.tool.name)
            return error_result("The call failed inside the edge.")
        if len(response.body) > self._max_result:
            return error_result(f"The function's answer is over {self._max_result} bytes.")
        return interpret(entry, response, revision)


async def _guard(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Keep the text of unexpected exceptions off the wire."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception:
        _log.exception("%s failed", ctx.method)
        raise MCPError(INTERNAL_ERROR, "Internal error") from None


async def _discover(
    _ctx: ServerRequestContext[Any, Any], _params: types.RequestParams | None
) -> types.DiscoverResult:
    return types.DiscoverResult(
        supported_versions=list(STATELESS),
        capabilities=types.ServerCapabilities(tools=types.ToolsCapability(list_changed=False)),
        instructions=_call.get().endpoint.instructions,
    )


def _input_schema(name: str) -> Mapping[str, Any] | None:
    """For the SDK's check of `Mcp-Param-*` headers, before any handler runs."""
    endpoint = _call.get().endpoint
    entry = endpoint.catalog.find(name, endpoint.principal, endpoint.public)
    return entry.tool.input_schema if entry else None


def _message(body: bytes, max_depth: int) -> Message:
    try:
        return read_message(body, max_depth)
    except MessageError as problem:
        raise Rejection(
            400, "bad_request", problem.message, rpc_code=problem.rpc_code, id=problem.id
        ) from None


def _for_sdk(scope: Scope, admitted: Admitted) -> Scope:
    """The request as the SDK shall see it: it routes by one revision header, and wants `Accept`."""
    dropped = {VERSION, SESSION_ID, b"accept"}
    headers = [pair for pair in scope["headers"] if pair[0] not in dropped]
    headers.append((b"accept", b"application/json, text/event-stream"))
    if admitted.revision is not None:
        headers.append((VERSION, admitted.revision.encode("latin-1")))
    return {**scope, "headers": headers}


def _invalid(violations: Sequence[str]) -> Result:
    return error_result("Invalid arguments:\n" + "\n".join(violations))


def _carried(call: _Call, request: ToolRequest) -> list[tuple[bytes, bytes]]:
    """The caller's fields that go on to the function, where no argument says otherwise."""
    set_already = {name for name, _ in request.headers}
    named = {name.lower() for name in call.endpoint.forward_headers if is_forwardable(name)}
    wanted = {name.encode("ascii") for name in named} - set_already
    return [(name, value) for name, value in call.headers if name in wanted]
