"""One request to `/mcp` on the fast lane: its message gathered, judged, and answered.

A common call is carried out in callbacks, a stream of changes is a record, and a task runs only for
what the SDK answers. What is answered, the bridge says.
"""

import asyncio
from collections.abc import Coroutine
from time import monotonic
from typing import Any, Protocol

from edge.doors.asked import Asked
from edge.doors.invoker import Served
from edge.doors.mcp_streams import Stream
from edge.doors.own_answers import dressed
from edge.doors.rendering import Rendered
from edge.errors import EdgeError, Errors, Refusal, body_too_large, refusal
from edge.events import Account
from edge.fast import wording
from edge.fast.body_clock import BodyClock
from edge.fast.bridged import Bridged, bridged
from edge.fast.calling import Calling
from edge.fast.lane import Lane
from edge.fast.wording import Prepared
from edge.gate.decisions import Bridge, ToMcp
from edge.message import Headers
from edge.server.body import RequestBody
from edge.state.streams import OpenStream
from mcp_bridge.calls import COMMENT_EVERY, STREAM_AFTER, ToolCall
from mcp_bridge.endpoint import McpRequest, Whole
from mcp_bridge.event_stream import COMMENT, FIELDS, event
from mcp_bridge.judging import Outcome, Waited
from mcp_bridge.tools import InvocationError
from mcp_bridge.watching import Watch


class McpAsker(Protocol):
    """The client's connection, as a request to `/mcp` needs it; see `lane.Asker`.

    Attributes:
        bridged: what its last request to `/mcp` was, or None.
        account: of the request.
        loop: the one that it runs on; asking which one runs costs a system call.
    """

    bridged: Bridged | None
    account: Account
    alternatives: Headers
    loop: asyncio.AbstractEventLoop

    @property
    def congested(self) -> bool: ...

    @property
    def draining(self) -> bool: ...

    @property
    def stays(self) -> bool: ...

    def write(self, data: bytes) -> None: ...

    def resume(self) -> None: ...

    def answer(self, answer: Rendered | Prepared) -> None:
        """Answer from memory; the request is over."""
        ...

    def answered(self, *, keep: bool) -> None: ...

    def refuse(self, refused: Refusal) -> None: ...

    def break_off(self) -> None: ...

    def cut_soon(self) -> None: ...


class Bridging:
    """One request; the client's connection tells it what `forward.Forwarding` is told."""

    __slots__ = (
        "_asked",
        "_asker",
        "_body",
        "_call",
        "_calling",
        "_clock",
        "_decision",
        "_keep",
        "_kept",
        "_lane",
        "_over",
        "_pieces",
        "_record",
        "_since",
        "_started",
        "_stream",
        "_task",
        "_ticket",
    )

    def __init__(
        self, lane: Lane, asker: McpAsker, asked: Asked, decision: ToMcp, body: RequestBody
    ) -> None:
        self._lane = lane
        self._asker = asker
        self._asked = asked
        self._decision = decision
        self._kept = asker.bridged = bridged(asked, decision, asker.bridged)
        self._body = body
        self._pieces: list[bytes] = []
        self._clock: BodyClock | None = None
        self._since = 0.0
        self._started = False
        self._keep = True
        self._over = False
        self._call: ToolCall | None = None
        self._calling: Calling | None = None
        self._ticket = 0
        self._stream: Stream | None = None
        self._record: OpenStream | None = None
        self._task: asyncio.Task[None] | None = None

    # For the client's connection.

    def begin(self, piece: bytes) -> None:
        """Take what has come of the message."""
        limit = self._lane.door.mcp.limits.body
        if self._body.length is not None and self._body.length > limit:
            self.give_up(body_too_large(limit))
            return
        self.client_sent(piece)

    def client_sent(self, piece: bytes) -> None:
        """More of the message has come."""
        self._pieces.append(piece)
        if self._body.complete:
            self._clock = None
            self._judge()
        elif self._clock is None:
            self._asker.resume()  # while the gate decided, much may have come, and been held up
            self._clock = BodyClock(
                self._lane.pace.idle, self._lane.pace.rate, self._asker.loop.time()
            )
        else:
            self._clock.came(len(piece), self._asker.loop.time())

    def client_writable(self) -> None:
        """The client takes bytes again."""
        if self._calling is not None:
            self._calling.client_writable()

    def client_left(self) -> None:
        """Nobody waits for the answer any more: that cancels a call (MCP 2026-07-28)."""
        self._close()

    def give_up(self, why: Refusal) -> None:
        """Answer with an error, or break off an answer that has begun."""
        if self._over:
            return
        self._close()
        if self._started:
            self._asker.account.refused(why)
            self._asker.break_off()
        else:
            self._asker.refuse(why)

    def tick(self, now: float) -> None:
        """Look at the clock: loop time, seconds."""
        if self._clock is not None:
            if self._clock.too_slow(now):
                self.give_up(refusal(Errors.REQUEST_TIMEOUT))
            return
        silent = now - self._since
        if self._started:
            if (self._call or self._stream) and silent > COMMENT_EVERY:
                self._write(COMMENT)
        elif self._call and silent > STREAM_AFTER and self._call.turn_to_stream():
            self._stream_call()

    # Judging.

    def _judge(self) -> None:
        door, kept, asked, decision = self._lane.door.mcp, self._kept, self._asked, self._decision
        request = door.request(asked, kept.head, b"".join(self._pieces))
        self._pieces.clear()
        try:
            served = door.at_once(asked, decision, request, kept.served)
            if isinstance(decision, Bridge):
                kept.served = served
            if served is None:
                self._run(self._judge_later(request))
            else:
                self._carry_out(served, request, self._judged(served, request))
        except Exception as error:
            self._broke(error)

    def _judged(self, served: Served, request: McpRequest) -> Outcome:
        return self._lane.door.mcp.bridge.judge(served.endpoint, request)

    async def _judge_later(self, request: McpRequest) -> None:
        served = await self._lane.door.mcp.served(self._asked, self._decision, request)
        self._task = None
        self._carry_out(served, request, self._judged(served, request))

    def _carry_out(self, served: Served, request: McpRequest, outcome: Outcome) -> None:
        self._asked = served.told(self._asked)
        account = self._asker.account
        account.mcp_method = request.asked_method
        match outcome:
            case Whole():
                self._finish(outcome)
            case ToolCall():
                self._begin_call(served, outcome)
            case Watch():
                self._watch(outcome)
            case _:
                self._run(self._answer(served, request, outcome))

    async def _answer(self, served: Served, request: McpRequest, outcome: Waited) -> None:
        bridge = self._lane.door.mcp.bridge
        self._finish(await bridge.answer(served.endpoint, served.invoker, request, outcome))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._asker.loop.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._broke(error)

    def _broke(self, error: Exception) -> None:
        """What should have given an answer gave none."""
        if isinstance(error, EdgeError):
            self.give_up(error.refusal)
        else:
            self._lane.log(error, self._asked.request_id)
            self.give_up(refusal(Errors.INTERNAL))

    # A call.

    def _begin_call(self, served: Served, call: ToolCall) -> None:
        try:
            asked = served.invoker.call(call.request)
        except InvocationError as error:
            self._finish(call.failed(error))
            return
        self._since = self._asker.loop.time()
        self._asker.account.called(call.tool, call.request.headers, monotonic())
        self._call = call
        session = call.asking.session
        if session is not None:
            calls = self._lane.door.mcp.bridge.calls
            self._ticket = calls.add(session, call.asking.id, self._cancel)
        if call.streaming:
            self._stream_call()
        self._calling = Calling(self._lane, asked, self._kept, call, self._told, self._finish)
        self._calling.begin()

    def _stream_call(self) -> None:
        """The answer is a stream from here on, which ends with its token as any does."""
        self._start()
        self._record = OpenStream(self._asked.head, self._decision.until, self._forbid)
        self._lane.streams.add(self._record)

    def _forbid(self) -> None:
        """The call may go on no longer, unless it is a drain that wants it to finish soon."""
        if not self._asker.draining:
            self._close()
            self._asker.break_off()
            self._asker.cut_soon()

    def _told(self, frames: bytes) -> bool:
        self._write(frames)
        return not self._asker.congested

    def _cancel(self) -> None:
        if self._call is not None:
            self._finish(self._call.cancelled())

    # A stream of changes; fulfils `mcp_streams.Out`.

    def _watch(self, watch: Watch) -> None:
        door = self._lane.door.mcp
        self._start()
        self._stream = Stream(door.streams, self._asked, self._decision, watch, self, door.digest)
        self._stream.begin()

    def write(self, data: bytes) -> None:
        """See Out."""
        self._write(data)

    def end_in_order(self, final: bytes) -> None:
        """See Out."""
        if not self._over:
            if final:
                self._write(final)
            self._end_stream()

    # Answering.

    def _start(self) -> None:
        self._started = True
        account = self._asker.account
        account.status = 200
        account.answered = monotonic()
        self._since = self._asker.loop.time()
        self._keep = self._asker.stays
        every = dressed(self._asked, FIELDS, checked=self._decision.checked)
        closes = () if self._keep else (wording.CLOSE,)
        more = (*self._asker.alternatives, *closes)
        head = (*every, (b"transfer-encoding", b"chunked"), *more)
        self._asker.write(wording.answer_head(200, b"", head))

    def _write(self, data: bytes) -> None:
        self._since = self._asker.loop.time()
        self._asker.account.sent += len(data)
        self._asker.write(wording.chunk(data))

    def _finish(self, whole: Whole) -> None:
        """The answer is there."""
        if self._over:
            return
        self._asker.account.tool_failed = whole.tool_failed
        if self._started:
            self._write(event(whole.body))
            self._end_stream()
            return
        self._close()
        if whole.status == 200 and whole.body and not whole.headers:
            self._asker.answer(self._kept.prepared(self._asked, whole))
            return
        fields = dressed(self._asked, whole.fields, checked=self._decision.checked)
        self._asker.answer(Rendered(whole.status, fields, whole.body))

    def _end_stream(self) -> None:
        self._close()
        self._asker.write(wording.LAST_CHUNK)
        self._asker.answered(keep=self._keep)

    def _close(self) -> None:
        """Give back everything that is held."""
        if self._over:
            return
        self._over = True
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._calling is not None:
            self._calling.abort()
        if self._stream is not None:
            self._stream.leave()
        if self._record is not None:
            self._lane.streams.remove(self._record)
        if self._call is not None and self._call.asking.session is not None:
            calls = self._lane.door.mcp.bridge.calls
            calls.remove(self._call.asking.session, self._call.asking.id, self._ticket)
