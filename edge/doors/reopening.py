"""Opens a session with a function that is an MCP server again, as its client opened it first."""

import asyncio
from dataclasses import replace

from edge.doors import mcp_bodies
from edge.errors import EdgeError
from edge.forwarding import homes
from edge.forwarding.forwarder import Call, Forwarder, Relayed
from edge.forwarding.wire import UpstreamFailure
from edge.message import first
from mcp_bridge import passthrough
from mcp_bridge.admission import SESSION_ID, VERSION
from mcp_bridge.events import EventReader, EventsTooLarge
from mcp_bridge.upstream_session import Opening


async def reopen(forwarder: Forwarder, call: Call, opening: Opening, limit: int) -> str | None:
    """Where the new session is at home; None if the function opens none like the one before.

    Args:
        call: the request that found the session dead: where it goes, and who is asking.
        opening: the params of the `initialize` by which the session was opened.
        limit: bytes of the function's answer.
    """
    sent = call.headers
    initialize = replace(
        call,
        method="POST",
        headers=passthrough.reopening_fields(sent, None, None),
        body=passthrough.reopening(opening),
        length=None,
    )
    try:
        async with asyncio.timeout(call.timeout / 1000):
            fresh, revision = await _initialized(forwarder, initialize, limit)
            wanted = first(sent, VERSION)
            if fresh is None or revision is None:
                return None
            if wanted is not None and wanted != revision.encode():
                return None
            function, own_id = homes.at_home(call.function, fresh)
            fields = passthrough.reopening_fields(sent, own_id, revision)
            told = replace(
                initialize, function=function, headers=fields, body=passthrough.INITIALIZED
            )
            async with forwarder.send(told) as relayed:
                return fresh if relayed.status < 300 else None
    except (EdgeError, UpstreamFailure, EventsTooLarge, TimeoutError):
        return None


async def _initialized(
    forwarder: Forwarder, initialize: Call, limit: int
) -> tuple[str | None, str | None]:
    """Where the session is at home, and its revision, if one was opened."""
    async with forwarder.send(initialize) as relayed:
        named = first(relayed.headers, SESSION_ID)
        if relayed.status != 200 or named is None:
            return None, None
        home = homes.home(relayed.answer.upstream, relayed.answer.instance, named)
        return home, await _agreed(relayed, limit)


async def _agreed(relayed: Relayed, limit: int) -> str | None:
    """The revision in the answer, as JSON or as an event; raises EdgeError over the limit."""
    if not relayed.is_event_stream:
        said = await mcp_bodies.whole(relayed.answer.body, limit)
        return passthrough.reopened_revision(said)
    events = EventReader("sse", limit)
    async for piece in relayed.answer.body:
        for event in events.feed(piece):
            revision = passthrough.reopened_revision(event.data)
            if revision is not None:
                return revision
    return None
