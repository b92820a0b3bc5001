"""The ASGI door: reads a request's head, asks the gate, and hands over what it decided.

It decides nothing itself. A fast lane is another door to the same gate and the same forwarder.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from edge.audit.refused import RefusedTokens, RefusedUse
from edge.doors.asgi import Receive, Reply, Scope, Send, connection_of, head_of
from edge.doors.asked import FRESH, Asked
from edge.doors.http import HttpDoor
from edge.doors.mcp import McpDoor
from edge.doors.websocket import WebSocketDoor
from edge.errors import Errors, refusal, store_unavailable
from edge.gate.credentials import digests
from edge.gate.decide import decide, decide_sound
from edge.gate.decisions import (
    BridgeAll,
    Decision,
    Forward,
    GateSettings,
    Lookup,
    Refuse,
    Repeatable,
    Status,
    ToMcp,
)
from edge.headers import Networks, client_of, forwarded_for
from edge.message import Head
from edge.state.view import StoreUnavailable, WorkerView

CATCH_UP_SECONDS = 1.0
CATCH_UP_PAUSE = 0.05
OVER = frozenset({"revoked", "expired"})
"""Reasons for a refusal that say something of who still has a token."""

MAX_LOOKUPS = 16
"""Look-ups for one decision; more means that the store alters faster than it can be read."""


@dataclass(frozen=True, slots=True)
class Door:
    """The application: one instance per worker.

    Attributes:
        clock: Unix seconds that never run back.
        random: cryptographically strong random bytes.
        used: told of each accepted token's id and the time.
        refused: told of tokens that are over and still used.
    """

    view: WorkerView
    settings: GateSettings
    networks: Networks
    http: HttpDoor
    mcp: McpDoor
    websockets: WebSocketDoor
    clock: Callable[[], float]
    random: Callable[[int], bytes]
    used: Callable[[str, float], None]
    refused: RefusedTokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request or WebSocket handshake."""
        head = head_of(scope)
        asked = self.asked(head, await self.admit(head))
        if scope["type"] == "websocket":
            await self.websockets.serve(asked, connection_of(scope), receive, send)
            return
        reply = Reply(send, head, connection_of(scope))
        if isinstance(asked.decision, ToMcp):
            await self.mcp.serve(asked, asked.decision, receive, reply)
        else:
            await self.http.serve(asked, receive, reply)

    def asked(self, head: Head, decision: Decision) -> Asked:
        """A request with what was decided about it, as it is carried out."""
        return Asked.of(head, decision, self.networks, self.random(FRESH))

    def admit_at_once(self, head: Head) -> Decision | None:
        """What to do with a sound request that has just come; None if that must be waited for."""
        if not self._caught_up():
            return None
        now = self.clock()
        decision = decide_sound(self.view, head, now, self.settings)
        return None if isinstance(decision, Lookup) else self._admitted(head, decision, now)

    def still_stands(self, decision: Repeatable, generation: int) -> bool:
        """Whether an equal request would be admitted as this one was by a generation.

        A decision follows from the head and the store alone; the clock matters as the token's end.
        """
        if self.view.generation != generation or not self.view.is_current():
            return False
        if isinstance(decision, Refuse):
            # None of what is refused becomes good by itself, but that may be told again.
            return decision.refusal.reason not in OVER
        now = self.clock()
        if self.http.state.draining or (decision.until is not None and now >= decision.until):
            return False
        if decision.principal is not None:
            self.used(decision.principal.token_id, now)
        return True

    async def admit(self, head: Head) -> Decision:
        """What to do with a request that has just come, waiting for the store if need be."""
        return self._admitted(head, await self.decide(head), self.clock())

    async def decide(self, head: Head) -> Decision:
        """The gate's decision, on what the store says now; the edge's own state needs no store."""
        if not self._caught_up():
            decision = decide(self.view, head, self.clock(), self.settings)
            if isinstance(decision, Status):
                return decision
        try:
            await self._catch_up()
            for _ in range(MAX_LOOKUPS):
                decision = decide(self.view, head, self.clock(), self.settings)
                if not isinstance(decision, Lookup):
                    return decision
                await self.view.look_up(decision.digest)
                await self._catch_up()
        except StoreUnavailable:
            pass
        return Refuse(store_unavailable())

    async def refresh(self) -> bool:
        """Catch up with the store between requests; whether it could be read."""
        try:
            await self._catch_up()
        except StoreUnavailable:
            return False
        return True

    async def _catch_up(self) -> None:
        """Apply the store's changes; waits up to a second for a store that cannot be read."""
        if self.view.is_current():
            return
        try:
            with anyio.fail_after(CATCH_UP_SECONDS):
                while not self._caught_up():  # noqa: ASYNC110 - nobody tells when a disk heals
                    await anyio.sleep(CATCH_UP_PAUSE)
        except TimeoutError:
            raise StoreUnavailable from None

    def _caught_up(self) -> bool:
        try:
            self.view.catch_up()
        except StoreUnavailable:
            return False
        return True

    def _admitted(self, head: Head, decision: Decision, now: float) -> Decision:
        """Let no new request keep a shutdown from its end, or be cut off by it; note its token."""
        if isinstance(decision, Refuse) and decision.refusal.reason in OVER:
            self._note_ended(head, decision.refusal.reason, now)
        if not isinstance(decision, Forward | ToMcp):
            return decision
        if self.http.state.refuses:
            refused = refusal(Errors.DRAINING, headers=((b"retry-after", b"1"),))
            if isinstance(decision, BridgeAll):
                return Refuse(refused, mcp=True)
            return Refuse(refused, decision.place)
        if decision.principal is not None:
            self.used(decision.principal.token_id, now)
        return decision

    def _note_ended(self, head: Head, reason: str, now: float) -> None:
        """Have it told, now and then, that a token which is over is still used."""
        for digest in digests(head.headers):
            with suppress(KeyError):
                token = self.view.token(digest)
                if token and token.refusal(now) == reason and self.refused.is_due(token.id, now):
                    chain = forwarded_for(head.headers, head.peer.address, self.networks)
                    address = client_of(chain, self.networks) or "local"
                    use = RefusedUse(token.id, token.shown_name, token.function, reason, address)
                    self.refused.note(use)
