"""A real `/mcp` for tests: the bridge on Hypercorn, a function behind it that tests write."""

import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import httpx2
from hypercorn.asyncio import serve
from hypercorn.config import Config

from mcp_bridge.admission import McpHead
from mcp_bridge.catalog import Catalog, build
from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.event_stream import FIELDS
from mcp_bridge.jsonrpc import RequestId
from mcp_bridge.judging import Bounds, Judge, rejected, too_large
from mcp_bridge.pages import Pages
from mcp_bridge.rounds import Rounds
from mcp_bridge.server import SdkServer
from mcp_bridge.serving import Bridge
from mcp_bridge.session import MemoryEndedSessions, SessionKey
from mcp_bridge.targets import Targets
from mcp_bridge.tools import Answering, ToolRequest, ToolResponse
from tokens.model import Principal, Scopes

MiB4 = 4 * 1024 * 1024
STATELESS = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
}

Answer = Callable[[ToolRequest], Awaitable[ToolResponse]]


def document(paths: dict[str, Any], **rest: Any) -> bytes:
    """An OpenAPI document of these paths."""
    return json.dumps(
        {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths, **rest}
    ).encode()


SHOP = document(
    {
        "/orders/{id}": {
            "get": {
                "operationId": "getOrder",
                "summary": "One order",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "X-Note", "in": "header", "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                ],
            }
        },
        "/orders": {
            "post": {
                "operationId": "createOrder",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"item": {"type": "string", "minLength": 1}},
                                "required": ["item"],
                            }
                        }
                    },
                },
            }
        },
    }
)


def response(
    value: Any = None, status: int = 200, content_type: str = "application/json"
) -> ToolResponse:
    """An answer of a function."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ToolResponse(status, ((b"content-type", content_type.encode()),), body)


async def echo(request: ToolRequest) -> ToolResponse:
    """Answer with what was asked."""
    headers = {name.decode(): value.decode() for name, value in request.headers}
    return response(
        {
            "method": request.method,
            "target": request.target.decode(),
            "headers": headers,
            "body": None if request.body is None else request.body.decode(),
        }
    )


@dataclass
class Function:
    """A function behind the bridge: an Invoker that asks whatever the test puts in `answer`."""

    answer: Answer = echo
    requests: list[ToolRequest] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, request: ToolRequest) -> AsyncIterator[Answering]:
        """Keep the request and answer it."""
        self.requests.append(request)
        response = await self.answer(request)

        async def body() -> AsyncIterator[bytes]:
            yield response.body

        yield Answering(response.status, response.headers, body())


@dataclass
class Calls:
    """The calls of one process that can be cancelled."""

    running: dict[int, tuple[str, RequestId, Callable[[], object]]] = field(default_factory=dict)

    def add(self, nonce: str, id: RequestId, cancel: Callable[[], object]) -> int:  # noqa: A002
        """See `serving.Calls`."""
        ticket = max(self.running, default=0) + 1
        self.running[ticket] = (nonce, id, cancel)
        return ticket

    def remove(self, nonce: str, id: RequestId, ticket: int) -> None:  # noqa: A002
        """See `serving.Calls`."""
        self.running.pop(ticket, None)

    async def cancel(self, nonce: str, id: RequestId) -> None:  # noqa: A002
        """See `serving.Calls`."""
        found = [call[2] for call in self.running.values() if call[:2] == (nonce, id)]
        if len(found) == 1:
            found[0]()


@dataclass
class Reply:
    """An answer over ASGI."""

    send: Callable[[Any], Awaitable[None]]

    async def whole(self, answer: Whole) -> None:
        """See `serving.Reply`."""
        start = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": list(answer.fields),
        }
        await self.send(start)
        await self.send({"type": "http.response.body", "body": answer.body})

    async def start(self) -> None:
        """See `serving.Reply`."""
        await self.send({"type": "http.response.start", "status": 200, "headers": list(FIELDS)})

    async def piece(self, data: bytes) -> None:
        """See `serving.Reply`."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """See `serving.Reply`."""
        await self.send({"type": "http.response.body", "body": b""})


def principal(lineage: str = "tok_a", scopes: tuple[str, ...] = ()) -> Principal:
    """A caller."""
    return Principal("tok_" + lineage, "default", "shop", Scopes(scopes), lineage)


@dataclass
class Edge:
    """A served bridge. The header `x-caller` names the token line, `x-function` the function."""

    url: str
    function: Function
    endpoint: Endpoint
    client: httpx2.AsyncClient
    now: float = field(default_factory=time.time)
    scopes: tuple[str, ...] = ()
    request_id: str = "req-1"
    calls: Calls = field(default_factory=Calls)

    def endpoint_for(self, headers: dict[bytes, bytes]) -> Endpoint:
        """The endpoint of one request, as the edge's gate would make it."""
        caller = headers.get(b"x-caller", b"tok_a").decode()
        return replace(
            self.endpoint,
            slug=headers.get(b"x-function", self.endpoint.slug.encode()).decode(),
            principal=None if caller == "nobody" else principal(caller, self.scopes),
        )

    async def post(self, message: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
        """POST one message, or bytes as they are, as a handshake client would."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        return await self.client.post(self.url, content=body, headers={**sent, **(headers or {})})

    async def call(
        self,
        method: str,
        params: Any = None,
        headers: dict[str, str] | None = None,
        rpc_id: Any = 1,
    ) -> httpx2.Response:
        """One handshake request."""
        message = {"jsonrpc": "2.0", "id": rpc_id, "method": method}
        return await self.post(
            message if params is None else {**message, "params": params}, headers
        )

    async def stateless(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """One request of the stateless revision, with the headers that it wants."""
        named = {"mcp-name": params["name"]} if params and "name" in params else {}
        routing = {"mcp-protocol-version": STATELESS, "mcp-method": method, **named}
        body = {"_meta": ENVELOPE, **(params or {})}
        return await self.call(method, body, {**routing, **(headers or {})})

    async def initialize(self, revision: str = "2025-11-25", **headers: str) -> httpx2.Response:
        """Shake hands."""
        params = {
            "protocolVersion": revision,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        return await self.call("initialize", params, headers)

    async def session(self, revision: str = "2025-11-25", **headers: str) -> str:
        """The id of a new session."""
        return (await self.initialize(revision, **headers)).headers["mcp-session-id"]


@asynccontextmanager
async def serving(
    catalog: Catalog | None = None,
    *,
    public: bool = False,
    key: bytes = b"k" * 32,
    request_id: str = "req-1",
    **endpoint: Any,
) -> AsyncIterator[Edge]:
    """Serve a bridge on a free port of the loopback."""
    function = Function()
    made = Endpoint(
        slug="shop",
        version="dep_abc12345",
        catalog=catalog or build(SHOP),
        principal=None,
        public=public,
        **endpoint,
    )
    async with httpx2.AsyncClient(timeout=10) as client:
        bound = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/mcp"
        edge = Edge(url, function, made, client, request_id=request_id)
        bridge = _bridge(edge, (SessionKey("k1", key),))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
                return
            await _serve(bridge, edge, scope, receive, send)

        config = Config()
        config.bind = [f"fd://{bound.detach()}"]
        config.graceful_timeout = 0.5
        config.errorlog = None
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks, bridge.run():
            tasks.start_soon(lambda: serve(app, config, shutdown_trigger=stop.wait))
            try:
                yield edge
            finally:
                await client.aclose()
                stop.set()


def _bridge(edge: Edge, keys: tuple[SessionKey, ...]) -> Bridge:
    ended, pages, bounds = MemoryEndedSessions(lambda: edge.now), Pages(), Bounds(MiB4, MiB4)
    targets = Targets()
    rounds = Rounds(lambda: keys, lambda: edge.now, os.urandom)
    return Bridge(
        judge=Judge(lambda: keys, ended, lambda: edge.now, pages, targets, rounds, bounds),
        sdk=SdkServer(pages, targets, bounds.body, bounds.result),
        calls=edge.calls,
        ended=ended,
        keys=lambda: keys,
        clock=lambda: edge.now,
        random=os.urandom,
        may_mint=lambda lineage, now: None,
    )


async def _serve(bridge: Bridge, edge: Edge, scope: Any, receive: Any, send: Any) -> None:
    """Answer one request, as the edge's door does; stop when the client leaves."""
    endpoint = edge.endpoint_for(dict(scope["headers"]))
    stated = dict(scope["headers"]).get(b"content-length", b"")
    if stated.isdigit() and int(stated) > MiB4:
        await Reply(send).whole(rejected(edge.request_id, too_large(MiB4)))
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    request = McpRequest(
        McpHead(scope["method"], tuple(scope["headers"])), body, id=edge.request_id
    )
    outcome = bridge.judge(endpoint, request)
    async with anyio.create_task_group() as tasks:

        async def leave() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(leave)
        await bridge.carry_out(endpoint, edge.function, request, outcome, Reply(send))
        tasks.cancel_scope.cancel()


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
