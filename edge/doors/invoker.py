"""How the bridge reaches a function: the same limits, header work and connections as plain HTTP."""

from dataclasses import dataclass, replace

from edge.errors import EdgeError, Errors, refusal
from edge.forwarding import plan
from edge.forwarding.forwarder import Call, Forwarder, Relayed
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Function
from edge.gate import decide
from edge.headers import traceparent
from mcp_bridge.tools import InvocationError, ToolRequest, ToolResponse
from tokens.model import Principal


@dataclass(frozen=True, slots=True)
class FunctionInvoker:
    """Calls one function for one MCP request; fulfils `mcp_bridge.tools.Invoker`.

    Attributes:
        limit: bytes of an answer that a tool may give.
        max_timeout: milliseconds that no tool's own timeout exceeds.
    """

    forwarder: Forwarder
    function: Function
    principal: Principal | None
    caller: plan.Caller
    limit: int
    max_timeout: int

    async def invoke(self, request: ToolRequest) -> ToolResponse:
        """See Invoker."""
        try:
            refused = decide.refuse_call(self.function, request)
            if refused is not None:
                raise EdgeError(refused)
            async with self.forwarder.send(self._call(request)) as relayed:
                body = await self._read(relayed)
                return ToolResponse(relayed.status, relayed.answer.headers, body)
        except EdgeError as error:
            raise InvocationError(error.refusal.kind.code, error.refusal.message) from None
        except UpstreamFailure as failure:
            raise _broken_off(failure) from None

    def _call(self, request: ToolRequest) -> Call:
        timeout = request.tool.timeout or self.function.config.timeout
        trace = traceparent(request.headers)
        caller = self.caller
        if trace is not None:
            caller = replace(caller, traceparent=trace, continued=True)
        return Call(
            function=self.function,
            principal=self.principal,
            caller=caller,
            trigger="mcp",
            method=request.method,
            target=request.target,
            headers=request.headers,
            body=request.body,
            timeout=min(timeout, self.max_timeout),
        )

    async def _read(self, relayed: Relayed) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in relayed.answer.body:
            size += len(piece)
            if size > self.limit:
                message = f"The function's answer is over the limit of {self.limit} bytes."
                raise InvocationError("result_too_large", message)
            pieces.append(piece)
        return b"".join(pieces)


def _broken_off(failure: UpstreamFailure) -> InvocationError:
    error = Errors.UPSTREAM_TIMEOUT if failure.kind == "idle" else Errors.UPSTREAM_INVALID
    refused = refusal(error, "The function's answer broke off.")
    return InvocationError(refused.kind.code, refused.message)
