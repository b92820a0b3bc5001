"""One request on its way to a function and its answer on the way back, in callbacks alone.

The handler of an upstream connection; a task runs only where a connection must be opened or a
place waited for. Not here: which requests are forwarded (`connection`), and what heads look like
(`heads`).
"""

from collections.abc import Callable, Coroutine
from math import inf
from time import monotonic
from typing import Any

from edge.errors import Errors, Refusal, refusal
from edge.fast import headwork, wording
from edge.fast.body_clock import BodyClock
from edge.fast.errand import Errand
from edge.fast.heads import Heads
from edge.fast.lane import Asker, Lane
from edge.fast.tunnel import Tunnel
from edge.forwarding.connection import Connection
from edge.forwarding.opening import NotAWebSocket, check_accept
from edge.forwarding.parse import Frame, InvalidRequest, ResponseHead
from edge.forwarding.reader import AnswerReader
from edge.forwarding.wire import FailureKind, RetryRule
from edge.gate.decisions import Forward
from edge.message import Head
from edge.server.body import RequestBody
from edge.state.streams import OpenStream


class Forwarding(Errand):
    """One exchange between a client and a function.

    `begin` it; then it is told of what comes from the client (`client_sent`, `client_writable`,
    `client_left`, `tick`) and, as a `connection.Handler`, of what comes from the function.
    """

    __slots__ = (
        "_asker",
        "_body",
        "_chunked",
        "_clock",
        "_decision",
        "_early",
        "_head",
        "_heads",
        "_sent",
        "_started",
        "_stays",
        "_stream",
    )

    def __init__(
        self,
        lane: Lane,
        asker: Asker,
        head: Head,
        decision: Forward,
        body: RequestBody,
        fresh: bytes,
    ) -> None:
        """`fresh` are random bytes as for `plan.ids`."""
        method = head.method.encode()
        reader = AnswerReader(method, head.websocket, self._known)
        super().__init__(lane, decision.place.function, decision.timeout, reader)
        self._asker = asker
        self._head = head
        self._heads = Heads(lane, asker, head, decision, fresh)
        self._decision = decision
        self._body = body
        self._clock: BodyClock | None = None
        self._stream: OpenStream | None = None
        self._early = b""
        self._sent = False
        self._started = False
        self._stays = True
        self._chunked = False

    # For the client's connection.

    def begin(self, piece: bytes) -> None:
        """Send the request, with what has come of its body."""
        if not self._body.complete:
            self._clock = BodyClock(self._lane.pace.idle, self._lane.pace.rate, self._now())
        self._early = piece
        self._asker.account.set_out = monotonic()
        self._set_out()

    def client_sent(self, piece: bytes) -> None:
        """More of the request's body has come."""
        connection = self._connection
        if self._clock is not None:
            self._clock.came(len(piece), self._now())
        if connection is None:
            self._early += piece
        else:
            coded = self._coded(piece)
            if coded:
                connection.write(coded)
            self._after_write(connection)

    def client_writable(self) -> None:
        """The client takes bytes again."""
        if self._connection is not None and not self._over:
            self._connection.resume()
            self._expect_more(self._connection)

    def client_left(self) -> None:
        """Nobody waits for the answer any more."""
        self._end()

    def give_up(self, why: Refusal) -> None:
        """Answer with an error, or break off an answer that has begun."""
        self._end()
        if self._started:
            self._asker.account.refused(why)
            self._asker.break_off()
        else:
            self._asker.refuse(why)

    def tick(self, now: float) -> None:
        """Look at the clock: loop time, seconds."""
        if self._clock is None or self._body.complete:
            return
        connection = self._connection
        if connection is None or connection.congested:
            self._clock.excuse(now)
        elif self._clock.too_slow(now):
            self.give_up(refusal(Errors.REQUEST_TIMEOUT))

    # Sending.

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        if not self._body.complete:
            self._asker.pause()
        super()._wait(work)

    def _send(self, connection: Connection) -> None:
        try:
            head = self._heads.request(self._upstream, self._body)
        except InvalidRequest as error:
            self._lane.pool.release(connection, None)
            self.give_up(refusal(Errors.BAD_REQUEST, reason=str(error)))
            return
        if not self._hold(connection, self, head + self._coded(self._early)):
            return
        self._asker.resume()
        self._early = b""
        self._after_write(connection)

    def _coded(self, piece: bytes) -> bytes:
        """A piece of the request's body as it is sent, with what ends the body if it is whole."""
        if self._body.length is not None:
            return piece
        coded = wording.chunk(piece) if piece else b""
        return coded + wording.LAST_CHUNK if self._body.complete else coded

    def _after_write(self, connection: Connection) -> None:
        if self._body.complete:
            self._sent = True
            self._clock = None
        elif connection.congested:
            self._asker.pause()
        if self._reader.head is not None:
            self._expect_more(connection)
        elif self._sent or connection.congested:
            connection.set_deadline(connection.loop.time() + self._timeout / 1000)
        else:
            connection.deadline = inf

    # For the upstream's connection.

    def received(self, data: bytes) -> None:
        """See `connection.Handler`."""
        reader, connection = self._reader, self._connection
        awaiting = reader.head is None
        piece = self._fed(data)
        if piece is None or reader.head is None or reader.frame is None or connection is None:
            return
        if awaiting and reader.head.status == 101:
            self._switch(connection, reader.head, reader.rest)
            return
        out = self._begin_answer(reader.head, reader.frame) if awaiting else b""
        if piece:
            self._asker.account.sent += len(piece)
            out += wording.chunk(piece) if self._chunked else piece
        if reader.complete:
            self._complete(connection, out)
        else:
            if out:
                self._asker.write(out)
            self._expect_more(connection)

    def writable(self) -> None:
        """See `connection.Handler`."""
        connection = self._connection
        if connection is None or self._over:
            return
        if self._clock is not None:
            self._clock.excuse(connection.loop.time())
        self._asker.resume()
        if self._reader.head is None and not self._sent:
            connection.deadline = inf

    def end_stream(self) -> None:
        """The stream's token, or its function, is over."""
        self._end()
        self._asker.break_off()
        self._asker.cut_soon()

    # Answering.

    def _begin_answer(self, head: ResponseHead, frame: Frame) -> bytes:
        self._started = True
        account = self._asker.account
        account.status = head.status
        account.answered = monotonic()
        # A body that is still coming is let go by; where the next request begins is then open.
        self._stays = self._asker.stays and self._body.complete
        block, answer = self._heads.answer(self._upstream, head, frame, self._reader.raw)
        self._chunked = answer.chunked
        if answer.event_stream:
            self._idle = self._stream_idle
            self._hold_stream(self.end_stream)
        return block + (b"\r\n\r\n" if self._stays else headwork.CLOSE + b"\r\n\r\n")

    def _known(self, raw: bytes) -> tuple[ResponseHead, Frame] | None:
        rote = self._heads.known(self._upstream)
        return None if rote is None else rote.again(raw)

    @property
    def _stream_idle(self) -> float:
        return self._decision.place.function.config.stream_idle / 1000

    def _hold_stream(self, end: Callable[[], None]) -> None:
        self._stream = OpenStream(self._head, self._decision.until, end)
        self._lane.streams.add(self._stream)

    def _expect_more(self, connection: Connection) -> None:
        if self._asker.congested:
            connection.pause()
            # The silence is ours now, not the upstream's.
            connection.deadline = inf
        elif self._reader.head is not None:
            connection.set_deadline(connection.loop.time() + self._idle)

    def _ended_with(self, connection: Connection) -> None:
        self._complete(connection, b"")

    def _complete(self, connection: Connection, out: bytes) -> None:
        self._let_go(connection, sent=self._sent)
        self._end()
        self._asker.write(out + wording.LAST_CHUNK if self._chunked else out)
        self._asker.answered(keep=self._stays)

    def _switch(self, connection: Connection, head: ResponseHead, first: bytes) -> None:
        """Open the tunnel that the function's 101 promises, if it proves that it means this one."""
        try:
            check_accept(head.headers, self._head.headers)
        except NotAWebSocket as error:
            self._fail("invalid", str(error))
            return
        tunnel = Tunnel(connection, self._asker, self._stream_idle, self._end)
        self._connection = None
        self._hold_stream(tunnel.end)
        account = self._asker.account
        account.status = head.status
        account.answered = monotonic()
        self._asker.write(self._heads.switching(self._upstream, head))
        tunnel.begin(first)

    # Failing.

    def _fail(self, kind: FailureKind, detail: str) -> None:
        failure = self._failed(kind, detail)
        method, bodiless = self._heads.method, self._body.length == 0
        if self._repeats(failure, method, RetryRule.SAFE, bodiless=bodiless):
            self._reader = AnswerReader(method, self._head.websocket, self._known)
            self._reconnect()
        else:
            self._tell(failure)

    def _end(self) -> None:
        if self._stream is not None and not self._over:
            self._lane.streams.remove(self._stream)
        super()._end()
