"""Who is told that its list of tools changed: those whose own list did, and nobody else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.support.mcp_function import document, operation
from tests.support.mcp_wire import TOOLS, McpClient, Reading, connected
from tests.support.origin import Origin

CHANGED = "notifications/tools/list_changed"
KINDS = ("get", "listen")
WITHIN = 1.0
"""Seconds in which the contract says that word arrives; loopback and a busy machine get more."""


async def watching(mcp: McpClient, kind: str) -> Reading:
    """A stream of changes that has begun."""
    if kind == "get":
        reading = await mcp.watch(await mcp.session())
        await reading.frame()
    else:
        reading = await mcp.listen({"toolsListChanged": True})
        await reading.message()
    return reading


@asynccontextmanager
async def with_scopes(mcp: McpClient, name: str, *scopes: str) -> AsyncIterator[McpClient]:
    """A client whose token may only do so much."""
    token = mcp.edge.mint(name, scopes=list(scopes)).secret
    async with connected(mcp.edge, mcp.version, token) as client:
        yield client


async def is_told(*readings: Reading) -> None:
    """Each is told once, in time."""
    with anyio.fail_after(WITHIN + 1):
        for reading in readings:
            assert (await reading.message())["method"] == CHANGED


async def hears_nothing_more(mcp: McpClient, *readings: Reading) -> None:
    """Nothing is on its way to any of them: their streams are ended, and nothing came before."""
    mcp.edge.edge.end_streams()
    for reading in readings:
        left = [message.get("method") for message in await reading.rest()]
        assert CHANGED not in left


async def judged(mcp: McpClient, origin: Origin) -> None:
    """Whatever was deployed before has been told: a listener of all has heard a later change."""
    last = await watching(mcp, "listen")
    mcp.edge.deploy(origin.upstream, document=document(*TOOLS, "marker"))
    await is_told(last)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deploy_that_adds_changes_or_removes_a_tool_is_told(
    mcp: McpClient, origin: Origin, kind: str
) -> None:
    reading = await watching(mcp, kind)
    described = document(*TOOLS, **operation("echo", description="Another one now"))
    for changed in (document(*TOOLS, "more"), document(*TOOLS), described, document("echo")):
        mcp.edge.deploy(origin.upstream, document=changed)
        await is_told(reading)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deploy_that_changes_no_tool_is_not_told(
    mcp: McpClient, origin: Origin, kind: str
) -> None:
    async with with_scopes(mcp, "some", *(f"tool:{name}" for name in TOOLS)) as some:
        reading = await watching(some, kind)
        for timeout in (1000, 2000):
            mcp.edge.deploy(origin.upstream, document=document(*TOOLS), timeout=timeout)
        await judged(mcp, origin)
        await hears_nothing_more(mcp, reading)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_rollback_is_told(mcp: McpClient, origin: Origin, kind: str) -> None:
    first = mcp.edge.registry.function("shop").live.id
    mcp.edge.deploy(origin.upstream, document=document(*TOOLS, "more"))
    reading = await watching(mcp, kind)
    mcp.edge.registry.rollback("shop", first, mcp.edge.store.clock())
    await is_told(reading)
    names = [tool["name"] for tool in await _listed(mcp)]
    assert sorted(names) == sorted(TOOLS)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_is_told_of_its_own_tools_alone(
    mcp: McpClient, origin: Origin, kind: str
) -> None:
    async with with_scopes(mcp, "one", "tool:one") as one, with_scopes(mcp, "all", "mcp") as every:
        narrow, wide = await watching(one, kind), await watching(every, kind)
        changed = document(*TOOLS, **operation("two", description="Another"))
        mcp.edge.deploy(origin.upstream, document=changed)
        await is_told(wide)
        changed = document(*TOOLS, **operation("one", description="Another"))
        mcp.edge.deploy(origin.upstream, document=changed)
        await is_told(narrow, wide)
        mcp.edge.deploy(origin.upstream, document=document("one"))
        await is_told(narrow, wide)
        mcp.edge.deploy(origin.upstream, document=document("one", "three"))
        await is_told(wide)
        await hears_nothing_more(mcp, narrow)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_function_is_told_of_its_own_deploys_alone(
    mcp: McpClient, origin: Origin, kind: str
) -> None:
    mcp.edge.deploy(origin.upstream, "other", document=document("a"))
    token = mcp.edge.tokens["other"]
    async with connected(mcp.edge, mcp.version, token, "other.fn.localhost") as other:
        reading = await watching(other, kind)
        await judged(mcp, origin)
        await hears_nothing_more(mcp, reading)


async def test_many_streams_are_all_told_and_see_the_new_list(
    mcp: McpClient, origin: Origin
) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connected(mcp.edge, mcp.version)) for _ in range(25)
        ]
        readings = [await watching(client, kind) for client in clients for kind in KINDS]
        mcp.edge.deploy(origin.upstream, document=document("new"))
        with anyio.fail_after(5):
            for reading in readings:
                assert (await reading.message())["method"] == CHANGED
        assert [tool["name"] for tool in await _listed(mcp)] == ["new"]


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_session_is_declared_to_be_told(mcp: McpClient, revision: str) -> None:
    answer = await (await mcp.initialize(revision)).result()
    assert answer["result"]["protocolVersion"] == revision
    assert answer["result"]["capabilities"] == {"tools": {"listChanged": True}}


async def test_discovery_declares_it_too(mcp: McpClient) -> None:
    answer = await (await mcp.stateless("server/discover")).result()
    assert answer["result"]["capabilities"] == {"tools": {"listChanged": True}}


async def _listed(mcp: McpClient) -> Any:
    return (await (await mcp.ask("tools/list")).result())["result"]["tools"]
