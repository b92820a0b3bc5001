"""Carries one authorised call to its function: a slot, an upstream, the exchange, its answer.

The door, the bridge's invoker and cron all reach a function through `Forwarder.send`; none of them
knows connections, and it knows none of them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil

from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.forwarding import plan
from edge.forwarding.answer import UpstreamAnswer
from edge.forwarding.limit import InFlight, Overloaded
from edge.forwarding.parse import InvalidRequest
from edge.forwarding.pool import Pool
from edge.forwarding.wire import (
    CircuitOpen,
    FailureKind,
    RetryRule,
    Timeouts,
    UpstreamFailure,
    UpstreamRequest,
)
from edge.functions import Function, Upstream
from edge.message import Body, Headers, Ids, first
from tokens.model import Principal

_FAILURES: dict[FailureKind, Errors] = {
    "unreachable": Errors.UPSTREAM_UNREACHABLE,
    "overloaded": Errors.OVERLOADED,
    "open": Errors.CIRCUIT_OPEN,
    "reset": Errors.UPSTREAM_UNREACHABLE,
    "invalid": Errors.UPSTREAM_INVALID,
    "timeout": Errors.UPSTREAM_TIMEOUT,
    "truncated": Errors.UPSTREAM_INVALID,
    "idle": Errors.UPSTREAM_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a function, already authorised.

    Attributes:
        target: as the function shall see it.
        headers: as the caller sent them.
        body, length: as for `UpstreamRequest`.
        checked: whether a token was demanded.
        timeout: milliseconds to the answer's head.
        own: fields that the edge says besides, under names that callers cannot say.
        signed: more of them, made from the target as the function sees it.
    """

    function: Function
    principal: Principal | None
    ids: Ids
    caller: plan.Caller
    trigger: plan.Trigger
    method: str
    target: bytes
    headers: Headers = field(repr=False)
    body: Body | bytes | None = field(default=None, repr=False)
    length: int | None = None
    checked: bool = True
    timeout: int = 30_000
    upgrade: bool = False
    own: Headers = field(default=(), repr=False)
    signed: Callable[[bytes], Headers] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Relayed:
    """A function's answer with the header work done; its body is read from `answer`."""

    status: int
    headers: Headers
    answer: UpstreamAnswer

    @property
    def is_event_stream(self) -> bool:
        """Whether it is `text/event-stream`: it has its own idle time and ends with its token."""
        return is_event_stream(self.headers)


class Forwarder:
    """Sends calls over the pool, within each function's limit.

    Args:
        edge_id: this edge in `Via`.
        connect, idle: seconds to a connection, and without a byte within an answer.
    """

    def __init__(
        self, pool: Pool, in_flight: InFlight, edge_id: str, connect: float, idle: float
    ) -> None:
        self._pool = pool
        self._in_flight = in_flight
        self._edge_id = edge_id
        self._connect = connect
        self._idle = idle

    @asynccontextmanager
    async def send(self, call: Call) -> AsyncIterator[Relayed]:
        """Make the call; its slot and its connection are held until the block ends.

        Leaving the block before the answer was read whole aborts the function's request.

        Raises:
            EdgeError: loop, left alone, no slot, unreachable, invalid, too late; an UpstreamFailure
                is its cause where there is one.
        """
        if plan.loops(call.headers, self._edge_id):
            raise EdgeError(refusal(Errors.LOOP_DETECTED))
        function = call.function
        self._check(function)
        try:
            async with self._in_flight.slot(function.slug, function.live.project.run):
                answer = await self._exchange(call)
                try:
                    yield self._relayed(call, answer)
                finally:
                    await answer.aclose()
        except Overloaded:
            raise EdgeError(overloaded()) from None

    def _check(self, function: Function) -> None:
        """Refuse at once, without a slot, what would not be sent anyway."""
        try:
            self._pool.circuits.check(function.live.project.upstreams)
        except CircuitOpen as failure:
            raise EdgeError(left_alone(failure)) from failure

    async def _exchange(self, call: Call) -> UpstreamAnswer:
        timeouts = Timeouts(self._connect, call.timeout / 1000, self._idle)
        retry = RetryRule.SAFE if call.trigger == "http" else RetryRule.UNWRITTEN
        try:
            return await self._pool.exchange(
                call.function.live.project.upstreams,
                partial(self.request, call),
                timeouts,
                retry=retry,
            )
        except UpstreamFailure as failure:
            raise EdgeError(refused(failure, call.timeout)) from failure
        except InvalidRequest as error:
            raise EdgeError(refusal(Errors.BAD_REQUEST, reason=str(error))) from None

    def request(self, call: Call, upstream: Upstream) -> UpstreamRequest:
        """What is sent to one of the function's addresses for a call."""
        fields = plan.request_headers(
            call.headers,
            call.ids,
            call.caller,
            call.function,
            upstream,
            call.principal,
            call.trigger,
            self._edge_id,
            upgrade=call.upgrade,
        )
        target = call.target if call.target == b"*" else upstream.base.encode() + call.target
        return UpstreamRequest(
            method=call.method.encode(),
            target=target,
            headers=fields + call.own + (call.signed(target) if call.signed else ()),
            body=call.body,
            length=call.length,
            upgrade=call.upgrade,
        )

    def _relayed(self, call: Call, answer: UpstreamAnswer) -> Relayed:
        fields = plan.answer_headers(
            call.headers,
            answer.headers,
            call.ids.request_id,
            call.caller,
            call.function,
            answer.upstream,
            checked=call.checked,
        )
        relayed = Relayed(answer.status, fields, answer)
        if relayed.is_event_stream:
            answer.set_idle(call.function.config.stream_idle / 1000)
        return relayed


def is_event_stream(fields: Headers) -> bool:
    """Whether an answer is `text/event-stream`."""
    kind = first(fields, b"content-type") or b""
    return kind.partition(b";")[0].strip().lower() == b"text/event-stream"


def overloaded(reason: str = "") -> Refusal:
    """The 503 for a request that found no place; `reason` is for the log alone."""
    return refusal(Errors.OVERLOADED, headers=((b"retry-after", b"1"),), reason=reason)


def left_alone(failure: CircuitOpen) -> Refusal:
    """The 503 for a request to a function that has been failing."""
    why = "did not answer in time" if failure.cause == "timeout" else "could not be reached"
    seconds = max(ceil(failure.wait), 1)
    return refusal(
        Errors.CIRCUIT_OPEN,
        f"The function {why} several times; it is tried again in {seconds} s.",
        headers=((b"retry-after", b"%d" % seconds),),
        reason=str(failure),
    )


def refused(failure: UpstreamFailure, timeout: int) -> Refusal:
    """The edge's error for an upstream's failure; its detail is for the log alone.

    Args:
        timeout: milliseconds that the function had for its answer's head.
    """
    if isinstance(failure, CircuitOpen):
        return left_alone(failure)
    error = _FAILURES[failure.kind]
    if error is Errors.OVERLOADED:
        return overloaded(str(failure))
    message = ""
    if error is Errors.UPSTREAM_TIMEOUT:
        message = f"The function did not answer within {timeout} ms; see config.timeout."
    return refusal(error, message, reason=str(failure))
