"""One `tools/call` from its message to its answer, without I/O.

The request that it makes, what comes of the function's answer, what the client is told meanwhile.

Whoever carries it out sends `request`, tells what comes, and writes what it is given.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.event_stream import event
from mcp_bridge.events import EventReader, EventsTooLarge, stream_kind
from mcp_bridge.fields import is_forwardable
from mcp_bridge.jsonrpc import RequestId, failure, success
from mcp_bridge.jsontext import dump
from mcp_bridge.listing import complete
from mcp_bridge.literal import MEDIA_TYPE, MISSING_CAPABILITY, InputRequired, read_literal
from mcp_bridge.progress import Outcome, StreamResult, progress_frame
from mcp_bridge.requests import ArgumentError, build
from mcp_bridge.results import Result, error_result, interpret, media_type, unlike_promised
from mcp_bridge.revisions import is_stateless
from mcp_bridge.rounds import CannotAsk, Round
from mcp_bridge.state import StateError
from mcp_bridge.targets import Target, invalid
from mcp_bridge.tools import InvocationError, ToolRequest, ToolResponse
from mcp_bridge.traces import trace_fields

CANCELLED = -32800
"""JSON-RPC code of a call that its client cancelled, as the SDK says it."""

STREAM_AFTER = 10.0
"""Seconds after which the answer of a call that is still going on becomes a stream."""

COMMENT_EVERY = 15.0
"""Seconds between two comments in a stream that has nothing to say."""


class Asking(NamedTuple):
    """How a call was asked for.

    Attributes:
        progress_token: where the client wants to be told of progress, else None.
        may_stream: whether the client takes an event stream.
        session: nonce of the session that the call belongs to, or None.
        round: what the client can be asked back, on the stateless revision.
    """

    id: RequestId
    revision: str
    progress_token: str | int | None = None
    may_stream: bool = True
    session: str | None = None
    round: Round | None = None


class ToolCall:
    """A call whose arguments are good.

    Attributes:
        request: what the function shall be asked.
        streaming: whether the answer is an event stream: from the start if the client asked for
            progress, else once `turn_to_stream` was called.
    """

    __slots__ = (
        "_endpoint",
        "_entry",
        "_events",
        "_is_literal",
        "_limit",
        "_pieces",
        "_response",
        "_size",
        "_stream",
        "asking",
        "request",
        "streaming",
    )

    def __init__(
        self, endpoint: Endpoint, target: Target, request: ToolRequest, asking: Asking, limit: int
    ) -> None:
        """`limit` is bytes of the function's answer."""
        self.request = request
        self.asking = asking
        self.streaming = asking.may_stream and asking.progress_token is not None
        self._endpoint = endpoint
        self._entry = target.entry
        self._limit = limit
        self._response = ToolResponse(0, (), b"")
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_literal = False
        self._events: EventReader | None = None
        self._stream: StreamResult | None = None

    @property
    def tool(self) -> str:
        """The name under which it was called."""
        return self._entry.tool.name

    def turn_to_stream(self) -> bool:
        """The call takes long: whether its answer is a stream from now on."""
        self.streaming = self.streaming or self.asking.may_stream
        return self.streaming

    def answered(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The head of the function's answer has come; names in lower case."""
        self._response = ToolResponse(status, tuple(headers), b"")
        essence, successful = media_type(self._response)[0], 200 <= status < 300
        self._is_literal = essence == MEDIA_TYPE and successful
        kind = stream_kind(essence) if successful else None
        if kind is not None:
            self._events = EventReader(kind, self._limit)
            self._stream = StreamResult(self._entry.tool.stream, self._limit)

    def received(self, piece: bytes) -> bytes:
        """More of the answer's body has come; what the client is told of it, perhaps nothing.

        Raises:
            InvocationError: it is over the limit.
        """
        if self._events is not None:
            return self._told(self._events, piece)
        self._size += len(piece)
        if self._size > self._limit:
            raise self._too_large()
        self._pieces.append(piece)
        return b""

    def finished(self) -> Whole:
        """The answer to the call: the function's has come whole."""
        try:
            return self._answer(self._result())
        except InvocationError as error:
            return self.failed(error)
        except CannotAsk as error:
            body = failure(self.asking.id, MISSING_CAPABILITY, error.message, error.data)
            return Whole(400, body)

    def failed(self, error: InvocationError) -> Whole:
        """The answer to the call where the function gave none."""
        return self._answer(error_result(error.public))

    def cancelled(self) -> Whole:
        """The answer to the call once its client has cancelled it."""
        return Whole(200, failure(self.asking.id, CANCELLED, "Request cancelled"))

    def _told(self, reader: EventReader, piece: bytes | None) -> bytes:
        """Progress of the events in a piece, or of those that the body's end completes."""
        token, stream = self.asking.progress_token, self._stream
        if stream is None:
            return b""
        try:
            events = reader.end() if piece is None else reader.feed(piece)
            told = [stream.take(one) for one in events]
        except EventsTooLarge:
            raise self._too_large() from None
        if token is None or not self.streaming:
            return b""
        return b"".join(event(progress_frame(token, one)) for one in told if one is not None)

    def _too_large(self) -> InvocationError:
        message = f"The function's answer is over the limit of {self._limit} bytes."
        return InvocationError("result_too_large", message)

    def _result(self) -> Result:
        if self._events is not None and self._stream is not None:
            self._told(self._events, None)
            outcome = self._stream.result()
            if outcome.failed:
                return error_result(outcome.body.decode())
            response = _streamed(self._response.status, outcome)
        else:
            head = self._response
            response = ToolResponse(head.status, head.headers, b"".join(self._pieces))
            if self._is_literal:
                return self._literal(response.body)
        return interpret(self._entry, response, self.asking.revision)

    def _literal(self, body: bytes) -> Result:
        """A result that the function words itself."""
        read = read_literal(body, self.asking.revision)
        if isinstance(read, str):
            return error_result(f"The function's answer is no tool result: {read}")
        if isinstance(read, InputRequired):
            if self.asking.round is None:
                return error_result("The function asks its client back, which this one cannot be.")
            try:
                return self.asking.round.asked_back(read)
            except StateError as problem:
                return error_result(str(problem))
        return unlike_promised(self._entry, read) or read

    def _answer(self, result: Result) -> Whole:
        return answer(self._endpoint, self.asking, result)


def answer(endpoint: Endpoint, asking: Asking, result: Result) -> Whole:
    """A result as the answer to its request."""
    body = success(asking.id, dump(stamped(endpoint, result, asking.revision)))
    return Whole(200, body, tool_failed=result.get("isError") is True)


def stamped(endpoint: Endpoint, result: Result, revision: str) -> Result:
    """A result with what the stateless revision wants in each."""
    if not is_stateless(revision):
        return result
    meta = {**result.get("_meta", {}), "io.modelcontextprotocol/serverInfo": endpoint.identity}
    return complete({**result, "_meta": meta}, revision)


def begin(
    endpoint: Endpoint,
    target: Target,
    meta: dict[str, Any],
    asked: McpRequest,
    asking: Asking,
    limit: int,
) -> ToolCall | Result:
    """The call that a sound `tools/call` makes, or what is wrong with its arguments.

    Args:
        meta: `_meta` of the message.
        asked: the HTTP request, whose fields may go on.
        limit: bytes of the function's answer.
    """
    violations = target.entry.arguments.violations(target.arguments)
    if violations:
        return invalid(violations)
    try:
        context = asking.round.context if asking.round else None
        request = build(target.entry.tool, target.arguments, context)
    except ArgumentError as problem:
        return invalid([str(problem)])
    carried = (*_carried(endpoint, asked, request), *trace_fields(meta))
    if carried:
        request = replace(request, headers=(*request.headers, *carried))
    return ToolCall(endpoint, target, request, asking, limit)


def _carried(
    endpoint: Endpoint, asked: McpRequest, request: ToolRequest
) -> list[tuple[bytes, bytes]]:
    """The caller's fields that go on to the function, where no argument says otherwise."""
    if not endpoint.forward_headers:
        return []
    set_already = {name for name, _ in request.headers}
    named = {name.lower() for name in endpoint.forward_headers if is_forwardable(name)}
    wanted = {name.encode("ascii") for name in named} - set_already
    return [(name, value) for name, value in asked.headers if name in wanted]


def _streamed(status: int, outcome: Outcome) -> ToolResponse:
    """A stream's result as if the function had answered with it alone."""
    kind = b"application/json" if outcome.is_json else b"text/plain; charset=utf-8"
    return ToolResponse(status, ((b"content-type", kind),), outcome.body)
