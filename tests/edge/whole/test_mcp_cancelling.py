"""Calls that their clients cancel: which one is meant, and that its function's request is aborted.

Cancellations that reach another worker than the call: `tests/whole/test_mcp_workers.py`.
"""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.calling import until
from tests.support.mcp_function import by_name, hold, on_cue
from tests.support.mcp_wire import STATELESS, McpClient, Reading, connected, good, serving_tools
from tests.support.origin import Origin

CANCELLED = -32800


async def begun(mcp: McpClient, origin: Origin, **more: Any) -> Reading:
    """A call that has reached its function, which answers nothing."""
    before = len(origin.seen)
    reading = await mcp.call("hold", **more)
    await until(lambda: len(origin.seen) == before + 1)
    return reading


async def aborted(origin: Origin) -> None:
    """The function's request has been cut off."""
    with anyio.fail_after(5):
        await origin.departures.acquire()


@pytest.mark.parametrize("id", [1, 0, "a", "", "ü" * 200])
@pytest.mark.parametrize("progress", [False, True], ids=["message", "stream"])
async def test_a_cancelled_call_is_aborted_at_its_function_and_ends_with_an_error(
    mcp: McpClient,
    origin: Origin,
    id: Any,  # noqa: A002
    progress: bool,
) -> None:
    origin.behaviour = by_name({"hold": hold})
    session = await mcp.session()
    meta = {"progressToken": "p"} if progress else None
    reading = await begun(mcp, origin, session=session, id=id, meta=meta)
    answer = await mcp.cancel(id, session)
    assert (answer.status, bytes(answer.body)) == (202, b"")
    told = await reading.result()
    assert (told["id"], told["error"]["code"]) == (id, CANCELLED)
    await aborted(origin)
    assert good(await (await mcp.call("echo", id=id, session=session)).result())


async def test_of_two_calls_with_one_id_none_is_cancelled(mcp: McpClient, origin: Origin) -> None:
    origin.behaviour = by_name({"hold": on_cue})
    session = await mcp.session()
    readings = [await begun(mcp, origin, session=session, id=5) for _ in range(2)]
    assert (await mcp.cancel(5, session)).status == 202
    origin.cue.set()
    for reading in readings:
        assert good(await reading.result()) == {"late": "/hold"}


async def test_once_one_of_two_is_over_the_other_can_be_cancelled(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": hold, "one": on_cue})
    session = await mcp.session()
    first = await mcp.call("one", session=session, id=5)
    await until(lambda: origin.seen)
    second = await begun(mcp, origin, session=session, id=5)
    origin.cue.set()
    assert good(await first.result())
    await mcp.cancel(5, session)
    assert (await second.result())["error"]["code"] == CANCELLED


@pytest.mark.parametrize("other", ["id", "type", "session", "none", "stateless", "nonsense"])
async def test_what_does_not_name_the_call_does_not_cancel_it(
    mcp: McpClient, origin: Origin, other: str
) -> None:
    origin.behaviour = by_name({"hold": on_cue})
    session = await mcp.session()
    reading = await begun(mcp, origin, session=session, id=5)
    match other:
        case "id":
            await mcp.cancel(6, session)
        case "type":
            await mcp.cancel("5", session)
        case "session":
            await mcp.cancel(5, await mcp.session())
        case "none":
            await mcp.cancel(5)
        case "nonsense":
            for wanted in (None, [5], {"id": 5}, 5.5, True):
                await mcp.cancel(wanted, session)
            await mcp.notify("notifications/cancelled", {}, session)
        case "stateless":
            named = [("mcp-protocol-version", STATELESS), ("mcp-method", "notifications/cancelled")]
            params = {"requestId": 5}
            message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            await (await mcp.post(message, [*named, ("mcp-session-id", session)])).end()
    origin.cue.set()
    assert good(await reading.result()) == {"late": "/hold"}


async def test_a_token_cannot_cancel_the_calls_of_another(mcp: McpClient, origin: Origin) -> None:
    origin.behaviour = by_name({"hold": on_cue})
    session = await mcp.session()
    reading = await begun(mcp, origin, session=session, id=5)
    async with connected(mcp.edge, mcp.version, mcp.edge.mint("other").secret) as other:
        assert (await other.cancel(5, session)).status == 404
    origin.cue.set()
    assert good(await reading.result())


async def test_a_call_without_a_session_is_cancelled_by_leaving_alone(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": hold})
    session = await mcp.session()
    reading = await begun(mcp, origin, id=5)
    await mcp.cancel(5, session)
    await mcp.cancel(5)
    assert origin.departures.locked()
    await reading.leave()
    await aborted(origin)


@pytest.mark.parametrize("progress", [False, True], ids=["message", "stream"])
async def test_closing_the_answer_aborts_a_stateless_call(
    mcp: McpClient, origin: Origin, progress: bool
) -> None:
    origin.behaviour = by_name({"hold": hold})
    meta = {"progressToken": 1} if progress else None
    reading = await mcp.stateless("tools/call", {"name": "hold"}, meta=meta)
    await until(lambda: origin.seen)
    if progress:
        await reading.head()
    await reading.leave()
    await aborted(origin)


async def test_a_session_that_left_a_call_has_none_of_it_left_to_cancel(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": hold})
    session, calls = await mcp.session(), mcp.edge.edge.app.mcp.bridge.calls
    reading = await begun(mcp, origin, session=session, id=5)
    assert len(calls) == 1  # type: ignore[arg-type]
    await reading.leave()
    await until(lambda: len(calls) == 0)  # type: ignore[arg-type]
    again = await begun(mcp, origin, session=session, id=5)
    await mcp.cancel(5, session)
    assert (await again.result())["error"]["code"] == CANCELLED
    assert len(calls) == 0  # type: ignore[arg-type]


async def test_a_call_that_waits_for_its_turn_can_be_cancelled(
    way: str, tmp_path: Path, origin: Origin
) -> None:
    async with serving_tools(way, tmp_path, origin, in_flight=1, queue=1) as mcp:
        origin.behaviour = by_name({"hold": hold})
        session = await mcp.session()
        first = await begun(mcp, origin, session=session, id=1)
        calls = mcp.edge.edge.app.mcp.bridge.calls
        waiting = await mcp.call("hold", session=session, id=2)
        await until(lambda: len(calls) == 2)  # type: ignore[arg-type]
        await mcp.cancel(2, session)
        assert (await waiting.result())["error"]["code"] == CANCELLED
        await mcp.cancel(1, session)
        assert (await first.result())["error"]["code"] == CANCELLED
        assert good(await (await mcp.call("echo")).result())
    assert [seen.target for seen in origin.seen] == [b"/hold", b"/echo"]
