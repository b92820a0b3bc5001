"""A call carried out over an Invoker, for callers that await."""

import logging
from collections.abc import Awaitable, Callable

from mcp_bridge.calls import ToolCall
from mcp_bridge.endpoint import Whole
from mcp_bridge.tools import InvocationError, Invoker

Told = Callable[[bytes], Awaitable[None]]

BROKE = "The call failed inside the edge."

_log = logging.getLogger(__name__)


async def collect(call: ToolCall, invoker: Invoker, told: Told) -> Whole:
    """The answer to a call; cancelling this aborts the function's request.

    Args:
        told: given what the client shall be told before the answer.
    """
    try:
        async with invoker.open(call.request) as answering:
            call.answered(answering.status, answering.headers)
            async for piece in answering.body:
                frames = call.received(piece)
                if frames:
                    await told(frames)
        return call.finished()
    except InvocationError as error:
        return call.failed(error)
    except Exception:
        _log.exception("the call of tool %s failed inside the edge", call.request.tool.name)
        return call.failed(InvocationError("internal", BROKE))
