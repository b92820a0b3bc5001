"""Whose turn it is on a client connection: reading, answering, letting a body go by.

One request at a time, in the order in which they came; what comes behind the one that is being
answered is held, within bounds. Not here: what a request is, and what is done with it
(`connection`).
"""

from enum import Enum
from time import monotonic, time
from uuid import uuid4

from edge.doors.asgi import UNREAD_BYTES
from edge.doors.rendering import Rendered
from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.events import Account, Unread
from edge.fast.client import Client
from edge.fast.lane import Lane
from edge.fast.wording import Prepared, own_answer
from edge.forwarding.wire import PIECE
from edge.gate.decisions import Decision
from edge.message import Head, Headers
from edge.server.acceptor import Acceptor
from edge.server.body import RequestBody
from edge.server.heads import begun_method
from edge.server.refusals import refuse_raw


class Phase(Enum):
    """What a connection is doing."""

    HEAD = "waiting for a request head, or amid one"
    BUSY = "answering"
    DROPPING = "letting a body go by that nobody wants, before the answer to its request"
    TUNNEL = "relaying a WebSocket"
    IDLE = "between requests"


class Turns(Client):
    """A client connection on which requests take their turns."""

    __slots__ = (
        "_began",
        "_body",
        "_droppable",
        "_held",
        "_lane",
        "_last",
        "_method",
        "_pending",
        "_phase",
        "_reading",
        "_scanned",
        "_since",
        "_untold",
        "account",
    )

    def __init__(self, lane: Lane, host: Acceptor) -> None:
        super().__init__(host)
        self._lane = lane
        self._phase = Phase.HEAD
        self._since = self.loop.time()
        self._held = b""
        self._scanned = 0
        self._reading = False
        self._last = False
        self._method = ""
        self._body = RequestBody(0, None)
        self._pending: Rendered | Prepared | None = None
        self._droppable = 0
        self._began = 0.0
        self._untold = False
        self.account: Account

    def _take_next(self) -> bool:
        """Take one request out of what is held; False if its head is not whole yet."""
        raise NotImplementedError

    # For the worker.

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._phase in (Phase.BUSY, Phase.DROPPING)

    def begin_drain(self, *, succeeded: bool) -> None:
        """Close if idle, unless a successor is there; the next answer will say `close`."""
        if self._phase is Phase.IDLE and not succeeded:
            self.finish(unread=False)

    def close_unless_busy(self) -> None:
        """Close what waits for a request."""
        if not self.busy:
            self.finish(unread=False)

    @property
    def stays(self) -> bool:
        """Whether an answer that begins now leaves the connection open."""
        return self.may_stay and not self.host.draining

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow on the connection, if the answer's head said so."""
        return not (self._last or self.half_closed or self.finishing or self.host.leaving)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()

    def _hold(self, data: bytes) -> None:
        """Keep what comes behind a request that is being answered, within bounds."""
        self._held += data
        if len(self._held) >= PIECE:
            self.pause()

    def _next(self) -> None:
        """Take requests out of what is held, as long as each is answered at once."""
        if self._reading:
            return
        self._reading = True
        try:
            while self._held and self.is_open and self._phase in (Phase.HEAD, Phase.IDLE):
                if not self._take_next():
                    return
        finally:
            self._reading = False

    def _begin_request(self, head: Head, decision: Decision) -> None:
        """A request was taken, and will be over once."""
        self.account = Account("fast", head, decision, self._began)
        self._untold = True

    def _over(self, *, whole: bool) -> None:
        """Have it told that the request is over, unless it has been."""
        if not self._untold:
            return
        self._untold = False
        account = self.account
        account.ended = monotonic()
        account.whole = whole
        if self._body.length != 0:
            account.received = self._body.received
        self._lane.observe(account)

    def _answer(self, answer: Rendered | Prepared, *, closes: bool = False) -> None:
        """Answer from memory; what still comes of the body is let go by, or the connection ends."""
        self._pending = answer
        self._body.let_go()
        closes = closes or (self._body.left or 0) > UNREAD_BYTES
        if self._body.complete or closes:
            self._send_pending(closes=closes)
            return
        self._droppable = UNREAD_BYTES
        self._enter(Phase.DROPPING)
        self.resume()
        held, self._held = self._held, b""
        self._drop(held)

    def _drop(self, data: bytes) -> None:
        """Let a body go by that nobody wants; its answer waits for its end, within bounds."""
        self._droppable -= len(data)
        try:
            self._body.feed(data)
        except EdgeError:
            self._droppable = -1
        if self._body.complete:
            self._held = self._body.rest
            self._send_pending(closes=False)
        elif self._droppable < 0:
            self._send_pending(closes=True)

    def _send_pending(self, *, closes: bool) -> None:
        keep = self.stays and not closes
        if self._pending is not None:
            account = self.account
            account.status = self._pending.status
            account.answered = monotonic()
            if self._method != "HEAD":
                account.sent = len(self._pending.body)
            self.write(own_answer(self._pending, self._method, self.alternatives, keep=keep))
        self._pending = None
        self._end_request(keep=keep)

    def _end_request(self, *, keep: bool) -> None:
        """An answer is out: make ready for the next request, or end the connection."""
        self._over(whole=True)
        if not keep:
            self.finish(unread=not self._body.complete)
            return
        self.resume()
        self._enter(Phase.IDLE)
        if self._held:
            self._next()

    def _expire_head(self) -> None:
        if self._held:
            self._refuse_unread(refusal(Errors.REQUEST_TIMEOUT))
        else:
            self.finish(unread=False)

    def _refuse_unread(self, refused: Refusal, sent: Headers = ()) -> None:
        """Answer what cannot be read as a request, and end the connection."""
        self._lane.observe(Unread(refused.kind.code))
        method = begun_method(self._held)  # of the head that is unread, if one is
        self.write(refuse_raw(refused, str(uuid4()), time(), sent, method))
        self.finish(unread=True)

    def _hand_over(self) -> None:
        self._lane.counts.handed_over += 1
        unread, self._held = self._held, b""  # none of it is this lane's to read any more
        self.give_away(unread)
