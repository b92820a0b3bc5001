"""How the bridge reaches a function: the same limits, header work and connections as plain HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Never, Self

from edge.doors.asked import Asked
from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.forwarding import plan
from edge.forwarding.forwarder import Call, Forwarder
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Function
from edge.gate import decide
from edge.headers import traceparent
from edge.limits import Left
from edge.message import Ids
from mcp_bridge.endpoint import Endpoint
from mcp_bridge.state import HEADER
from mcp_bridge.tools import Answering, InvocationError, ToolRequest
from tokens.model import Principal


@dataclass(frozen=True, slots=True)
class FunctionInvoker:
    """Calls one function for one MCP request; fulfils `mcp_bridge.tools.Invoker`.

    Attributes:
        max_timeout: milliseconds that no tool's own timeout exceeds.
    """

    forwarder: Forwarder
    function: Function
    principal: Principal | None
    ids: Ids
    caller: plan.Caller
    max_timeout: int

    def again(self, ids: Ids) -> Self:
        """The same for another request of the same caller."""
        return type(self)(
            self.forwarder, self.function, self.principal, ids, self.caller, self.max_timeout
        )

    @asynccontextmanager
    async def open(self, request: ToolRequest) -> AsyncIterator[Answering]:
        """See Invoker."""
        try:
            async with self.forwarder.send(self.call(request)) as relayed:
                yield Answering(relayed.status, relayed.answer.headers, relayed.answer.body)
        except EdgeError as error:
            raise failed(error.refusal) from None
        except UpstreamFailure as failure:
            raise failed(broken_off(failure)) from None

    def call(self, request: ToolRequest) -> Call:
        """The call that a tool's request is; raises InvocationError if the gate refuses it."""
        refused = decide.refuse_call(self.function, request)
        if refused is not None:
            raise failed(refused)
        timeout = request.tool.timeout or self.function.config.timeout
        ids = plan.ids_of_call(self.ids, traceparent(request.headers))
        return Call(
            function=self.function,
            principal=self.principal,
            ids=ids,
            caller=self.caller,
            trigger="mcp",
            method=request.method,
            target=request.target,
            headers=request.headers,
            body=request.body,
            timeout=min(timeout, self.max_timeout),
            own=((HEADER, request.context),) if request.context is not None else (),
        )


@dataclass(frozen=True, slots=True)
class Refusing:
    """Fails every call alike, where there is no function to call; fulfils `Invoker`."""

    refused: Refusal

    def again(self, _ids: Ids) -> Self:
        """The same for another request."""
        return self

    @asynccontextmanager
    async def open(self, request: ToolRequest) -> AsyncIterator[Answering]:
        """See Invoker."""
        yield self.call(request)

    def call(self, _request: ToolRequest) -> Never:
        """Raises InvocationError."""
        raise failed(self.refused)


@dataclass(frozen=True, slots=True)
class Served:
    """What one request is for, and how its function is reached.

    Attributes:
        left: of the function's rate limit, where the request was counted against it only once it
            was known to be for that function.
    """

    endpoint: Endpoint
    invoker: FunctionInvoker | Refusing
    left: tuple[Left, ...] = ()

    def told(self, asked: Asked) -> Asked:
        """The request, whose answer tells of that limit too."""
        return asked._replace(left=asked.left + self.left) if self.left else asked


def failed(refused: Refusal) -> InvocationError:
    """A refusal as the bridge knows it."""
    return InvocationError(refused.kind.code, refused.message)


def broken_off(failure: UpstreamFailure) -> Refusal:
    """The edge's error for an answer that ended before its end."""
    error = Errors.UPSTREAM_TIMEOUT if failure.kind == "idle" else Errors.UPSTREAM_INVALID
    return refusal(error, "The function's answer broke off.")
