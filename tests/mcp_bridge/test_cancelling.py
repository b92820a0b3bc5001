"""A client that leaves: its call is cancelled, so that the function's request is aborted."""

import anyio
import httpx2
import pytest

from mcp_bridge.tools import ToolRequest, ToolResponse
from tests.mcp_bridge.serving import ENVELOPE, STATELESS, serving


@pytest.mark.parametrize("stateless", [False, True])
async def test_leaving_cancels_the_call(stateless: bool) -> None:
    async with serving() as edge:
        began, cancelled = anyio.Event(), anyio.Event()

        async def forever(request: ToolRequest) -> ToolResponse:
            began.set()
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.set()
                raise
            raise AssertionError

        async def call() -> None:
            params = {"name": "getOrder", "arguments": {"id": "1"}, "_meta": ENVELOPE}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            headers = {"mcp-method": "tools/call", "mcp-name": "getOrder"}
            if stateless:
                headers["mcp-protocol-version"] = STATELESS
            async with httpx2.AsyncClient(timeout=30) as leaving:
                await leaving.post(edge.url, json=body, headers=headers)

        edge.function.answer = forever
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await began.wait()
                tasks.cancel_scope.cancel()
            await cancelled.wait()
        assert (await edge.call("ping")).status_code == 200
