"""One tool call to a function, in callbacks: the request in one piece, the answer gathered.

The handler of an upstream connection. What the client is told, the call itself says.
"""

from collections.abc import Callable
from math import inf

from edge.doors.invoker import broken_off, failed
from edge.errors import Errors, Refusal, refusal
from edge.fast import headwork
from edge.fast.bridged import Bridged
from edge.fast.errand import Errand
from edge.fast.lane import Lane
from edge.forwarding.connection import Connection
from edge.forwarding.forwarder import Call, is_event_stream
from edge.forwarding.parse import InvalidRequest, check_request, framing_line
from edge.forwarding.reader import AnswerReader
from edge.forwarding.wire import FailureKind, RetryRule
from edge.functions import Upstream
from edge.http1 import field_lines
from mcp_bridge.calls import ToolCall
from mcp_bridge.endpoint import Whole
from mcp_bridge.invoking import BROKE
from mcp_bridge.tools import InvocationError


class Calling(Errand):
    """One exchange; `begin` it.

    Args:
        told: given what the client shall be told before the answer; says whether it takes more.
        done: given the answer, once.
    """

    __slots__ = (
        "_asked",
        "_call",
        "_done",
        "_kept",
        "_told",
    )

    def __init__(
        self,
        lane: Lane,
        asked: Call,
        kept: Bridged,
        call: ToolCall,
        told: Callable[[bytes], bool],
        done: Callable[[Whole], None],
    ) -> None:
        reader = AnswerReader(asked.method.encode(), False)
        super().__init__(lane, asked.function, asked.timeout, reader)
        self._asked = asked
        self._kept = kept
        self._call = call
        self._told = told
        self._done = done

    def begin(self) -> None:
        """Send the request."""
        self._set_out()

    def abort(self) -> None:
        """Nobody waits for the answer any more."""
        self._end()

    def client_writable(self) -> None:
        """The client takes bytes again."""
        if self._connection is not None and not self._over:
            self._connection.resume()
            self._expect_more(self._connection)

    def give_up(self, why: Refusal) -> None:
        """See Errand."""
        self._finish(self._call.failed(failed(why)))

    def _finish(self, whole: Whole) -> None:
        if not self._over:
            self._end()
            self._done(whole)

    def _send(self, connection: Connection) -> None:
        try:
            head = self._head(self._asked, self._upstream)
        except InvalidRequest as error:
            self._lane.pool.release(connection, None)
            self.give_up(refusal(Errors.BAD_REQUEST, reason=str(error)))
            return
        body = self._asked.body
        if self._hold(connection, self, head + body if isinstance(body, bytes) else head):
            connection.set_deadline(connection.loop.time() + self._timeout / 1000)

    def _head(self, call: Call, upstream: Upstream) -> bytes:
        """The request's head; raises InvalidRequest."""
        method, body = call.method.encode(), call.body
        line = b"%b %b%b HTTP/1.1" % (method, upstream.base.encode(), call.target)
        check_request(line, call.headers + call.own)
        alike = self._kept.lasting(call, upstream, self._lane.edge_id)
        kept = headwork.kept_lines(alike, call.headers, call.ids) + field_lines(call.own)
        length = len(body) if isinstance(body, bytes) else None
        framing = framing_line(method, length, bodiless=body is None)
        return headwork.request_head(alike, line, kept, call.ids, framing)

    # For the upstream's connection.

    def received(self, data: bytes) -> None:
        """See `connection.Handler`."""
        reader, connection = self._reader, self._connection
        awaiting = reader.head is None
        piece = self._fed(data)
        if piece is None or reader.head is None or connection is None:
            return
        if awaiting:
            self._call.answered(reader.head.status, reader.head.headers)
            if is_event_stream(reader.head.headers):
                self._idle = self._asked.function.config.stream_idle / 1000
        if self._took(piece):
            if reader.complete:
                self._ended_with(connection)
            else:
                self._expect_more(connection)

    def writable(self) -> None:
        """See `connection.Handler`: the request is small, and sent at once."""

    def _took(self, piece: bytes) -> bool:
        """Hand a piece on; False if it ended the call."""
        if not piece:
            return True
        try:
            frames = self._call.received(piece)
        except InvocationError as error:
            self._finish(self._call.failed(error))
            return False
        except Exception as error:
            self._finish(self._broke(error))
            return False
        if frames and not self._told(frames) and self._connection is not None:
            self._connection.pause()
        return not self._over

    def _expect_more(self, connection: Connection) -> None:
        """The silence is the upstream's, unless it is kept from talking."""
        if connection.reading:
            connection.set_deadline(connection.loop.time() + self._idle)
        else:
            connection.deadline = inf

    def _ended_with(self, connection: Connection) -> None:
        self._let_go(connection, sent=True)
        try:
            whole = self._call.finished()
        except Exception as error:
            whole = self._broke(error)
        self._finish(whole)

    def _broke(self, error: Exception) -> Whole:
        """The answer to a call that the edge itself failed: nobody else would give one."""
        self._lane.log(error, self._asked.ids.request_id)
        return self._call.failed(InvocationError("internal", BROKE))

    def _fail(self, kind: FailureKind, detail: str) -> None:
        failure = self._failed(kind, detail)
        method = self._asked.method.encode()
        if self._repeats(failure, method, RetryRule.UNWRITTEN, bodiless=False):
            self._reader = AnswerReader(method, False)
            self._reconnect()
        elif self._reader.head is not None:
            self.give_up(broken_off(failure))
        else:
            self._tell(failure)
