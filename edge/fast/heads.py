"""The heads of one exchange: the request's to the function, the answer's to the client."""

from edge import limits
from edge.doors.asgi import date_now
from edge.fast import headwork, wording
from edge.fast.answer_rote import AnswerRote, is_learnable
from edge.fast.headwork import AnswerHead, Asking, Lasting
from edge.fast.lane import MOST_LASTING, Asker, Lane
from edge.fast.rote import CREDIT
from edge.forwarding import plan
from edge.forwarding.parse import Frame, ResponseHead, framing_line, serialise
from edge.functions import Upstream
from edge.gate.decisions import Forward
from edge.headers import is_trusted
from edge.http1 import field_lines
from edge.message import Head
from edge.server.body import RequestBody


class Heads:
    """Makes them, with what lasts from one request of a client to the next.

    Attributes:
        method: the request's, as bytes.
    """

    __slots__ = (
        "_alike",
        "_asker",
        "_decision",
        "_head",
        "_ids",
        "_lane",
        "_limits",
        "_rote",
        "method",
    )

    def __init__(
        self, lane: Lane, asker: Asker, head: Head, decision: Forward, fresh: bytes
    ) -> None:
        """`fresh` are random bytes as for `plan.ids`."""
        self._rote = asker.rote
        self._limits = limits.fields(asker.left)
        self._alike: Lasting | None = None
        self.method = head.method.encode()
        self._lane = lane
        self._asker = asker
        self._head = head
        self._decision = decision
        self._ids = asker.account.ids = plan.ids(asker.varying, fresh, lane.door.sample)

    def request(self, upstream: Upstream, body: RequestBody) -> bytes:
        """The request's head, with the empty line that ends it.

        Raises:
            InvalidRequest: it cannot be written without changing its meaning.
        """
        target = self._decision.place.target
        if target != b"*":
            target = upstream.base.encode() + target
        if self._head.websocket:
            return self._handshake(upstream, target)
        length = body.length
        framing = framing_line(self.method, length, bodiless=length == 0)
        line = b"%b %b HTTP/1.1" % (self.method, target)
        alike = self._lasting(upstream)
        return headwork.request_head(alike, line, self._kept(alike), self._ids, framing)

    def _kept(self, alike: Lasting) -> bytes:
        """The caller's lines: those of the request before, where this is that one again."""
        rote = self._rote
        if rote is None:
            return headwork.kept_lines(alike, self._head.headers, self._ids)
        kept, continued = rote.kept, self._ids.continued
        if kept is None or kept[0] is not alike or kept[1] is not continued:
            block = headwork.kept_lines(alike, self._head.headers, self._ids)
            kept = rote.kept = (alike, continued, block)
        return kept[2]

    def known(self, upstream: Upstream) -> AnswerRote | None:
        """The answer before, if the one to this request may be the same again."""
        rote = self._asker.answer_rote
        if rote is None or not rote.fits(
            self._lasting(upstream), self._head.method, checked=self._decision.checked
        ):
            return None
        return rote

    def answer(
        self, upstream: Upstream, answered: ResponseHead, frame: Frame, raw: bytes
    ) -> tuple[bytes, AnswerHead]:
        """The answer's head up to its `Connection`, and what it was made from.

        `raw` is its bytes, empty if it is the answer before again.
        """
        rote = self._asker.answer_rote
        if raw or rote is None:
            head = self._head
            alike, checked = self._lasting(upstream), self._decision.checked
            asking = Asking(alike, head.headers, head.method, checked)
            made = headwork.answer_head(asking, answered, frame, date_now())
            self._learn(raw, asking, answered, frame, made)
            return self._named(made.block), made
        self._asker.answer_credit = CREDIT
        block = rote.made.block + field_lines(rote.varying)
        if not rote.dated:
            block += b"\r\ndate: " + date_now()
        return self._named(block), rote.made

    def _learn(
        self, raw: bytes, to: Asking, answered: ResponseHead, frame: Frame, made: AnswerHead
    ) -> None:
        asker = self._asker
        if asker.answer_rote is not None:
            asker.answer_rote = None
            asker.answer_credit -= 1
        if asker.rote is not None and asker.answer_credit and is_learnable(raw, to, frame, made):
            asker.answer_rote = AnswerRote(raw, to, answered, frame)

    def _named(self, block: bytes) -> bytes:
        named = b"%b\r\nx-request-id: %b" % (block, self._ids.request_id)
        if self._limits:
            named += field_lines(self._limits)
        if self._asker.alternatives:
            named += field_lines(self._asker.alternatives)
        return named

    def switching(self, upstream: Upstream, answered: ResponseHead) -> bytes:
        """The head of a 101, with the empty line that ends it."""
        fields = plan.answer_headers(
            self._head.headers,
            answered.headers,
            self._ids.request_id,
            self._caller(),
            self._decision.place.function,
            upstream,
            checked=self._decision.checked,
        )
        fields = wording.switching(fields + self._limits)
        return wording.answer_head(101, answered.reason, fields)

    def _handshake(self, upstream: Upstream, target: bytes) -> bytes:
        fields = plan.request_headers(
            self._head.headers,
            self._ids,
            self._caller(),
            self._decision.place.function,
            upstream,
            self._decision.principal,
            "http",
            self._lane.edge_id,
            upgrade=True,
        )
        return serialise(self.method, target, fields, None, bodiless=True)

    def _caller(self) -> plan.Caller:
        place, networks = self._decision.place, self._lane.door.networks
        return plan.caller(self._head, place.authority, place.prefix, networks)

    def _lasting(self, upstream: Upstream) -> Lasting:
        """What lasts of this caller, found once for each upstream that is tried."""
        if self._alike is None or self._alike.upstream is not upstream:
            self._alike = self._find(upstream)
        return self._alike

    def _find(self, upstream: Upstream) -> Lasting:
        kept = self._asker.lasting
        if kept is not None and (self._served(kept, upstream) or self._fits(kept, upstream)):
            return kept
        if is_trusted(self._head.peer.address, self._lane.door.networks):
            return self._made(upstream)  # what a trusted proxy says may differ the next time
        shared, key = self._lane.lasting, self._key(upstream)
        known = shared.get(key)
        if known is None or not self._fits(known, upstream):
            if len(shared) >= MOST_LASTING:
                shared.clear()
            known = shared[key] = self._made(upstream)
        self._asker.lasting = known
        return known

    def _served(self, alike: Lasting, upstream: Upstream) -> bool:
        """Whether this is the request again for which it was found last."""
        rote = self._rote
        if rote is None or rote.kept is None:
            return False
        return rote.kept[0] is alike and alike.upstream is upstream

    def _fits(self, alike: Lasting, upstream: Upstream) -> bool:
        place, principal, who = self._decision.place, self._decision.principal, alike.who
        same = who.authority == place.authority and who.prefix == place.prefix
        return same and alike.fits(place.function.live, principal, upstream)

    def _made(self, upstream: Upstream) -> Lasting:
        function, principal = self._decision.place.function, self._decision.principal
        edge_id = self._lane.edge_id
        return headwork.lasting(self._caller(), function, principal, upstream, "http", edge_id)

    def _key(self, upstream: Upstream) -> tuple[object, ...]:
        """What `Lasting` depends on, as far as `fits` does not judge it too."""
        place, principal, peer = self._decision.place, self._decision.principal, self._head.peer
        return (
            place.function.live.id,
            None if principal is None else principal.token_id,
            place.authority,
            place.prefix,
            upstream.key,
            upstream.base,
            peer.address,
            peer.scheme,
        )
