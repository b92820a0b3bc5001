"""One request over ASGI: its head, its body as it comes, and its answer as it goes.

Not here: what is answered. Both halves exist so that the door reads like the contract.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import Any, Protocol

from edge.errors import EdgeError, Errors, body_too_large, refusal
from edge.message import Head, Headers, Peer, first

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION = "jelou.connection"
"""The extension by which the server lends the app its hold on the connection."""

UNREAD_BYTES = 64 * 1024
UNREAD_SECONDS = 1.0
"""What is read and dropped of a body that an answer did not wait for."""


class Connection(Protocol):
    """The server's end of the connection, as far as an answer needs it.

    Attributes:
        reason: the answer's reason phrase where HTTP has one, which ASGI cannot say; set before
            the answer begins, empty for the usual one.
    """

    reason: bytes

    @property
    def target(self) -> bytes:
        """The request target as it was on the wire."""
        ...

    def abort(self) -> None:
        """End the answer so that it cannot look whole."""
        ...

    async def wait_gone(self) -> None:
        """Wait until the client has left or the answer is over."""
        ...


def head_of(scope: Scope) -> Head:
    """The request head in an ASGI scope of type `http` or `websocket`."""
    client = scope.get("client") or ("", 0)
    websocket = scope["type"] == "websocket"
    secure = scope["scheme"] in ("https", "wss")
    return Head(
        method="GET" if websocket else scope["method"],
        target=connection_of(scope).target,
        headers=tuple((bytes(name).lower(), bytes(value)) for name, value in scope["headers"]),
        version=scope["http_version"],
        peer=Peer(client[0], "https" if secure else "http"),
        websocket=websocket,
    )


def connection_of(scope: Scope) -> Connection:
    """The server's hold on the connection of a request."""
    connection: Connection = scope["extensions"][CONNECTION]
    return connection


def dated(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's fields with `Date` (RFC 9110 §6.6.1), which the function may have set."""
    fields = list(headers)
    if first(fields, b"date") is None:
        fields.append((b"date", _date(int(time()))))
    return fields


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a request body may come.

    Attributes:
        idle: seconds without a piece.
        rate: bytes a second, over every `idle` seconds of waiting for the client.
    """

    idle: float = 30.0
    rate: int = 1024


class Inbox:
    """The request body as it comes, and the news that the client has left.

    `run` is the one reader of `receive`: so a leaving client is noticed at any time, and the
    server is never stuck with a message that nobody takes.

    Args:
        receive: ASGI's.
        on_gone: called once if the client leaves.
        limit: bytes of body, or None.
    """

    def __init__(
        self, receive: Receive, on_gone: Callable[[], None], pace: Pace, limit: int | None
    ) -> None:
        self._receive = receive
        self._on_gone = on_gone
        self._pace = pace
        self._limit = limit
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._dropped: int | None = None
        self._size = 0
        self._waited = 0.0
        self._came = 0
        self._moved = asyncio.Event()
        self.complete = False

    async def run(self) -> None:
        """Read until the client leaves; ends by cancellation otherwise."""
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                self._on_gone()
                return
            piece = message.get("body", b"")
            self.complete = not message.get("more_body", False)
            if self._dropped is not None:
                self._dropped += len(piece)
                self._moved.set()
            elif piece:
                await self._pieces.put(piece)
            if self.complete and self._dropped is None:
                await self._pieces.put(b"")

    async def first(self) -> bytes:
        """The first piece, taken out; empty if there is no body."""
        return await self._next()

    async def body(self, begun: bytes = b"") -> AsyncIterator[bytes]:
        """The pieces, after `begun`.

        Raises:
            EdgeError: over the limit, or none came in time.
        """
        piece = begun or await self._next()
        while piece:
            self._size += len(piece)
            if self._limit is not None and self._size > self._limit:
                raise EdgeError(body_too_large(self._limit))
            yield piece
            piece = await self._next()

    async def _next(self) -> bytes:
        clock = asyncio.get_running_loop().time
        since = clock()
        try:
            async with asyncio.timeout(self._pace.idle):
                piece = await self._pieces.get()
        except TimeoutError:
            raise EdgeError(refusal(Errors.REQUEST_TIMEOUT)) from None
        self._keep_pace(piece, clock() - since)
        return piece

    def _keep_pace(self, piece: bytes, waited: float) -> None:
        """Count only time spent waiting for the client, not for a function that reads slowly."""
        self._waited += waited
        self._came += len(piece)
        if self._waited < self._pace.idle:
            return
        if piece and self._came < self._pace.rate * self._waited:
            raise EdgeError(refusal(Errors.REQUEST_TIMEOUT, reason="the body came too slowly"))
        self._waited, self._came = 0.0, 0

    async def drop_rest(self) -> bool:
        """Read and drop what is left of the body, within bounds; whether that was all of it."""
        self.ignore_rest()
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                while not self.complete and (self._dropped or 0) <= UNREAD_BYTES:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return self.complete

    def ignore_rest(self) -> None:
        """Let what still comes of the body go by, so that nobody waits for it."""
        if self._dropped is None:
            self._dropped = 0
        while not self._pieces.empty():
            self._pieces.get_nowait()
            self._moved.set()


class Reply:
    """The answer as it goes: adds what every answer carries and knows whether it has begun."""

    def __init__(self, send: Send, head: Head, connection: Connection) -> None:
        self._send = send
        self._http1 = head.version.startswith("1")
        self._wants_trailers = head.version == "2" and first(head.headers, b"te") == b"trailers"
        self._connection = connection
        self.started = False

    async def start(
        self,
        status: int,
        headers: Headers,
        *,
        reason: bytes = b"",
        close: bool = False,
        trailers: bool = False,
    ) -> None:
        """Send the head; `close` announces that HTTP/1.x ends the connection after this answer."""
        self._connection.reason = reason
        fields = dated(headers)
        if close and self._http1:
            fields.append((b"connection", b"close"))
        self.started = True
        start: Message = {"type": "http.response.start", "status": status, "headers": fields}
        if trailers and self._wants_trailers:
            start["trailers"] = True
        await self._send(start)

    async def piece(self, data: bytes) -> None:
        """Send a piece of the body; waits while the client does not take it."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, trailers: Headers | None = None) -> None:
        """End the answer, as whole."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if trailers is not None and self._wants_trailers:
            await self._send({"type": "http.response.trailers", "headers": list(trailers)})

    async def whole(
        self, status: int, headers: Headers, body: bytes, *, close: bool = False
    ) -> None:
        """Send an answer that is in memory."""
        await self.start(status, headers, close=close)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def abort(self) -> None:
        """Break the answer off, so that it cannot be taken for whole."""
        self._connection.abort()
