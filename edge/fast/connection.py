"""Requests on one client connection: read strictly, put to the gate, carried out or handed over.

The lane takes what is plain: HTTP/1.1 with no body, a length or a sole `chunked`, forwarded or
answered by the edge itself. Everything else goes to the ASGI lane, unread bytes and all, between
two requests.
"""

import asyncio
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from edge.doors import own_answers
from edge.doors.asgi import UNREAD_SECONDS
from edge.doors.asked import FRESH, Admitted, Asked
from edge.doors.rendering import Rendered
from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.fast.answer_rote import AnswerRote
from edge.fast.bridged import Bridged
from edge.fast.bridging import Bridging
from edge.fast.forward import Forwarding
from edge.fast.headwork import Lasting
from edge.fast.lane import Lane, Passage
from edge.fast.plain import framing, is_for_asgi
from edge.fast.rote import CREDIT, Rote, is_learnable, lasting_decision
from edge.fast.turns import Phase, Turns
from edge.fast.wording import Prepared
from edge.forwarding import plan
from edge.gate.decisions import (
    Answer,
    Decision,
    Forward,
    Open,
    Refuse,
    Repeatable,
    Status,
    ToMcp,
)
from edge.limits import Left
from edge.message import Head, Headers
from edge.server.acceptor import Acceptor
from edge.server.body import RequestBody
from edge.server.heads import END, BadHead, check_unfinished, parse_head
from edge.server.refusals import TOO_MANY_CONNECTIONS
from edge.server.requests import PREFACE

_HTTP2 = PREFACE[: PREFACE.index(END) + len(END)]
"""As much of HTTP/2's beginning as looks like a head; the other lane waits for the rest."""

REMEMBERED = 5.0
"""Seconds for which an idle connection keeps what its last request was."""


class FastConnection(Turns):
    """One client connection on the fast lane."""

    __slots__ = (
        "_credit",
        "_forwarding",
        "_passage",
        "_request",
        "_skipped",
        "_task",
        "answer_credit",
        "answer_rote",
        "bridged",
        "lasting",
        "left",
        "rote",
        "varying",
    )

    def __init__(self, lane: Lane, host: Acceptor) -> None:
        super().__init__(lane, host)
        self.lasting: Lasting | None = None
        self.rote: Rote | None = None
        self.bridged: Bridged | None = None
        self.answer_rote: AnswerRote | None = None
        self.answer_credit = CREDIT
        self.varying: Headers = ()
        self.left: tuple[Left, ...] = ()
        self._credit = -1
        self._skipped = False
        self._request: tuple[Head, Decision, bytes] | None = None
        self._forwarding: Forwarding | Bridging | None = None
        self._passage: Passage | None = None
        self._task: asyncio.Task[None] | None = None

    # For `Client`.

    def opened(self) -> None:
        """See `Client`."""
        tls = self._transport.get_extra_info("ssl_object")
        if self.host.full:
            self._refuse_unread(TOO_MANY_CONNECTIONS)
            return
        self.host.connections.add(self)
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self._hand_over()

    def received(self, data: bytes) -> None:
        """See `Client`."""
        forwarding = self._forwarding
        if forwarding is not None and not self._body.complete:
            self._take_body(forwarding, data)
        elif self._phase is Phase.BUSY:
            self._hold(data)
        elif self._phase is Phase.DROPPING:
            self._drop(data)
        elif self._passage is not None:
            self._passage.client_sent(data)
        else:
            self._held = self._held + data if self._held else data
            self._next()

    def ended(self) -> None:
        """See `Client`: who has not said all by now never will."""
        if self._passage is not None:
            self._passage.client_ended()
        elif self._phase is not Phase.BUSY or not self._body.complete:
            self.finish(unread=False)

    def gone(self) -> None:
        """See `Client`."""
        self._over(whole=self._phase is Phase.TUNNEL)
        if self._task is not None:
            self._task.cancel()
        if self._forwarding is not None:
            self._forwarding.client_left()
            self._forwarding = None
        if self._passage is not None:
            self._passage.client_left()

    def writable(self) -> None:
        """See `Client`."""
        if self._forwarding is not None:
            self._forwarding.client_writable()
        elif self._passage is not None:
            self._passage.client_writable()

    def tick(self, now: float) -> None:
        """See `Client`."""
        waited = now - self._since
        if self._phase is Phase.IDLE and waited > REMEMBERED:
            self.rote = self.answer_rote = self.lasting = self.bridged = None
            self.varying = ()
        if self._forwarding is not None:
            self._forwarding.tick(now)
        elif self._phase is Phase.IDLE and waited > self._lane.keep_alive:
            self.finish(unread=False)
        elif self._phase is Phase.HEAD and waited > self._lane.head:
            self._expire_head()
        elif self._phase is Phase.DROPPING and waited > UNREAD_SECONDS:
            self._send_pending(closes=True)

    # For the request being forwarded.

    def answered(self, *, keep: bool) -> None:
        """The answer has been written, whole; `keep` the connection or end it."""
        self._forwarding = None
        self._end_request(keep=keep and self.may_stay)

    def refuse(self, refused: Refusal) -> None:
        """Answer with an error of the edge's instead of the function's answer."""
        self._forwarding = None
        asked = self._asked()
        if asked is None:
            self._refuse_unread(refused)
        else:
            self._refuse(asked, refused)

    def answer(self, answer: Rendered | Prepared) -> None:
        """Answer from memory instead of with a function's answer."""
        self._forwarding = None
        self._answer(answer)

    def break_off(self) -> None:
        """End the connection so that the answer cannot look whole."""
        self._forwarding = None
        self._over(whole=self._phase is Phase.TUNNEL)
        tunnel = self._phase is Phase.TUNNEL and not self.half_closed
        self.finish(unread=tunnel or not self._body.complete)

    @property
    def draining(self) -> bool:
        """Whether the worker is ending."""
        return self.host.draining

    def switched(self, passage: Passage) -> None:
        """A 101 has been written: hand over what the client has sent since, and all that comes."""
        self._forwarding, self._passage = None, passage
        self._enter(Phase.TUNNEL)
        held, self._held = self._held, b""
        self.resume()
        if held:
            passage.client_sent(held)
        if self.half_closed:
            passage.client_ended()

    # Reading requests.

    def _take_next(self) -> bool:
        """Take one request; False if its head is not whole yet."""
        if not self._skipped and self._held.startswith(b"\r\n"):
            self._skipped = True  # one empty line is let go by (RFC 9112 §2.2)
            self._held = self._held[2:]
            return True
        end = self._held.find(END, max(0, self._scanned - len(END) + 1))
        if end < 0:
            if self._phase is Phase.IDLE:
                self._enter(Phase.HEAD)
            self._check_unfinished()
            return False
        self._scanned = end + len(END)
        self._take(self._held[:end])
        return True

    @property
    def _is_first(self) -> bool:
        """Whether nothing came before what is held: only there may HTTP/2 begin (RFC 9113 §3.3)."""
        return self._request is None and not self._skipped

    def _check_unfinished(self) -> None:
        if self._is_first and _HTTP2.startswith(self._held):
            return
        try:
            check_unfinished(self._held, self._lane.door.settings, self._scanned)
        except EdgeError as error:
            self._refuse_unread(error.refusal)
        self._scanned = len(self._held)

    def _take(self, block: bytes) -> None:
        """One request, whose head is held whole."""
        self._began = monotonic()
        if self.rote is not None:
            if self._repeat(self.rote, block):
                return
            self.rote = None
            self._credit -= 1
        try:
            head = parse_head(block, self.peer, self._lane.door.settings)
        except BadHead as error:
            if self._is_first and self._held.startswith(_HTTP2):
                self._hand_over()
            else:
                self._refuse_unread(error.refusal, error.sent)
            return
        plain = framing(head)
        if plain is None:
            self._hand_over()
            return
        length, self._last = plain
        self._request = None
        self.varying = head.headers
        door = self._lane.door
        now = door.clock()
        decision = door.decide_at_once(head, now)
        if decision is None:
            self._wait(self._decide_later(head, length))
        elif is_for_asgi(head, decision):
            self._hand_over()
        else:
            admitted = self._let_in(head, decision, now)
            self._learn(block, head, lasting_decision(decision, admitted[0]), plain)
            self._carry_out(head, admitted, length)

    def _learn(
        self, block: bytes, head: Head, decision: Decision, plain: tuple[int | None, bool]
    ) -> None:
        if self._credit < 0:
            self._credit = CREDIT  # the first request: whether a second one comes is not known
            return
        if not self._credit or not isinstance(decision, Repeatable):
            return
        if is_learnable(block, head, decision):
            door = self._lane.door
            limit = door.settings.header_block
            self.rote = Rote(block, head, decision, door.view.generation, plain, limit)

    def _repeat(self, rote: Rote, block: bytes) -> bool:
        """Carry a request out that is the last one again; False if it is not, or may not be."""
        varying = rote.varying(block)
        if varying is None:
            return False
        length = rote.length(varying)
        door = self._lane.door
        admitted = None if length == -1 else door.again(rote.head, rote.decision, rote.generation)
        if admitted is None:
            return False
        self._credit = CREDIT
        self._last, self.varying = rote.last, varying
        self._carry_out(rote.head, admitted, length)
        return True

    async def _decide_later(self, head: Head, length: int | None) -> None:
        door = self._lane.door
        decision = await door.decide(head)
        if is_for_asgi(head, decision):
            self._hand_over()
        else:
            self._carry_out(head, self._let_in(head, decision, door.clock()), length)

    def _let_in(self, head: Head, decision: Decision, now: float) -> Admitted:
        decision, left = self._lane.door.let_in(head, decision, now)
        if isinstance(decision, Forward) and plan.loops(head.headers, self._lane.edge_id):
            decision = Refuse(refusal(Errors.LOOP_DETECTED), decision.place)
        return decision, left

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        self._phase = Phase.BUSY  # for which no clock is looked at
        self._task = self.loop.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except EdgeError as error:
            self.refuse(error.refusal)
        except Exception as error:
            asked = self._asked()
            self._lane.log(error, b"-" if asked is None else asked.request_id)
            self.refuse(refusal(Errors.INTERNAL))

    # Carrying out.

    def _carry_out(self, head: Head, admitted: Admitted, length: int | None) -> None:
        decision, self.left = admitted
        fresh = self._lane.random(FRESH)
        self._request = (head, decision, fresh)
        self._begin_request(head, decision)
        self._method = head.method
        self._lane.counts.requests += 1
        self._skipped = False
        data, self._held, self._scanned = self._held[self._scanned :], b"", 0
        if isinstance(decision, ToMcp):
            self._bridge(decision, length, data)
            return
        self.bridged = None
        if isinstance(decision, Forward):
            self._forward(head, decision, length, data, fresh)
        else:
            self._body = RequestBody(length, None)
            self._held = data
            self._answer_own(decision)

    def _asked(self) -> Asked | None:
        """The request that is being answered, as the edge's own answers need it."""
        if self._request is None:
            return None
        head, decision, fresh = self._request
        ids = self.account.ids = plan.ids(self.varying, fresh, self._lane.door.sample)
        return Asked(head, decision, self._lane.door.networks, ids, self.left)

    def _forward(
        self, head: Head, decision: Forward, length: int | None, data: bytes, fresh: bytes
    ) -> None:
        body = self._body = RequestBody(length, decision.place.function.config.body_limit)
        self._begin(Forwarding(self._lane, self, head, decision, body, fresh), body, data)

    def _bridge(self, decision: ToMcp, length: int | None, data: bytes) -> None:
        asked = self._asked()
        if asked is None:
            raise TypeError("no request is being answered")
        body = self._body = RequestBody(length, self._lane.door.mcp.limits.body)
        self._begin(Bridging(self._lane, self, asked, decision, body), body, data)

    def _begin(self, forwarding: Forwarding | Bridging, body: RequestBody, data: bytes) -> None:
        """Let a request begin with what has come of its body."""
        self._phase = Phase.BUSY
        self._forwarding = forwarding
        if body.length == 0:
            self._held = data
            forwarding.begin(b"")
            return
        try:
            piece = body.feed(data)
        except EdgeError as error:
            self._held = body.rest
            self.refuse(error.refusal)
            return
        self._held = body.rest
        if self.half_closed and not body.complete:
            self.finish(unread=False)  # the rest will never come
        else:
            forwarding.begin(piece)

    def _take_body(self, forwarding: Forwarding | Bridging, data: bytes) -> None:
        try:
            piece = self._body.feed(data)
        except EdgeError as error:
            self._held += self._body.rest
            forwarding.give_up(error.refusal)
            return
        if self._body.rest:
            self._hold(self._body.rest)
        forwarding.client_sent(piece)

    def _answer_own(self, decision: Decision) -> None:
        asked = self._asked()
        if asked is None:
            raise TypeError("no request is being answered")
        match decision:
            case Refuse():
                self._refuse(asked, decision.refusal)
            case Answer():
                self._answer(own_answers.at_once(asked, decision))
            case Status():
                draining = self._lane.door.http.state.refuses
                self._answer(own_answers.status(asked, decision, draining=draining))
            case Open():
                self._wait(self._open(asked, decision))
            case _:
                raise TypeError(type(decision))

    def _refuse(self, asked: Asked, refused: Refusal) -> None:
        self.account.refused(refused)
        self._answer(own_answers.refused(asked, refused), closes=refused.kind.closes)

    async def _open(self, asked: Asked, decision: Open) -> None:
        made = await self._lane.documents.render(decision.document, decision.place)
        self._answer(own_answers.document(asked, decision, made))
