"""What happens to requests and their connections: a closed set of values. Pure.

Call sites say what happened, nothing else; what becomes of it, observers decide (`edge.observe`).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from edge.errors import Refusal
from edge.functions import EDGE
from edge.gate.decisions import BridgeAll, Decision, place_of
from edge.headers import traceparent
from edge.message import Head, Headers, Ids

LaneName = Literal["fast", "asgi"]


class Account:
    """One request: written while it goes on, told once it is over.

    One object for the hot path's sake: defaults stand on the class, so that a request pays for
    what happens to it alone. Observers only read it, and keep nothing of its head, which holds
    the caller's token.

    Attributes:
        began, set_out, answered, ended: monotonic seconds: the head was read, it set out to its
            function, the answer's head began, all was over; 0 for what never was.
        ids: None for a request that was over before it needed any.
        status: of the answer that was begun; 0 if none was.
        code: of the edge's error that was answered, or for which an answer was cut
            (docs/errors.md); empty for none.
        fault: whose that error is, empty for none.
        reason: why, where the client is not told.
        whole: whether the answer was sent to its end.
        received, sent: bytes of the bodies, as far as they came and went; of a WebSocket none.
        mcp_method: of the message that was sent to `/mcp`, as the client wrote it.
        tool: that was called; only one that exists.
        tool_trace: the `traceparent` that the call carries in `_meta`, if it does and is recorded.
        tool_failed: whether its result says `isError`; None where that is not known.
    """

    ids: Ids | None = None
    set_out = 0.0
    answered = 0.0
    ended = 0.0
    status = 0
    code = ""
    fault = ""
    reason = ""
    whole = False
    received = 0
    sent = 0
    mcp_method = ""
    tool = ""
    tool_trace: bytes | None = None
    tool_failed: bool | None = None

    def __init__(self, lane: LaneName, head: Head, decision: Decision, began: float) -> None:
        self.lane = lane
        self.head = head
        self.decision = decision
        self.began = began

    def __repr__(self) -> str:
        return f"<Account of {self.head.method} for {self.function!r}: {self.status} {self.code}>"

    @property
    def function(self) -> str:
        """The slug of the one that was asked, `edge` at the edge's own `/mcp`, or nothing."""
        place = place_of(self.decision)
        if place is not None:
            return place.function.slug
        return EDGE if isinstance(self.decision, BridgeAll) else ""

    def called(self, tool: str, fields: Headers, now: float) -> None:
        """A tool is called by a request with these fields."""
        self.tool = tool
        if self.ids is not None and self.ids.traced:
            self.tool_trace = traceparent(fields)
        self.set_out = now

    def refused(self, refused: Refusal) -> None:
        """The edge answers with an error of its own."""
        self.code = refused.kind.code
        self.fault = refused.kind.fault
        self.reason = refused.reason


class Unread(NamedTuple):
    """What came could not be taken for a request, and ended its connection.

    Attributes:
        code: of the error that was answered.
    """

    code: str


class CutOff(NamedTuple):
    """A connection was ended for what its client did, without an answer.

    Attributes:
        why: `flood`: frames that ask for nothing; `slow_reader`: took no byte of what waited for
            it.
    """

    why: Literal["flood", "slow_reader"]


class CronRan(NamedTuple):
    """A run of a schedule is over.

    Attributes:
        run: its id.
        state: `ok`, `error`, or `unknown` if it was cut.
        status: of the function's answer, or None.
        seconds: from when it was sent to the answer's end.
    """

    function: str
    run: str
    state: str
    status: int | None
    code: str
    seconds: float


Event = Account | Unread | CutOff | CronRan
Observe = Callable[[Event], None]


def unobserved(event: Event) -> None:
    """What observes nothing: connections of the management API are nobody's traffic."""
