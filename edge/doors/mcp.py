"""Hands an MCP request to the bridge, with the function that it is for and who is asking."""

from dataclasses import dataclass

from edge.doors.asgi import Message, Receive, Reply, Scope, Send, connection_of, dated
from edge.doors.asked import Asked
from edge.doors.invoker import FunctionInvoker
from edge.doors.mcp_upstream import McpUpstreamDoor
from edge.doors.rendering import render
from edge.errors import Refusal, store_unavailable
from edge.forwarding.forwarder import Forwarder
from edge.forwarding.plan import guarded
from edge.gate.decisions import Bridge as ToBridge
from edge.message import Headers
from edge.state.catalogs import Catalogs
from edge.state.view import StoreUnavailable
from mcp_bridge.server import Bridge, Endpoint


@dataclass(frozen=True, slots=True)
class McpDoor:
    """What answering MCP needs.

    Attributes:
        upstream: for functions that are MCP servers themselves.
        result_limit: bytes of a function's answer to a tool call.
        max_timeout: milliseconds that no tool's own timeout exceeds.
    """

    bridge: Bridge
    catalogs: Catalogs
    forwarder: Forwarder
    upstream: McpUpstreamDoor
    result_limit: int
    max_timeout: int

    async def serve(
        self, asked: Asked, decision: ToBridge, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request to `/mcp`."""
        if decision.place.function.config.mcp.upstream is not None:
            reply = Reply(send, asked.head, connection_of(scope))
            await self.upstream.serve(asked, decision, receive, reply)
            return
        try:
            endpoint = await self._endpoint(asked, decision)
        except StoreUnavailable:
            await _refuse(asked, store_unavailable(), send)
            return
        sending = _with_fields(send, asked.common, checked=decision.checked)
        await self.bridge.serve(endpoint, scope, receive, sending)

    async def _endpoint(self, asked: Asked, decision: ToBridge) -> Endpoint:
        function = decision.place.function
        invoker = FunctionInvoker(
            forwarder=self.forwarder,
            function=function,
            principal=decision.principal,
            caller=asked.caller(decision.place),
            limit=self.result_limit,
            max_timeout=self.max_timeout,
        )
        return Endpoint(
            slug=function.slug,
            description=function.live.project.description,
            version=function.live.id,
            catalog=await self.catalogs.of(function),
            principal=decision.principal,
            public=function.config.public,
            invoker=invoker,
            request_id=asked.request_id.decode(),
            forward_headers=function.config.mcp.forward_headers,
        )


async def _refuse(asked: Asked, refused: Refusal, send: Send) -> None:
    error = render(refused, asked.head.headers, asked.request_id, mcp=True)
    fields = dated((*error.headers, *asked.cors))
    await send({"type": "http.response.start", "status": error.status, "headers": fields})
    await send({"type": "http.response.body", "body": error.body})


def _with_fields(send: Send, common: Headers, *, checked: bool) -> Send:
    """Add the fields of every answer to the bridge's, and those of a checked one."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            fields = (*dated(message["headers"]), *common)
            message = {**message, "headers": fields + (guarded(fields) if checked else ())}
        await send(message)

    return sending
