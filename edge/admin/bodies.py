"""The body of a request to the admin address as it comes, within bounds. ASGI."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from edge.admin.errors import AdminError

Receive = Callable[[], Awaitable[dict[str, Any]]]


async def pieces(receive: Receive, most: int, over: str) -> AsyncIterator[bytes]:
    """A body's pieces.

    Args:
        most: bytes of it.
        over: what is said of one that has more.

    Raises:
        AdminError: INPUT_ERROR if it breaks off, with 413 if it has more.
    """
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise AdminError("INPUT_ERROR", "The request was not sent to its end")
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise AdminError("INPUT_ERROR", over, status=413)
        more = message.get("more_body", False)
        yield piece


async def whole(receive: Receive, most: int, over: str) -> bytes:
    """A body in one piece; as `pieces`."""
    return b"".join([piece async for piece in pieces(receive, most, over)])
