"""Hypercorn's HTTP/1.1 protocol with the endings that the edge promises. Pinned by a contract test.

What differs from stock: `100 Continue` only once the app asks for the body; a body that the app
left unread is dropped within bounds, else the connection says `close` and lingers; a bad head gets
the edge's error; methods and targets as they were sent; no h2c upgrade (RFC 9113 §3.1 dropped it).
"""

import asyncio
from time import time
from typing import Any, cast
from uuid import uuid4

import h11
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.events import Body, Data, EndBody, Request, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import (
    STREAM_ID,
    H2ProtocolAssumedError,
    H11Protocol,
    H11WSConnection,
)
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.utils import suppress_body

from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.events import Unread
from edge.message import Head, Headers
from edge.server.exchange import Exchange
from edge.server.heads import BadHead
from edge.server.hypercorn_streams import Door, Stream, websocket
from edge.server.refusals import refuse_raw
from edge.server.requests import Begun, Content, Ended, Event, Http2Assumed, Opaque, RequestStream
from mcp_bridge.failures import phrase

DROP_BYTES = 64 * 1024
DROP_SECONDS = 1.0


class Http1(H11Protocol):
    """One HTTP/1 connection.

    Attributes:
        over: whether nothing more is read or answered here.
        ends_with_connection: whether the answer under way ends where the connection does.
    """

    def __init__(self, door: Door, arguments: list[Any], requests: RequestStream) -> None:
        super().__init__(*arguments)
        self.over = False
        self._door = door
        self._requests = requests
        self._method = ""
        self._version = "1.1"
        self._unread: int | None = 0
        self._exchange: Exchange | None = None
        self.ends_with_connection = False
        self._droppable = 0
        self._drop_timer: asyncio.TimerHandle | None = None

    @property
    def answering(self) -> bool:
        """Whether a whole HTTP request is being answered, so that no more need be read."""
        whole = self._requests.between
        return whole and isinstance(self.stream, HTTPStream) and not self.over

    @property
    def amid_head(self) -> bool:
        """Whether some of the next request's head has come."""
        return self._requests.amid_head

    async def handle(self, event: Any) -> None:
        """Take bytes, or the end of the connection."""
        if isinstance(event, RawData) and not self.over:
            self._requests.feed(event.data)
            await self._handle_events()
        elif isinstance(event, Closed):
            await self._stop()

    async def expire_head(self) -> None:
        """The head took too long: 408 if some of it came, else just the end."""
        if self.amid_head:
            await self._refuse(refusal(Errors.REQUEST_TIMEOUT))
        else:
            await self._end()

    async def sweep(self, now: float, slow_reader: float) -> None:
        """Nothing to look after: the one answer waits in the transport."""

    def drain(self) -> None:
        """Nothing to announce: the answer under way will say `close`."""

    def retire(self) -> None:
        """Nothing to announce either."""

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what a stream has to say."""
        if self.over:
            return
        if isinstance(event, Response) and event.status_code >= 200:
            await self._send_head(event)
        else:
            await super().stream_send(event)

    async def _handle_events(self) -> None:
        """Let h11 see what was checked, piece by piece, and no head before its turn."""
        while not self.over:
            if self.amid_head:
                await self._until_answered()
            try:
                event = self._requests.next()
                if event is None:
                    return
                await self._take(event)
            except BadHead as error:
                await self._refuse(error.refusal, error.sent)
            except EdgeError as error:
                await self._refuse(error.refusal)
            except h11.RemoteProtocolError:
                await self._refuse(refusal(Errors.BAD_REQUEST))

    async def _until_answered(self) -> None:
        while self.connection.their_state is not h11.IDLE and not self.over:
            await self.can_read.clear()
            await self.can_read.wait()

    async def _take(self, event: Event) -> None:
        match event:
            case Begun():
                self._method = event.head.method
                self.connection.receive_data(event.raw)
                request = self.connection.next_event()
                if not isinstance(request, h11.Request):
                    raise EdgeError(refusal(Errors.BAD_REQUEST))
                await self._begin(event, request)
            case Content(data):
                chunked = self._unread is None
                await self._feed(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            case Ended():
                await self._feed(b"0\r\n\r\n" if self._unread is None else b"")
            case Opaque(data):
                await self._feed(data)
            case Http2Assumed(data):
                raise H2ProtocolAssumedError(data)

    async def _begin(self, begun: Begun, request: h11.Request) -> None:
        await self.send(Updated(idle=False))
        self._version = begun.head.version
        self._unread = begun.length
        self.stream = self._make_stream(begun.head)
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=self._version,
                method=self._method,
                raw_path=begun.head.target,
                state=self.connection_state,
            )
        )
        if self._was_to_switch() and self.stream.closed:
            await self._end()

    async def _feed(self, data: bytes) -> None:
        """Give h11 some more of the body, and what that comes to, to the stream."""
        if data:
            self.connection.receive_data(data)
        while not self.over:
            event = self.connection.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            await self._hand_over(event)

    def _make_stream(self, head: Head) -> Any:
        exchange = self._exchange = Exchange(
            head.target, bounded=True, abort=self._abort, on_wait=self._send_continue
        )
        arguments: list[Any] = [self.app, self.config, self.context, self.task_group, self.ssl]
        arguments += [self.client, self.server, self.stream_send, STREAM_ID]
        if head.websocket:
            self.connection = H11WSConnection(cast("h11.Connection", self.connection))
            return websocket(arguments, self.task_group, exchange)
        stream = Stream(*arguments)
        stream.exchange = exchange
        return stream

    async def _hand_over(self, event: Any) -> None:
        if isinstance(event, h11.Data):
            size = len(event.data)
            self._unread = None if self._unread is None else self._unread - size
            if self.stream is None:
                await self._drop(size)
            else:
                await self.stream.handle(Body(stream_id=STREAM_ID, data=bytes(event.data)))
        elif isinstance(event, h11.EndOfMessage):
            self._unread = 0
            if self.stream is None:
                await self._maybe_recycle()
            else:
                await self.stream.handle(EndBody(stream_id=STREAM_ID))
        elif isinstance(event, Data) and self.stream is not None:
            await self.stream.handle(event)

    async def _send_head(self, event: Response) -> None:
        headers = [*event.headers, *self._door.alternatives]
        names = {name.lower() for name, _ in headers}
        bodiless = suppress_body(self._method, event.status_code)
        self.ends_with_connection = (
            self._version == "1.0" and b"content-length" not in names and not bodiless
        )
        if self._must_close():
            headers = [(n, v) for n, v in headers if n.lower() != b"connection"]
            headers.append((b"connection", b"close"))
        said = b"" if self._exchange is None else self._exchange.reason
        reason = said or phrase(event.status_code).encode()
        await self._send_h11_event(
            h11.Response(headers=headers, status_code=event.status_code, reason=reason)
        )

    def _must_close(self) -> bool:
        too_much = self._unread is not None and self._unread > DROP_BYTES
        return too_much or not self._door.stays or self._awaits_continue() or self._was_to_switch()

    def _was_to_switch(self) -> bool:
        """Whether a WebSocket was asked for: no request follows, whatever the answer."""
        return self.stream is not None and not isinstance(self.stream, Stream)

    def _awaits_continue(self) -> bool:
        return bool(self.connection.they_are_waiting_for_100_continue)

    async def _send_continue(self) -> None:
        if not self.over and self._awaits_continue():
            await self._send_h11_event(
                h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            )

    def _abort(self) -> None:
        if self.over:
            return
        if self.ends_with_connection:
            self._door.reset()
        else:
            self._door.finish(unread=self._is_unread())
        self.over = True
        self.task_group.spawn(self._stop)

    async def _refuse(self, refused: Refusal, sent: Headers = ()) -> None:
        """Answer with an error if none was begun, and end."""
        await self._close_stream()
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._door.observe(Unread(refused.kind.code))
            method = self._method or self._requests.begun_method
            await self.send(RawData(refuse_raw(refused, str(uuid4()), time(), sent, method)))
        elif self.connection.our_state is h11.SEND_BODY and self.ends_with_connection:
            self._door.reset()
        await self._end(unread=True)

    async def _maybe_recycle(self) -> None:
        await self._close_stream()
        ours, theirs = self.connection.our_state, self.connection.their_state
        if self.over:
            return
        if ours is not h11.DONE or not self._door.may_stay:
            await self._end()
        elif theirs is h11.DONE:
            await self._next()
        elif theirs is h11.SEND_BODY:
            self._start_dropping()
        else:
            await self._end()

    async def _next(self) -> None:
        self._stop_dropping()
        self._method = ""
        self.connection.start_next_cycle()
        await self.send(Updated(idle=True))
        await self.can_read.set()

    def _start_dropping(self) -> None:
        self._droppable = DROP_BYTES
        loop = asyncio.get_running_loop()
        self._drop_timer = loop.call_later(DROP_SECONDS, self.task_group.spawn, self._end)

    def _stop_dropping(self) -> None:
        if self._drop_timer is not None:
            self._drop_timer.cancel()
            self._drop_timer = None

    async def _drop(self, size: int) -> None:
        self._droppable -= size
        if self._droppable < 0:
            await self._end()

    async def _end(self, *, unread: bool = False) -> None:
        if not self.over:
            self._door.finish(unread=unread or self._is_unread())
            await self._stop()

    def _is_unread(self) -> bool:
        return self.connection.their_state not in {h11.DONE, h11.MUST_CLOSE, h11.IDLE}

    async def _stop(self) -> None:
        self.over = True
        self._stop_dropping()
        await self._close_stream()
        await self.can_read.set()
