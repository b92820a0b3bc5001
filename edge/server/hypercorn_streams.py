"""Hypercorn's request streams with our exchange in place of its queue. Pinned by a contract test.

Stock streams block for ever when an app ends before it has read its body, decode targets, fold
methods to upper case, and let an answer that the app left half-sent look whole. Not here: the
protocols below (`hypercorn_http1`, `hypercorn_http2`, `hypercorn_http3`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from time import time
from typing import Any, Protocol
from urllib.parse import unquote
from uuid import uuid4

from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.protocol.ws_stream import (
    ASGIWebsocketState,
    FrameTooLargeError,
    WebsocketBuffer,
    WSStream,
)
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection
from wsproto.events import Message as Piece

from edge.errors import Errors, Refusal, refusal
from edge.events import Observe
from edge.message import Headers
from edge.server.exchange import HELD, Exchange, Message
from edge.server.refusals import refuse

LOG = logging.getLogger("edge.server")

EXTENSION = "jelou.connection"
_MAY_OPEN = frozenset({ASGIWebsocketState.HANDSHAKE, ASGIWebsocketState.CONNECTED})
_EXTENSIONS = b"sec-websocket-extensions"
_BAD_HANDSHAKE = refusal(
    Errors.BAD_REQUEST,
    "The WebSocket handshake needs Sec-WebSocket-Version: 13 and one Sec-WebSocket-Key.",
)
_TOO_EARLY = refusal(
    Errors.BAD_REQUEST, "Wait for the 101 before you send more than 64 KiB over the WebSocket."
)
MESSAGE = 512
"""Bytes that a message of a WebSocket takes besides its data: the empty ones count too."""

GRACE = 1.0
"""Seconds that an app has to end by itself once its client is gone; it is cancelled then."""


class Door(Protocol):
    """What a protocol asks of the connection that it runs on."""

    @property
    def observe(self) -> Observe:
        """Told of what is no request, and of a client that is cut off."""

    @property
    def alternatives(self) -> Headers:
        """The fields by which every answer tells where else the edge is (RFC 7838)."""

    @property
    def stays(self) -> bool:
        """Whether an answer that begins now leaves the connection open."""

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow, if the answer's head said so."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken."""

    def write(self, data: bytes) -> None:
        """Send bytes now, without waiting for room; for a few of them."""

    def finish(self, *, unread: bool) -> None:
        """End the connection once what was written is out; `unread`: more is coming in."""

    def reset(self) -> None:
        """End the connection with a TCP reset, so that nothing sent can look whole."""


class Stream(HTTPStream):
    """One HTTP request and its answer."""

    exchange: Exchange

    async def handle(self, event: Event) -> None:
        """Take what the protocol read."""
        if isinstance(event, Request):
            self._begin(event)
        elif isinstance(event, Body):
            message = {"type": "http.request", "body": event.data, "more_body": True}
            await self.exchange.put(message, len(event.data))
        elif isinstance(event, EndBody):
            self.exchange.complete = True
            await self.exchange.put({"type": "http.request", "body": b"", "more_body": False})
        elif isinstance(event, StreamClosed):
            await self._close()

    async def app_send(self, message: Any) -> None:
        """ASGI's send; None says that the app has ended."""
        if self.closed or self.exchange.aborted:
            await asyncio.sleep(0)  # an app that sends on and on must not hold the loop
            return
        if message is None and self.state in {ASGIHTTPState.RESPONSE, ASGIHTTPState.TRAILERS}:
            self.exchange.abort()
        else:
            await super().app_send(message)

    def _begin(self, request: Request) -> None:
        self.start_time = 0.0
        path, _, query = request.raw_path.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"spec_version": "2.3", "version": "3.0"},
            "http_version": request.http_version,
            "method": request.method,
            "scheme": self.scheme,
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": request.headers,
            "client": self.client,
            "server": self.server,
            "state": request.state.copy(),
            "extensions": _extensions(request.http_version),
        }
        self.scope = scope  # type: ignore[assignment]  # a plain dict, as ASGI has it
        spawn_app(self.task_group, self.app, scope, self.exchange, self.app_send)

    async def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        left = self.state != ASGIHTTPState.CLOSED
        self.exchange.end({"type": "http.disconnect"}, left=left)
        if left and self.exchange.task is not None:
            asyncio.get_running_loop().call_later(GRACE, self.exchange.task.cancel)


class WebSocketTasks:
    """What a WebSocket stream takes for a task group: it starts the app on an exchange.

    Attributes:
        closed: the client's close frame, once it has come.
    """

    def __init__(self, group: Any, exchange: Exchange) -> None:
        self.closed: CloseConnection | None = None
        self._group = group
        self._exchange = exchange

    async def spawn_app(
        self, app: Any, config: Any, scope: Any, send: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Message], Awaitable[None]]:
        """Start the app; what is returned hands it a message."""
        del config
        spawn_app(self._group, app, scope, self._exchange, send)
        return self._put

    def spawn(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Start a task of the connection."""
        self._group.spawn(call, *arguments)

    async def _put(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            closed = self.closed
            said = {"code": int(closed.code), "reason": closed.reason or ""} if closed else {}
            self._exchange.end(message | said)
        else:
            data = message.get("bytes") or message.get("text") or b""
            await self._exchange.put(message, len(data) + MESSAGE)


class WebSocketStream(WSStream):
    """A stock WebSocket stream that tells the app the code and reason of its client's close.

    It negotiates no extensions: what compression may unfold to is bounded nowhere. A handshake
    that is none gets the edge's error, where stock sends an empty answer. What comes before the
    app has accepted is held, where stock refuses the handshake for it.
    """

    exchange: Exchange
    _early = b""
    _holds = True

    async def handle(self, event: Event) -> None:
        """Take what the protocol has read."""
        if isinstance(event, Request):
            kept = [pair for pair in event.headers if pair[0].lower() != _EXTENSIONS]
            event = replace(event, headers=kept)
        if self._holds and isinstance(event, Body | Data):
            await self._hold(event.data)
        else:
            await super().handle(event)

    async def _hold(self, data: bytes) -> None:
        """Keep what comes before the app has accepted; behind a refusal it means nothing."""
        if self.closed or self.state not in _MAY_OPEN:
            return
        self._early += data
        if len(self._early) > HELD and self.state is ASGIWebsocketState.HANDSHAKE:
            self.state = ASGIWebsocketState.HTTPCLOSED
            await self._send_refusal(_TOO_EARLY)
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _accept(self, message: Any) -> None:
        await super()._accept(message)
        while self._early:
            early, self._early = self._early, b""
            await super().handle(Data(stream_id=self.stream_id, data=early))
        self._holds = False

    async def _send_error_response(self, status_code: int) -> None:
        if status_code != HTTPStatus.BAD_REQUEST:
            await super()._send_error_response(status_code)
        else:
            await self._send_refusal(_BAD_HANDSHAKE)

    async def _send_refusal(self, refused: Refusal) -> None:
        code, headers, body = refuse(refused, str(uuid4()), time())
        over_http2 = self.handshake.http_version != "1.1"
        kept = [pair for pair in headers if not (over_http2 and pair[0] == b"connection")]
        kept.append((b"sec-websocket-version", b"13"))  # RFC 6455 §4.4
        await self.send(Response(stream_id=self.stream_id, status_code=code, headers=kept))
        await self.send(Body(stream_id=self.stream_id, data=body))
        await self.send(EndBody(stream_id=self.stream_id))

    async def _send_wsproto_event(self, event: Any) -> None:
        closed_by_client = self.connection.state is ConnectionState.REMOTE_CLOSING
        if isinstance(event, CloseConnection) and closed_by_client:
            assert isinstance(self.task_group, WebSocketTasks)  # noqa: S101 — narrows the type
            self.task_group.closed = event  # the answer to a close repeats it
        await super()._send_wsproto_event(event)


class MessageBuffer(WebsocketBuffer):
    """A stock buffer that gathers nothing more of a message once that is too long.

    The stock one goes on growing while a client that was told to close (1009) goes on sending.
    """

    def extend(self, event: Piece[Any]) -> None:
        """Gather one more piece; FrameTooLargeError from the one that is too much on."""
        if self.length + len(event.data) > self.max_length:
            self.value, self.length = None, self.max_length + 1
            raise FrameTooLargeError
        super().extend(event)


def websocket(stream_arguments: list[Any], group: Any, exchange: Exchange) -> WebSocketStream:
    """A WebSocket stream on an exchange; its fourth argument is the task group."""
    arguments = [*stream_arguments]
    arguments[3] = WebSocketTasks(group, exchange)
    stream = WebSocketStream(*arguments)
    stream.buffer = MessageBuffer(stream.buffer.max_length)
    stream.exchange = exchange
    return stream


def spawn_app(
    group: Any,
    app: Any,
    scope: dict[str, Any],
    exchange: Exchange,
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """Start the app as a task of the connection, its exchange within reach."""
    scope["extensions"][EXTENSION] = exchange
    exchange.task = group._task_group.create_task(_run_app(app, scope, exchange, send))


async def _run_app(
    app: Any, scope: Any, exchange: Exchange, send: Callable[[Any], Awaitable[None]]
) -> None:
    try:
        await app(scope, exchange.receive, send)
    except Exception:
        LOG.exception("the app failed")
    finally:
        exchange.discard()
        await send(None)


def _extensions(version: str) -> dict[str, dict[str, Any]]:
    if version in ("2", "3"):
        return {"http.response.trailers": {}, "http.response.early_hint": {}}
    return {}
