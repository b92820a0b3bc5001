"""Carries out what the gate decided about a WebSocket handshake over ASGI, message by message."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import anyio

from edge.doors.asgi import Connection, Receive, Send, Watched, dated
from edge.doors.asked import Asked
from edge.doors.own_answers import refused
from edge.errors import EdgeError, Errors, refusal
from edge.forwarding.forwarder import Call, Forwarder, Relayed
from edge.forwarding.frames import CloseCode
from edge.forwarding.opening import NotAWebSocket, check_accept, new_key, own_handshake
from edge.forwarding.websocket import Closed, UpstreamSocket
from edge.forwarding.wire import UpstreamFailure
from edge.gate.decisions import Forward, Refuse
from edge.message import Headers
from edge.state.streams import OpenStream, OpenStreams

_HANDSHAKE_FIELDS = frozenset(
    {
        b"upgrade",
        b"connection",
        b"sec-websocket-accept",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
        b"content-length",
        b"transfer-encoding",
    }
)


@dataclass(frozen=True, slots=True)
class WebSocketDoor:
    """What relaying a WebSocket needs.

    Attributes:
        random: gives strong random bytes for the handshake.
        draining: whether the worker is ending.
    """

    forwarder: Forwarder
    streams: OpenStreams
    random: Callable[[int], bytes]
    draining: Callable[[], bool]

    async def serve(
        self, asked: Asked, connection: Connection, receive: Receive, send: Watched
    ) -> None:
        """Answer one handshake, and relay if the function accepts it."""
        await receive()  # websocket.connect, always first
        with anyio.CancelScope() as leaving:
            watch = asyncio.create_task(_leave_with(connection, leaving.cancel))
            try:
                await self._answer(asked, _Client(connection, receive, send, watch))
            except EdgeError as error:
                await _refuse(asked, error, send)
            except UpstreamFailure:
                connection.abort()
            finally:
                watch.cancel()

    async def _answer(self, asked: Asked, client: "_Client") -> None:
        if isinstance(asked.decision, Forward):
            await self._forward(asked, asked.decision, client)
        elif isinstance(asked.decision, Refuse):
            raise EdgeError(asked.decision.refusal)
        else:
            raise EdgeError(refusal(Errors.NOT_FOUND))

    async def _forward(self, asked: Asked, decision: Forward, client: "_Client") -> None:
        sent = own_handshake(asked.head.headers, new_key(self.random(16)))
        call = Call(
            function=decision.place.function,
            principal=decision.principal,
            ids=asked.ids,
            caller=asked.caller(decision.place),
            trigger="http",
            method="GET",
            target=decision.place.target,
            headers=sent,
            checked=decision.checked,
            timeout=decision.timeout,
            upgrade=True,
        )
        client.send.account.set_out = monotonic()
        async with self.forwarder.send(call) as relayed:
            if relayed.status == 101:
                await self._relay(asked, decision, relayed, sent, client)
            else:
                client.connection.reason = relayed.answer.reason
                await _relay_refusal(asked, relayed, client.send)

    async def _relay(
        self,
        asked: Asked,
        decision: Forward,
        relayed: Relayed,
        sent: Headers,
        client: "_Client",
    ) -> None:
        tunnel = relayed.answer.tunnel
        try:
            subprotocol = check_accept(relayed.answer.headers, sent)
        except NotAWebSocket as error:
            raise EdgeError(refusal(Errors.UPSTREAM_INVALID, reason=str(error))) from None
        if tunnel is None:
            raise EdgeError(refusal(Errors.UPSTREAM_INVALID, reason="no tunnel behind the 101"))
        relayed.answer.set_idle(decision.place.function.config.stream_idle / 1000)
        said = relayed.headers + asked.limits
        fields = [pair for pair in said if pair[0] not in _HANDSHAKE_FIELDS]
        client.watch.cancel()  # from here on, its leaving is a message like any other
        await client.send(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": fields}
        )
        upstream = UpstreamSocket(tunnel)
        with anyio.CancelScope() as ending:
            stream = OpenStream(asked.head, decision.until, ending.cancel)
            with self.streams.holding(stream):
                if self.draining():
                    ending.cancel()  # streams were ended before this one began
                await _both_ways(upstream, client.receive, client.send)
        if ending.cancel_called:
            code = CloseCode.GOING_AWAY if self.draining() else CloseCode.POLICY_VIOLATION
            await client.send({"type": "websocket.close", "code": code})


@dataclass(frozen=True, slots=True)
class _Client:
    """The client's end.

    Attributes:
        watch: ends the handshake if the client leaves meanwhile.
    """

    connection: Connection
    receive: Receive
    send: Watched
    watch: "asyncio.Task[None]"


async def _leave_with(connection: Connection, leave: Callable[[], None]) -> None:
    await connection.wait_gone()
    leave()


async def _both_ways(upstream: UpstreamSocket, receive: Receive, send: Send) -> None:
    """Relay until either end closes; the other is then closed too."""
    async with anyio.create_task_group() as relay:

        async def outward() -> None:
            closed = await _to_upstream(upstream, receive)
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await _close_quietly(upstream, closed)
            relay.cancel_scope.cancel()

        relay.start_soon(outward)
        closed = await _to_client(upstream, send)
        relay.cancel_scope.cancel()
        code = CloseCode.INTERNAL_ERROR if closed.code == 1006 else closed.code
        with anyio.CancelScope(shield=True):
            await send({"type": "websocket.close", "code": code, "reason": closed.reason})


async def _to_upstream(upstream: UpstreamSocket, receive: Receive) -> Closed:
    """Send what the client sends, until it leaves."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return Closed(int(message.get("code") or 1005), message.get("reason") or "")
        text = message.get("text")
        try:
            await upstream.send(message["bytes"] if text is None else text)
        except UpstreamFailure:
            return Closed(1006, "")


async def _to_client(upstream: UpstreamSocket, send: Send) -> Closed:
    """Send what the upstream sends, until it closes."""
    try:
        async for message in upstream.messages():
            if isinstance(message, Closed):
                return message
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
    except UpstreamFailure:
        pass
    return Closed(1006, "")


async def _close_quietly(upstream: UpstreamSocket, closed: Closed) -> None:
    try:
        await upstream.close(closed.code, closed.reason)
    except UpstreamFailure:
        return


async def _relay_refusal(asked: Asked, relayed: Relayed, send: Send) -> None:
    """Any status but 101 is plain HTTP."""
    await _start(relayed.status, relayed.headers + asked.limits, send)
    async for piece in relayed.answer.body:
        await send({"type": "websocket.http.response.body", "body": piece, "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"", "more_body": False})


async def _refuse(asked: Asked, error: EdgeError, send: Watched) -> None:
    send.account.refused(error.refusal)
    rendered = refused(asked, error.refusal)
    await _start(rendered.status, rendered.headers, send)
    await send({"type": "websocket.http.response.body", "body": rendered.body, "more_body": False})


async def _start(status: int, fields: Headers, send: Send) -> None:
    head = {"type": "websocket.http.response.start", "status": status, "headers": dated(fields)}
    await send(head)
