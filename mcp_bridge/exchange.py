"""An ASGI app asked one whole request, for its one whole answer. It knows nothing of MCP."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcp_bridge.admission import Fields
from mcp_bridge.endpoint import Whole

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_DESCRIBING = frozenset({b"content-type", b"content-length"})


async def ask(app: App, method: str, path: str, headers: Fields, body: bytes) -> Whole:
    """The answer of an app that answers in one piece; cancelling this cancels the app.

    Args:
        headers: of the request; names in lower case.
    """
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if not pending:
            await asyncio.get_running_loop().create_future()
        return pending.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(method, path, headers), receive, send)
    start, *pieces = sent
    content = b"".join(message.get("body", b"") for message in pieces)
    added = tuple(pair for pair in start["headers"] if pair[0] not in _DESCRIBING)
    return Whole(start["status"], content, added)


def scope_of(method: str, path: str, headers: Fields) -> Scope:
    """A request as an app sees it that nobody connects to."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("ascii"),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": None,
        "server": None,
    }
