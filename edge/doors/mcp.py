"""Carries out a decision about MCP: the function's tools for the bridge, its answer for the client.

Which request is what, and what is answered, the bridge says.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic

import anyio

from edge.doors import answering
from edge.doors.asgi import Inbox, Pace, Receive, Reply
from edge.doors.asked import Asked
from edge.doors.invoker import FunctionInvoker, Served
from edge.doors.mcp_edge_wide import EdgeWideMcp
from edge.doors.mcp_streams import AsgiStream, Streams
from edge.doors.mcp_upstream import McpUpstreamDoor
from edge.doors.own_answers import dressed
from edge.errors import EdgeError, Errors, Refusal, body_too_large, refusal, store_unavailable
from edge.forwarding.forwarder import Forwarder
from edge.gate.decisions import Bridge, BridgeAll, ToMcp
from edge.message import first
from edge.state.catalogs import Catalogs
from edge.state.streams import OpenStream
from edge.state.view import StoreUnavailable
from mcp_bridge.admission import McpHead
from mcp_bridge.calls import ToolCall
from mcp_bridge.catalog import Catalog
from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.event_stream import FIELDS
from mcp_bridge.judging import Outcome
from mcp_bridge.serving import Bridge as McpBridge
from mcp_bridge.watching import Watch

WATCHING = McpRequest(McpHead("GET", ()))
"""What is asked for when a stream is judged again: the list."""


@dataclass(frozen=True, slots=True)
class McpLimits:
    """What is accepted.

    Attributes:
        body: bytes of a message.
        depth: nesting of its JSON.
        timeout: milliseconds that no tool's own timeout exceeds.
    """

    body: int
    depth: int
    timeout: int


@dataclass(frozen=True, slots=True)
class McpDoor:
    """What answering MCP needs.

    Attributes:
        upstream: for functions that are MCP servers themselves.
        edge_wide: for the edge's own `/mcp`.
        pace: how slowly a message may come.
        draining: whether the worker is ending.
        log: told of errors that are the edge's own, with the request id.
    """

    bridge: McpBridge
    catalogs: Catalogs
    forwarder: Forwarder
    streams: Streams
    upstream: McpUpstreamDoor
    edge_wide: EdgeWideMcp
    pace: Pace
    limits: McpLimits
    draining: Callable[[], bool]
    log: Callable[[BaseException, bytes], None]

    async def serve(self, asked: Asked, decision: ToMcp, receive: Receive, reply: Reply) -> None:
        """Answer one request to `/mcp`, and stop at once if the client leaves."""
        if isinstance(decision, Bridge) and decision.passes:
            await self.upstream.serve(asked, decision, receive, reply)
            return
        inbox = Inbox(reply.connection, receive, reply.account, self.pace, self.limits.body)
        with anyio.CancelScope() as leaving:
            reply.connection.when_left(leaving.cancel)
            await _Exchange(self, asked, decision, inbox, reply).run()

    def at_once(
        self, asked: Asked, decision: ToMcp, request: McpRequest, before: Served | None = None
    ) -> Served | None:
        """What a request is for, if nothing must be waited for to say so.

        Args:
            before: the same of a request with the same head, by the same decision.
        """
        if isinstance(decision, BridgeAll):
            return self.edge_wide.at_once(asked, decision, request)
        catalog = self.catalogs.known(decision.place.function)
        if before is not None and before.endpoint.catalog is catalog:
            return Served(before.endpoint, before.invoker.again(asked.ids))
        return None if catalog is None else self._served(asked, decision, catalog)

    async def served(self, asked: Asked, decision: ToMcp, request: McpRequest) -> Served:
        """What a request is for.

        Raises:
            EdgeError: its tools cannot be read.
        """
        if isinstance(decision, BridgeAll):
            return await self.edge_wide.served(asked, decision, request)
        try:
            catalog = await self.catalogs.of(decision.place.function)
        except StoreUnavailable:
            raise EdgeError(store_unavailable()) from None
        return self._served(asked, decision, catalog)

    def _served(self, asked: Asked, decision: Bridge, catalog: Catalog) -> Served:
        function, caller = decision.place.function, asked.caller(decision.place)
        endpoint = Endpoint(
            slug=function.slug,
            description=function.live.project.description,
            version=function.live.id,
            catalog=catalog,
            principal=decision.principal,
            public=function.config.public,
            forward_headers=function.config.mcp.forward_headers,
            search=function.config.mcp.search,
            client=caller.client,
        )
        invoker = FunctionInvoker(
            forwarder=self.forwarder,
            function=function,
            principal=decision.principal,
            ids=asked.ids,
            caller=caller,
            max_timeout=self.limits.timeout,
        )
        return Served(endpoint, invoker)

    def request(self, asked: Asked, head: McpHead, body: bytes) -> McpRequest:
        """A request as the bridge reads it."""
        return McpRequest(head, body, self.limits.depth, asked.request_id.decode())

    async def digest(self, asked: Asked, decision: ToMcp) -> str:
        """Changes when what a caller sees of the tools does; raises EdgeError."""
        return self.bridge.digest((await self.served(asked, decision, WATCHING)).endpoint)


@dataclass(slots=True)
class _Exchange:
    """One request being answered over ASGI; fulfils the bridge's `Reply`.

    Attributes:
        ending: cancelled when the answer to a call, being a stream, may go on no longer.
        streaming: holds the stream's place among those that are judged again.
    """

    door: McpDoor
    asked: Asked
    decision: ToMcp
    inbox: Inbox
    reply: Reply
    ending: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    streaming: ExitStack = field(default_factory=ExitStack)

    async def run(self) -> None:
        try:
            await self._answer()
        except EdgeError as error:
            await self._give_up(error.refusal)
        except Exception as error:
            self.door.log(error, self.asked.request_id)
            await self._give_up(refusal(Errors.INTERNAL))

    async def _answer(self) -> None:
        head = McpHead(self.asked.head.method, self.asked.head.headers)
        request = self.door.request(self.asked, head, await self._body())
        served = await self.door.served(self.asked, self.decision, request)
        self.asked = served.told(self.asked)
        outcome = self.door.bridge.judge(served.endpoint, request)
        self.reply.account.mcp_method = request.asked_method
        if isinstance(outcome, Watch):
            await self._watch(outcome)
        else:
            await self._carry_out(served, request, outcome)

    async def _carry_out(self, served: Served, request: McpRequest, outcome: Outcome) -> None:
        if isinstance(outcome, ToolCall):
            self.reply.account.called(outcome.tool, outcome.request.headers, monotonic())
        endpoint, invoker = served.endpoint, served.invoker
        with self.ending, self.streaming:
            await self.door.bridge.carry_out(endpoint, invoker, request, outcome, self)
        if self.ending.cancelled_caught:
            self.reply.abort()

    def _forbid(self) -> None:
        """The call may go on no longer, unless it is a drain that wants it to finish soon."""
        if not self.door.draining():
            self.ending.cancel()

    async def _body(self) -> bytes:
        length = first(self.asked.head.headers, b"content-length")
        if length is not None and int(length) > self.door.limits.body:
            raise EdgeError(body_too_large(self.door.limits.body))
        return b"".join([piece async for piece in self.inbox.body()])

    async def _watch(self, watch: Watch) -> None:
        """A stream of changes, until either side ends it."""
        await self._begin()
        stream = AsgiStream()
        with self.door.streams.open(self.asked, self.decision, watch, stream, self.door.digest):
            await stream.run(self.piece)
        await self.end()

    async def _give_up(self, refused: Refusal) -> None:
        await answering.give_up(self.asked, self.inbox, self.reply, refused)

    async def _begin(self) -> None:
        fields = dressed(self.asked, FIELDS, checked=self.decision.checked)
        await self.reply.start(200, fields)

    # For the bridge.

    async def whole(self, answer: Whole) -> None:
        """See `serving.Reply`."""
        self.reply.account.tool_failed = answer.tool_failed
        fields = dressed(self.asked, answer.fields, checked=self.decision.checked)
        await self.reply.whole(answer.status, fields, answer.body)

    async def start(self) -> None:
        """See `serving.Reply`; an answer that is a stream ends with its token, as any does."""
        record = OpenStream(self.asked.head, self.decision.until, self._forbid)
        self.streaming.enter_context(self.door.streams.every.holding(record))
        await self._begin()

    async def piece(self, data: bytes) -> None:
        """See `serving.Reply`."""
        await self.reply.piece(data)

    async def end(self) -> None:
        """See `serving.Reply`."""
        await self.reply.end()
