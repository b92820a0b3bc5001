"""One request as the doors carry it: its head, and the ids and address that go with it. Pure."""

from typing import NamedTuple, Self

from edge import cors, headers, limits
from edge.forwarding import plan
from edge.functions import Cors
from edge.gate.decisions import BridgeAll, Decision, Place, Refuse, place_of
from edge.limits import Left
from edge.message import Head, Headers, Ids

FRESH = 40
"""Random bytes that one request may need."""

Admitted = tuple[Decision, tuple[Left, ...]]
"""What was decided about a request that was let in, and what its rate limits have left."""

_ANYBODY = Cors()
"""CORS for answers that are no function's, so that a page can read the error."""


class Asked(NamedTuple):
    """A request that was decided.

    Attributes:
        networks: `trusted_proxies`.
        ids: the caller's or fresh ones, the same wherever they are named; those that the head
            brings may be an equal one's from before.
        left: of the rate limits that it counts against.
    """

    head: Head
    decision: Decision
    networks: headers.Networks
    ids: Ids
    left: tuple[Left, ...] = ()

    @classmethod
    def of(cls, head: Head, admitted: Admitted, networks: headers.Networks, ids: Ids) -> Self:
        """A request as it was admitted."""
        decision, left = admitted
        return cls(head, decision, networks, ids, left)

    @property
    def request_id(self) -> bytes:
        """The caller's `X-Request-Id` or a fresh UUID."""
        return self.ids.request_id

    @property
    def place(self) -> Place | None:
        """The function asked for, if there is one."""
        return place_of(self.decision)

    @property
    def speaks_mcp(self) -> bool:
        """Whether an MCP endpoint was asked."""
        decision = self.decision
        if isinstance(decision, BridgeAll) or (isinstance(decision, Refuse) and decision.mcp):
            return True
        return self.place is not None and self.place.path == b"/mcp"

    def caller(self, place: Place) -> plan.Caller:
        """Who is asking, as a function is told."""
        return plan.caller(self.head, place.authority, place.prefix, self.networks)

    @property
    def cors(self) -> Headers:
        """The CORS fields of an answer that the edge makes itself."""
        place = self.place
        settings = place.function.config.cors if place else _ANYBODY
        return cors.answer(settings, self.head.headers)

    @property
    def common(self) -> Headers:
        """The fields of every answer that the edge makes itself."""
        return (*self.cors, (b"x-request-id", self.request_id), *self.limits)

    @property
    def limits(self) -> Headers:
        """The fields that tell of rate limits."""
        return limits.fields(self.left)
