"""One request and its answer over one connection, for callers that await.

The handler of `connection` that the ASGI lane, the bridge and cron use. Which connection, and
whether to try again, is `pool`'s business.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol

from edge.forwarding.backlog import Backlog
from edge.forwarding.connection import Connection
from edge.forwarding.parse import (
    Frame,
    InvalidAnswer,
    InvalidRequest,
    ResponseHead,
    end_to_end,
    serialise_request,
)
from edge.forwarding.reader import AnswerReader
from edge.forwarding.tunnel import Tunnel
from edge.forwarding.wire import (
    PIECE,
    BodyMismatch,
    FailureKind,
    Timeouts,
    UpstreamFailure,
    UpstreamRequest,
)
from edge.message import Body, Headers

InterimCallback = Callable[[int, Headers], None]
"""Told of each interim answer but 101: status and end-to-end fields."""


class Keeper(Protocol):
    """Takes connections back for the next exchange."""

    def release(self, connection: Connection, keep_for: float | None) -> None:
        """The connection's exchange ended exactly; `keep_for` as in `parse.Frame`."""


class Exchange:
    """The state of one exchange. `begin` it, then iterate over it for the answer's body."""

    __slots__ = (
        "_backlog",
        "_connection",
        "_drained",
        "_failure",
        "_finished",
        "_head",
        "_idle",
        "_keeper",
        "_more",
        "_on_interim",
        "_pump",
        "_reader",
        "_request",
        "_reused",
        "_sent",
        "_timeouts",
        "_written",
        "tunnel",
    )

    def __init__(
        self,
        keeper: Keeper,
        connection: Connection,
        request: UpstreamRequest,
        timeouts: Timeouts,
        on_interim: InterimCallback | None = None,
    ) -> None:
        self._keeper = keeper
        self._connection = connection
        self._request = request
        self._timeouts = timeouts
        self._idle = timeouts.idle
        self._on_interim = on_interim
        self._reader = AnswerReader(request.method, request.upgrade)
        self._reused = connection.exchanges > 0
        self._head: asyncio.Future[tuple[ResponseHead, Frame]] = connection.loop.create_future()
        self._more: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._backlog = Backlog()
        self._failure: BaseException | None = None
        self._written = False
        self._sent = False
        self._finished = False
        self.tunnel: Tunnel | None = None

    # For the caller.

    async def begin(self) -> tuple[ResponseHead, Frame]:
        """Send the request and wait for the answer's head.

        Raises:
            UpstreamFailure: there is no answer.
            InvalidRequest: it cannot be written; the connection goes back unused.
            BodyMismatch: the body did not have its declared length.
            Exception: whatever the body's iterator raised.
        """
        try:
            head = serialise_request(self._request)
        except InvalidRequest:
            self._keeper.release(self._connection, None)
            raise
        self._connection.handler = self
        self._connection.exchanges += 1
        try:
            self._send(head)
            return await self._head
        except BaseException:
            if not self._head.cancel() and not self._head.cancelled():
                self._head.exception()  # this caller leaves without having looked
            await self.aclose()
            raise

    @property
    def instance(self) -> str:
        """See `Connection.instance`."""
        return self._connection.instance

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come, read or not."""
        return self._reader.complete

    @property
    def held(self) -> int:
        """Bytes of the answer's body that were not read yet."""
        return self._backlog.held

    @property
    def trailers(self) -> Headers:
        """The answer's trailer fields, once it is complete."""
        return self._reader.trailers

    def __aiter__(self) -> "Exchange":
        return self

    async def __anext__(self) -> bytes:
        while not self._backlog:
            if self._failure is not None:
                raise self._failure
            if self._finished:
                await self._stop_pump()
                raise StopAsyncIteration
            self._more = self._connection.loop.create_future()
            await self._more
        piece = self._backlog.pop()
        if not self._connection.reading and not self._finished and self._backlog.relaxed:
            self._connection.resume()
            self._touch()
        return piece

    def set_idle(self, seconds: float) -> None:
        """Allow this long without a byte within the answer, from now on."""
        self._idle = seconds
        if self.tunnel is not None:
            self.tunnel.set_idle(seconds)
        else:
            self._touch()

    async def aclose(self) -> None:
        """Leave: the connection is aborted unless the exchange is complete."""
        if self.tunnel is not None:
            self.tunnel.abort()
        if not self._finished:
            self._backlog.clear()
            self._end(UpstreamFailure("reset", "the caller left"))
        await self._stop_pump()

    # Sending.

    def _send(self, head: bytes) -> None:
        body = self._request.body
        if body is None:
            body = b""
        at_once = isinstance(body, bytes) and len(head) + len(body) <= PIECE
        self._connection.write(head + body if at_once and isinstance(body, bytes) else head)
        if self._connection.closing:
            # Nothing was waiting to be sent, so this write failed at its first byte.
            raise self._failed("reset", "the connection was closed before anything was sent")
        self._written = True
        if at_once:
            self._body_sent()
        else:
            pieces = _slices(body) if isinstance(body, bytes) else body
            self._pump = self._connection.loop.create_task(self._pump_body(pieces))

    async def _pump_body(self, body: Body) -> None:
        length = self._request.length
        if isinstance(self._request.body, bytes):
            length = len(self._request.body)
        try:
            await self._write_body(body, length)
        except Exception as error:
            self._end(error)
        except BaseException:
            self._fail("reset", "sending the body was cancelled")
            raise

    async def _write_body(self, body: Body, length: int | None) -> None:
        sent = 0
        if length == 0:
            self._body_sent()
        async for piece in body:
            for at in range(0, len(piece), PIECE):
                part = piece[at : at + PIECE]
                sent += len(part)
                if length is None:
                    part = b"%x\r\n%b\r\n" % (len(part), part)
                elif sent > length:
                    raise BodyMismatch("the request body is longer than its declared length")
                self._connection.write(part)
                await self._drain()
            if sent == length and not self._sent:
                # The upstream has all of it; what is still asked for is whether there is more.
                self._body_sent()
        if length is None:
            self._connection.write(b"0\r\n\r\n")
            await self._drain()
            self._body_sent()
        elif sent < length:
            raise BodyMismatch("the request body is shorter than its declared length")

    async def _drain(self) -> None:
        self._touch()
        if self._connection.congested:
            if self._reader.head is None:
                self._set_deadline(self._timeouts.head)
            self._drained = self._connection.loop.create_future()
            await self._drained
            self._touch()

    def _body_sent(self) -> None:
        self._sent = True
        if self._reader.head is None:
            self._set_deadline(self._timeouts.head)

    async def _stop_pump(self) -> None:
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
            await asyncio.wait({self._pump})

    # Deadlines.

    def _touch(self) -> None:
        """Something moved: within an answer the wait begins anew; before it the body goes on."""
        if self._reader.head is not None:
            if self._connection.reading:
                self._set_deadline(self._idle)
        elif not self._sent:
            self._connection.deadline = inf

    def _set_deadline(self, seconds: float) -> None:
        if not self._finished:
            self._connection.set_deadline(self._connection.loop.time() + seconds)

    # For the connection.

    def received(self, data: bytes) -> None:
        """See `connection.Handler`."""
        reader = self._reader
        awaiting = reader.head is None
        try:
            piece = reader.feed(data)
        except InvalidAnswer as error:
            self._fail("invalid", str(error))
            return
        if reader.interim:
            self._tell_interim()
        if piece:
            self._backlog.push(piece)
        if reader.complete:
            self._complete()
        elif reader.head is not None:
            self._go_on()
        if awaiting and reader.head is not None and reader.frame is not None:
            if not self._head.done():
                self._head.set_result((reader.head, reader.frame))
        elif self._more is not None and (piece or self._finished):
            self._wake()

    def lost(self, in_order: bool) -> None:
        """See `connection.Handler`."""
        if in_order and self._reader.end():
            self._complete()
            self._wake()
        elif self._reader.head is None:
            how = "closed" if in_order else "reset"
            self._fail("reset", f"the connection was {how} before an answer")
        else:
            self._fail("truncated", "the connection ended within the answer")

    def writable(self) -> None:
        """See `connection.Handler`."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def expired(self) -> None:
        """See `connection.Handler`."""
        if self._reader.head is None:
            self._fail("timeout", f"no answer within {self._timeouts.head:g} s")
        else:
            self._fail("idle", f"no byte of the answer for {self._idle:g} s")

    def _tell_interim(self) -> None:
        heads = self._reader.interim[:]
        self._reader.interim.clear()
        if self._on_interim is not None:
            for head in heads:
                self._on_interim(head.status, end_to_end(head.headers))

    def _go_on(self) -> None:
        if self._backlog.full:
            self._connection.pause()
            # The silence is ours now, not the upstream's.
            self._connection.deadline = inf
        else:
            self._set_deadline(self._idle)

    def _complete(self) -> None:
        self._finished = True
        connection, reader = self._connection, self._reader
        if reader.head is not None and reader.head.status == 101:
            self.tunnel = Tunnel(connection, reader.rest, self._idle)
        elif self._sent and reader.reusable and not connection.unsent:
            connection.handler = None
            connection.resume()
            self._keeper.release(connection, reader.frame.keep_for if reader.frame else None)
        elif self._sent and not connection.unsent:
            connection.close()
        else:
            connection.abort()
        if self._pump is not None:
            self._pump.cancel()

    def _failed(self, kind: FailureKind, detail: str) -> UpstreamFailure:
        return UpstreamFailure(
            kind, detail, written=self._written, reused=self._reused, begun=self._reader.begun
        )

    def _fail(self, kind: FailureKind, detail: str) -> None:
        self._end(self._failed(kind, detail))

    def _end(self, failure: BaseException) -> None:
        """Nothing more will come of this exchange."""
        if self._finished:
            return
        self._finished = True
        self._failure = failure
        self._connection.abort()
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()
        if not self._head.done():
            self._head.set_exception(failure)
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        self._more = None


async def _slices(body: bytes) -> Body:
    for at in range(0, len(body), PIECE):
        yield body[at : at + PIECE]
