"""A service as an ASGI application (ASGI 3.0): bodies read within bounds, clients who leave."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from edge.sdk.handling import Answer, Cut, Service, refusal
from edge.sdk.requests import Headers, Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})
"""Fields that are the server's to set."""


class BodyTooLarge(Exception):
    """A request's body has more bytes than the function takes."""


class ClientLeft(Exception):
    """The client went before its request was whole."""


class Application:
    """What a server calls for every request."""

    def __init__(self, service: Service) -> None:
        """Serve this one."""
        self._service = service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or the server's start and end; WebSockets are refused."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._exchange(scope, receive, send)

    async def _exchange(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = Headers([(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]])
        try:
            body = await read(receive, headers, self._service.body_limit)
        except ClientLeft:
            return
        except BodyTooLarge:
            said = f"The body is over {self._service.body_limit} bytes."
            request_id = headers.get("X-Request-Id") or str(uuid4())
            await _send(refusal(413, said, request_id), send)
            return
        request = Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            body,
        )
        await _while_connected(self._answer(request, send), receive)

    async def _answer(self, request: Request, send: Send) -> None:
        await _send(await self._service.answer(request), send)


async def read(receive: Receive, headers: Headers, limit: int | None) -> bytes:
    """A request's body.

    Raises:
        BodyTooLarge: it has, or says that it has, more than `limit` bytes.
        ClientLeft: it ended in the middle.
    """
    length = headers.get("Content-Length", "")
    if limit is not None and length.isdigit() and int(length) > limit:
        raise BodyTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        if limit is not None and len(body) > limit:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


async def _while_connected(work: Any, receive: Receive) -> None:
    """Do the work, but no longer than the client waits for it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
    await asyncio.wait((working,))
    if not working.cancelled():
        working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(answer: Answer, send: Send) -> None:
    fields = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.fields
        if name.lower() not in _FRAMING
    ]
    if isinstance(answer.body, bytes):
        if answer.status not in (204, 304):
            fields.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": answer.body})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    async with aclosing(answer.body) as pieces:
        try:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Cut:
            return  # without the end, so that the server closes the connection amid the body
    await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
