"""What a request to `/mcp` was found to be, kept for the next one that has the same head.

A connection keeps one. It holds for requests that are carried out by the very decision that it was
made for, which `rote` sees to: there, a stale one is compared with the store.
"""

from edge.doors.asgi import date_now
from edge.doors.asked import Asked
from edge.doors.invoker import Served
from edge.doors.own_answers import dressed
from edge.fast import headwork
from edge.fast.headwork import Lasting
from edge.fast.wording import Prepared, begun_head
from edge.forwarding.forwarder import Call
from edge.functions import Upstream
from edge.gate.decisions import ToMcp
from edge.http1 import field_lines
from mcp_bridge.admission import McpHead
from mcp_bridge.endpoint import Whole

_DIFFERING = frozenset({b"content-length", b"x-request-id", b"ratelimit", b"ratelimit-policy"})
"""Fields of plain answers that differ from one to the next; besides, they have the date."""


class Bridged:
    """One such request.

    Attributes:
        decision: for whose requests it holds.
        alike: what lasted in the last call, if there was one.
        head: as the bridge reads it, its ids and its length apart.
        served: the function and the caller, but for the ids; None if they depend on the message.
    """

    __slots__ = ("_plain", "alike", "decision", "head", "served")

    def __init__(self, asked: Asked, decision: ToMcp, alike: Lasting | None) -> None:
        """`alike` is what lasted in earlier calls on the connection, whosever they were."""
        self.head = McpHead(asked.head.method, asked.head.headers)
        self.served: Served | None = None
        self._plain: bytes | None = None
        self.decision = decision
        self.alike = alike

    def prepared(self, asked: Asked, whole: Whole) -> Prepared:
        """An answer of status 200 that has a body and no fields of its own."""
        if self._plain is None:
            fields = dressed(asked, whole.fields, checked=self.decision.checked)
            alike = tuple(pair for pair in fields if pair[0] not in _DIFFERING)
            self._plain = begun_head(200, b"", alike)
        head = b"%b\r\ncontent-length: %d\r\nx-request-id: %b\r\ndate: %b%b"
        limits = field_lines(asked.limits) if asked.left else b""
        named = (self._plain, len(whole.body), asked.request_id, date_now(), limits)
        return Prepared(head % named, whole.body)

    def lasting(self, call: Call, upstream: Upstream, edge_id: str) -> Lasting:
        """What lasts from call to call of its caller."""
        who, alike = call.caller, self.alike
        if (
            alike is None
            or not alike.fits(call.function.live, call.principal, upstream)
            or not (alike.who is who or alike.who == who)
        ):
            alike = self.alike = headwork.lasting(
                who, call.function, call.principal, upstream, call.trigger, edge_id
            )
        return alike


def bridged(asked: Asked, decision: ToMcp, before: Bridged | None) -> Bridged:
    """What is known of a request, given what its connection remembers."""
    if before is not None and before.decision is decision:
        return before
    return Bridged(asked, decision, None if before is None else before.alike)
