"""One request over ASGI: its head, its body as it comes, and its answer as it goes.

Not here: what is answered. Both halves exist so that the door reads like the contract.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from time import monotonic, time
from typing import Any, Protocol

from edge.errors import EdgeError, Errors, body_too_large, refusal
from edge.events import Account
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

    @property
    def complete(self) -> bool:
        """Whether the whole request has arrived, taken or not."""
        ...

    def take(self) -> Message | None:
        """What ASGI's `receive` would give without waiting, None if it would wait."""
        ...

    def when_left(self, call: Callable[[], None]) -> None:
        """Have this called if the client leaves, or has left, before it has the whole answer."""
        ...

    def ignore_rest(self) -> None:
        """Let what still comes of the body go by, so that nobody waits for it."""
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
        fields.append((b"date", date_now()))
    return fields


def date_now() -> bytes:
    """The value of `Date` (RFC 9110 §5.6.7)."""
    return _date(int(time()))


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
    """The request body as it comes.

    Args:
        receive: ASGI's.
        account: of the request; told how much has come.
        limit: bytes of body, or None.
    """

    def __init__(
        self,
        connection: Connection,
        receive: Receive,
        account: Account,
        pace: Pace,
        limit: int | None,
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._account = account
        self._pace = pace
        self._limit = limit
        self._size = 0
        self._waited = 0.0
        self._came = 0
        self._ended = False

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived, read or not."""
        return self._ended or self._connection.complete

    def at_hand(self) -> bytes:
        """What has come already, taken out: nobody is asked for more."""
        pieces = []
        while not self._ended and (message := self._take()) is not None:
            pieces.append(self._piece_of(message))
        return b"".join(pieces)

    def _take(self) -> Message | None:
        """The next message if it is here and of the body."""
        message = self._connection.take()
        return message if message is not None and message["type"] == "http.request" else None

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
        """The next piece, empty after the last."""
        piece = b""
        while not self._ended and not piece:
            message = self._take()
            if message is None:
                return await self._wait_in_time()
            piece = self._piece_of(message)
        return piece

    async def _wait_in_time(self) -> bytes:
        piece = b""
        clock = asyncio.get_running_loop().time
        since = clock()
        try:
            async with asyncio.timeout(self._pace.idle):
                while not self._ended and not piece:
                    piece = await self._wait()
        except TimeoutError:
            raise EdgeError(refusal(Errors.REQUEST_TIMEOUT)) from None
        self._keep_pace(piece, clock() - since)
        return piece

    async def _wait(self) -> bytes:
        """The piece of the next message; never returns once the client has left."""
        message = await self._receive()
        if message["type"] != "http.request":
            await asyncio.get_running_loop().create_future()
        return self._piece_of(message)

    def _piece_of(self, message: Message) -> bytes:
        self._ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self._account.received += len(piece)
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
        dropped = 0
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                while not self.complete and dropped <= UNREAD_BYTES:
                    dropped += len(await self._wait())
        except TimeoutError:
            return False
        return self.complete


class Watched:
    """ASGI's `send`, which has an account say what became of the answer."""

    def __init__(self, send: Send, account: Account) -> None:
        self._send = send
        self.account = account

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        kind, account = message["type"], self.account
        if kind in ("http.response.start", "websocket.http.response.start"):
            self._begins(message["status"])
        elif kind == "websocket.accept":
            self._begins(101)
        await self._send(message)
        if kind in ("http.response.body", "websocket.http.response.body"):
            account.sent += len(message["body"])
            account.whole = not message["more_body"]
        elif kind == "websocket.close":
            account.whole = True

    def _begins(self, status: int) -> None:
        self.account.status = status
        self.account.answered = monotonic()


class Reply:
    """The answer as it goes: adds what every answer carries and knows whether it has begun.

    Attributes:
        account: of the request.
    """

    def __init__(self, send: Watched, head: Head, connection: Connection) -> None:
        self._send = send
        self.account = send.account
        self._http1 = head.version.startswith("1")
        framed = head.version in ("2", "3")
        self._wants_trailers = framed and first(head.headers, b"te") == b"trailers"
        self.connection = connection
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
        self.connection.reason = reason
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
        self.connection.abort()
