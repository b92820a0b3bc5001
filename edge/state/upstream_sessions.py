"""The sessions of functions that are MCP servers, as one worker serves them.

An id carries its session, so nothing is kept but the sessions that were opened again: their
function's new id, how often that was, until the worker ends or others have been used since.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from edge.state.peers import JSON, Peers
from mcp_bridge.session import EndedSessions, SessionKeys
from mcp_bridge.upstream_session import (
    Opening,
    UpstreamSession,
    new_session,
    seal_session,
    unseal_session,
)

_TOPIC = "mcp-session-reopened"

MAX_REOPENED = 10_000
"""Sessions whose new id is remembered in one worker; one that is forgotten is opened again."""


class UpstreamSessions:
    """Finds, makes, re-opens and ends them; of one event loop.

    Args:
        keys: gives them, the one to seal with first; asked anew for each request.
        clock: Unix seconds.
        random: that many random bytes.
        run_sync: runs what may block in a thread.
        peers: the other workers, which are told of sessions that were opened again.
    """

    def __init__(
        self,
        keys: SessionKeys,
        ended: EndedSessions,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        run_sync: Callable[..., Awaitable[object]],
        peers: Peers,
    ) -> None:
        self._keys = keys
        self._ended = ended
        self._clock = clock
        self._random = random
        self._run_sync = run_sync
        self._reopened: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._peers = peers
        peers.hear(_TOPIC, self._on_reopened)
        self._opening: dict[str, asyncio.Future[str | None]] = {}

    def find(self, text: str, function: str, lineage: str) -> UpstreamSession | None:
        """The live session of an id, for this function and token line."""
        session = unseal_session(
            text, self._keys(), function=function, lineage=lineage, now=self._clock()
        )
        return None if session is None or self._ended.ended(session.nonce) else session

    def made(self, home: str, opening: Opening | None, function: str, lineage: str) -> str | None:
        """The id for the client of a session that the function opened; None if it cannot be."""
        session = new_session(home, opening, self._clock(), self._random)
        return seal_session(session, function, lineage, self._keys(), self._random)

    def current(self, session: UpstreamSession) -> str:
        """Where the session is at home now."""
        if session.nonce in self._reopened:
            self._reopened.move_to_end(session.nonce)
        _, home = self._reopened.get(session.nonce, (0, session.home))
        return home

    async def reopened(
        self, session: UpstreamSession, dead: str, opens: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        """Where a session lives that the function had forgotten; None if it cannot be opened.

        However many requests find it dead at once, it is opened once.

        Args:
            dead: where it is no more.
            opens: opens it, and says where.
        """
        while (under_way := self._opening.get(session.nonce)) is not None:
            await asyncio.wait({under_way})
        if self.current(session) != dead:
            return self.current(session)
        times, _ = self._reopened.get(session.nonce, (0, ""))
        self._opening[session.nonce] = future = asyncio.get_running_loop().create_future()
        try:
            fresh = await opens()
        finally:
            del self._opening[session.nonce]
            future.set_result(None)
        if fresh is None:
            return None
        self._remember(session.nonce, times + 1, fresh)
        self._peers.tell(_TOPIC, [session.nonce, times + 1, fresh])
        return self.current(session)

    def _remember(self, nonce: str, times: int, home: str) -> None:
        """Keep the newest; of two that workers opened at once, all keep the same."""
        known = self._reopened.get(nonce, (0, ""))
        self._reopened[nonce] = max(known, (times, home))
        self._reopened.move_to_end(nonce)
        while len(self._reopened) > MAX_REOPENED:
            self._reopened.popitem(last=False)

    def _on_reopened(self, told: JSON) -> None:
        """Another worker has opened a session again."""
        match told:
            case [str(nonce), int(times), str(home)]:
                self._remember(nonce, times, home)

    async def end(self, session: UpstreamSession) -> None:
        """End it in every worker before this returns."""
        await self._run_sync(self._ended.end, session.nonce, float(session.expires))
        self._reopened.pop(session.nonce, None)
