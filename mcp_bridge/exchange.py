"""One ASGI request and its answer: whole bodies in, small answers out, and leaving noticed.

Nothing here knows MCP.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import anyio

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Change = Callable[[int, bytes], tuple[bytes, Iterable[tuple[bytes, bytes]]]]


class TooLarge(Exception):
    """The body is over the limit."""


class ClientGone(Exception):
    """The client left before its body was whole."""


async def read_body(headers: Iterable[tuple[bytes, bytes]], receive: Receive, limit: int) -> bytes:
    """The whole body of a request.

    Raises:
        TooLarge: it has, or says it has, more than `limit` bytes.
        ClientGone: the client left first.
    """
    stated = next((value for name, value in headers if name == b"content-length"), b"")
    if stated.isdigit() and int(stated) > limit:
        raise TooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


async def answer(
    send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send one whole answer; a body is JSON."""
    described = [(b"content-type", b"application/json")] if body else []
    length = [(b"content-length", b"%d" % len(body))] if status != 204 else []
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*described, *length, *headers],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def changing(send: Send, change: Change) -> Send:
    """Send, with the answer changed on its way if it comes in one piece.

    Args:
        change: from status and body to the body to send and fields to add.
    """
    held: list[Message] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            held.append(message)
            return
        while held:
            start = held.pop()
            if not message.get("more_body", False):
                body, added = change(start["status"], message.get("body", b""))
                start = {**start, "headers": [*_resized(start["headers"], body), *added]}
                message = {**message, "body": body}
            await send(start)
        await send(message)

    return sending


def _resized(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    length = b"%d" % len(body)
    return [(name, length if name == b"content-length" else value) for name, value in headers]


async def run_while_connected(
    app: App, scope: Scope, body: bytes, receive: Receive, send: Send
) -> None:
    """Run an app on a body that was read already; cancel it when the client leaves.

    An app that answers in one piece never calls `receive` again, so nobody else would notice.
    """
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    gone = anyio.Event()

    async def replay() -> Message:
        if pending:
            return pending.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await app(scope, replay, send)
        tasks.cancel_scope.cancel()
