"""The ASGI door: reads a request's head, asks the gate, and hands over what it decided.

It decides nothing itself. A fast lane is another door to the same gate and the same forwarder.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from time import monotonic

import anyio

from edge.audit.refused import RefusedTokens, RefusedUse
from edge.doors.asgi import Receive, Reply, Scope, Send, Watched, connection_of, head_of
from edge.doors.asked import FRESH, Admitted, Asked
from edge.doors.http import HttpDoor
from edge.doors.mcp import McpDoor
from edge.doors.websocket import WebSocketDoor
from edge.errors import Errors, Refusal, refusal, store_unavailable
from edge.events import Account, Observe
from edge.forwarding import plan
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
from edge.headers import Networks, client_of, forwarded_for, source_of
from edge.limits import Left, Limit, too_many_failures
from edge.message import Head
from edge.state.view import StoreUnavailable, WorkerView
from tokens.model import Token

CATCH_UP_SECONDS = 1.0
CATCH_UP_PAUSE = 0.05

MAX_LOOKUPS = 16
"""Look-ups for one decision; more means that the store alters faster than it can be read."""


@dataclass(frozen=True, slots=True)
class Throttles:
    """What counts requests.

    Attributes:
        take: counts one against limits: what is left of them, or the refusal of it.
        may_fail: given an address and the time: seconds for which no more tokens from there may
            be bad, or None if one more may. None in its place counts nothing.
    """

    take: Callable[[tuple[Limit, ...]], tuple[Left, ...] | Refusal]
    may_fail: Callable[[str, float], float | None] | None


@dataclass(frozen=True, slots=True)
class Door:
    """The application: one instance per worker.

    Attributes:
        clock: Unix seconds that never run back.
        random: cryptographically strong random bytes.
        used: told of each accepted token's id and the time.
        refused: told of tokens that are over and still used.
        observe: told of every request that is over.
        sample: the share of new traces that are recorded, or None for no spans at all.
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
    throttles: Throttles
    observe: Observe
    sample: float | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request or WebSocket handshake."""
        began, head = monotonic(), head_of(scope)
        admitted = await self.admit(head)
        ids = plan.ids(head.headers, self.random(FRESH), self.sample)
        asked = Asked.of(head, admitted, self.networks, ids)
        account = Account("asgi", head, asked.decision, began)
        account.ids = asked.ids
        try:
            await self._serve(asked, scope, receive, Watched(send, account))
        finally:
            account.ended = monotonic()
            self.observe(account)

    async def _serve(self, asked: Asked, scope: Scope, receive: Receive, send: Watched) -> None:
        if scope["type"] == "websocket":
            await self.websockets.serve(asked, connection_of(scope), receive, send)
            return
        reply = Reply(send, asked.head, connection_of(scope))
        if isinstance(asked.decision, ToMcp):
            await self.mcp.serve(asked, asked.decision, receive, reply)
        else:
            await self.http.serve(asked, receive, reply)

    def decide_at_once(self, head: Head, now: float) -> Decision | None:
        """The gate's decision about a sound request; None if that must be waited for.

        Whoever carries the request out has it `let_in` then.
        """
        if not self._caught_up():
            return None
        decision = decide_sound(self.view, head, now, self.settings)
        return None if isinstance(decision, Lookup) else decision

    def again(self, head: Head, decision: Repeatable, generation: int) -> Admitted | None:
        """As `let_in`, for an equal of a request that was decided by a generation.

        A decision follows from the head and the store alone; the clock matters as the token's end.
        None if it has to be decided anew.
        """
        if self.view.generation != generation or not self.view.is_current():
            return None
        now = self.clock()
        if isinstance(decision, Refuse):
            return self._refused(head, decision, now), ()  # it becomes good by no time that passes
        if self.http.state.draining or (decision.until is not None and now >= decision.until):
            return None
        return self._let_through(decision, now)

    async def admit(self, head: Head) -> Admitted:
        """What to do with a request that has just come, waiting for the store if need be."""
        return self.let_in(head, await self.decide(head), self.clock())

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

    def let_in(self, head: Head, decision: Decision, now: float) -> Admitted:
        """Let a request in as it was decided, once: within its limits, and not into a shutdown.

        None that comes now keeps a shutdown from its end, or is cut off by it.
        """
        if isinstance(decision, Refuse):
            return self._refused(head, decision, now), ()
        if not isinstance(decision, Forward | ToMcp):
            return decision, ()
        if self.http.state.refuses:
            refused = refusal(Errors.DRAINING, headers=((b"retry-after", b"1"),))
            return _instead(decision, refused), ()
        return self._let_through(decision, now)

    def _let_through(self, decision: Forward | ToMcp, now: float) -> Admitted:
        """Count a request against its limits, and note its token."""
        left: tuple[Left, ...] = ()
        if decision.limits:
            taken = self.throttles.take(decision.limits)
            if isinstance(taken, Refusal):
                return _instead(decision, taken), ()
            left = taken
        if decision.principal is not None:
            self.used(decision.principal.token_id, now)
        return decision, left

    def _refused(self, head: Head, decision: Refuse, now: float) -> Refuse:
        """Note what is still tried with a token that is over, and count a failed token check."""
        token = decision.ended
        if token is not None and self.refused.is_due(token.id, now):
            self._note_ended(head, token, decision.refusal.reason)
        may_fail = self.throttles.may_fail
        if decision.refusal.kind is not Errors.UNAUTHORIZED.value or may_fail is None:
            return decision
        chain = forwarded_for(head.headers, head.peer.address, self.networks)
        wait = may_fail(source_of(chain, self.networks), now)
        if wait is None:
            return decision
        many = replace(too_many_failures(ceil(wait)), reason=decision.refusal.reason)
        return Refuse(many, decision.place, decision.mcp)

    def _note_ended(self, head: Head, token: Token, reason: str) -> None:
        """Have it told that a token which is over is still used."""
        chain = forwarded_for(head.headers, head.peer.address, self.networks)
        address = client_of(chain, self.networks) or "local"
        use = RefusedUse(token.id, token.shown_name, token.function, reason, address)
        self.refused.note(use)


def _instead(decision: Forward | ToMcp, refused: Refusal) -> Refuse:
    """The refusal of a request that was decided upon, in the form that its asker reads."""
    by = "" if decision.principal is None else decision.principal.token_id
    if isinstance(decision, BridgeAll):
        return Refuse(refused, mcp=True, by=by)
    return Refuse(refused, decision.place, by=by)
