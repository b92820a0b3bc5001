"""Sessions over real connections: who may open how many, what they are bound to, when they end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.mcp_wire import McpClient, connected, good, serving_tools
from tests.support.origin import Origin


async def test_more_sessions_than_a_token_may_open_wait(
    way: str, tmp_path: Path, origin: Origin
) -> None:
    async with serving_tools(way, tmp_path, origin, mcp_sessions=3) as mcp:
        sessions = {await mcp.session() for _ in range(3)}
        assert len(sessions) == 3
        answer = await (await mcp.initialize()).end()
        assert answer.status == 429
        assert 1 <= int(answer.one("retry-after")) <= 60
        error = answer.json["error"]
        assert error["data"] == {"code": "rate_limited", "requestId": answer.one("x-request-id")}
        assert answer.json["id"] is not None
        assert "mcp-session-id" not in dict(answer.headers)
        for session in sessions:
            assert good(await (await mcp.call("echo", session=session)).result())
        assert good(await (await mcp.stateless("tools/call", {"name": "echo"})).result())
        rotated = mcp.edge.token_service.rotate("shop", "default").secret
        async with connected(mcp.edge, mcp.version, rotated) as again:
            assert (await (await again.initialize()).end()).status == 429
        other = mcp.edge.mint("other").secret
        async with connected(mcp.edge, mcp.version, other) as stranger:
            assert await stranger.session()


async def test_a_session_outlives_a_rotation_of_its_token(mcp: McpClient) -> None:
    session = await mcp.session()
    rotated = mcp.edge.token_service.rotate("shop", "default").secret
    async with connected(mcp.edge, mcp.version, rotated) as again:
        assert good(await (await again.call("echo", session=session)).result())
    answer = await (await mcp.call("echo", session=session)).end()
    assert answer.status == 401


@pytest.mark.parametrize("how", ["forged", "cut", "other token", "other function", "ended"])
async def test_an_id_that_is_no_live_session_of_the_caller_is_not_found(
    mcp: McpClient, origin: Origin, how: str
) -> None:
    session, client = await mcp.session(), mcp
    if how == "forged":
        session = session[:-1] + ("A" if session[-1] != "A" else "B")
        session = session[:10] + ("x" if session[10] != "x" else "y") + session[11:]
    elif how == "cut":
        session = session[:-5]
    elif how == "other function":
        mcp.edge.deploy(origin.upstream, "other")
        client = await _connected(mcp, mcp.edge.tokens["other"], "other.fn.localhost")
    elif how == "other token":
        client = await _connected(mcp, mcp.edge.mint("other").secret, "")
    else:
        assert (
            await (await mcp.begin("DELETE", [("mcp-session-id", session)])).end()
        ).status == 204
    answer = await (await client.call("echo", session=session)).end()
    assert answer.status == 404
    assert answer.json["error"]["data"]["code"] == "not_found"
    assert origin.seen == []


async def _connected(mcp: McpClient, token: str, host: str) -> McpClient:
    return await mcp.stack.enter_async_context(connected(mcp.edge, mcp.version, token, host))


async def test_a_session_speaks_its_own_revision(mcp: McpClient) -> None:
    session = await mcp.session("2025-06-18")
    for revision, status in (("2025-06-18", 200), ("2025-11-25", 400), ("2025-03-26", 400)):
        fields = [("mcp-protocol-version", revision)]
        answer = await (await mcp.call("echo", session=session, fields=fields)).end()
        assert answer.status == status
    told = (await (await mcp.call("echo", session=session)).result())["result"]
    assert "structuredContent" in told


async def test_a_call_without_a_session_is_served_on_its_token_alone(mcp: McpClient) -> None:
    assert good(await (await mcp.call("echo")).result())
    fields = [("mcp-protocol-version", "2025-11-25")]
    assert good(await (await mcp.call("echo", fields=fields)).result())


async def test_many_sessions_at_once_are_each_their_own(mcp: McpClient) -> None:
    sessions = [await mcp.session() for _ in range(20)]
    readings = [
        await mcp.call("echo", {"n": n}, id=1, session=session)
        for n, session in enumerate(sessions)
    ]
    answers: list[Any] = await asyncio.gather(*(reading.result() for reading in readings))
    assert [good(answer)["body"] for answer in answers] == [f'{{"n":{n}}}' for n in range(20)]
