"""Bodies on their way from a function that is an MCP server: read ahead, joined, narrowed."""

from collections.abc import AsyncIterator

from edge.errors import EdgeError, Errors, refusal
from edge.forwarding.forwarder import Relayed
from edge.forwarding.wire import PIECE, UpstreamFailure
from edge.message import Body
from mcp_bridge.narrowing import NarrowedEvents


async def complaint(relayed: Relayed) -> bytes:
    """The body of an answer that may say that the session is dead, or the beginning of a long one.

    What is not answered with 400 or 404 is not read.
    """
    held = bytearray()
    if relayed.status in (400, 404) and not relayed.is_event_stream:
        async for piece in relayed.answer.body:
            held += piece
            if len(held) > PIECE:
                break
    return bytes(held)


async def whole(body: Body, limit: int) -> bytes:
    """All of a body; raises EdgeError over the limit in bytes."""
    return b"".join([piece async for piece in bounded(body, limit)])


async def bounded(body: Body, limit: int) -> AsyncIterator[bytes]:
    """A body that must be read before it is sent on; raises EdgeError over the limit in bytes."""
    size = 0
    async for piece in body:
        size += len(piece)
        if size > limit:
            text = f"The function's answer is over the limit of {limit} bytes."
            raise EdgeError(refusal(Errors.UPSTREAM_INVALID, text))
        yield piece


async def joined(begun: bytes, rest: Body | None = None) -> AsyncIterator[bytes]:
    """A body of which something was read."""
    if begun:
        yield begun
    if rest is not None:
        async for piece in rest:
            yield piece


async def narrowed_events(events: NarrowedEvents, body: Body) -> AsyncIterator[bytes]:
    """An event stream as a token of some tools is shown it; raises UpstreamFailure."""
    async for piece in body:
        try:
            shown = events.feed(piece)
        except ValueError:
            raise UpstreamFailure("invalid", "an event is over the limit") from None
        if shown:
            yield shown
