"""Streams of changes: `GET` of a session and `subscriptions/listen`, from their first byte to their
last. Not here: what changes a caller's list (`test_mcp_changes`).
"""

from pathlib import Path
from typing import Any

import anyio
import pytest

from edge.doors import mcp_streams
from edge.fast import bridging
from tests.support.calling import until
from tests.support.http1_client import Answer, request
from tests.support.mcp_function import by_name, document
from tests.support.mcp_wire import STATELESS, McpClient, Reading, connected, serving_tools
from tests.support.origin import Origin

EVENTS = [("accept", "text/event-stream")]
WANTED = {"toolsListChanged": True}
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def is_stream(head: Answer) -> None:
    """An event stream that nothing on its way shall hold back."""
    assert (head.status, head.one("content-type")) == (200, "text/event-stream")
    assert head.one("x-accel-buffering") == "no"
    assert "x-jelou-token" in head.one("vary").lower()
    assert "content-length" not in dict(head.headers)


async def opened(mcp: McpClient, session: str = "", last: str = "") -> tuple[Reading, str]:
    """The stream of a session, and the id of its first event."""
    reading = await mcp.watch(session or await mcp.session(), last)
    is_stream(await reading.head())
    first = await reading.frame()
    assert first.startswith("id: ")
    assert first.endswith("\ndata:")
    return reading, first.split("\n")[0][4:]


async def ended(reading: Reading, count: int = 0) -> list[Any]:
    """What still came of a stream that was ended in order: so many messages."""
    rest = await reading.rest()
    assert len(rest) == count, rest
    return rest


# GET.


async def test_a_stream_begins_with_what_its_client_has_to_name_when_it_comes_back(
    mcp: McpClient,
) -> None:
    session = await mcp.session()
    _, digest = await opened(mcp, session)
    _, again = await opened(mcp, await mcp.session())
    assert digest == again
    assert len(digest) >= 16


async def test_who_comes_back_and_missed_nothing_is_told_nothing(mcp: McpClient) -> None:
    session = await mcp.session()
    reading, digest = await opened(mcp, session)
    await reading.leave()
    reading, _ = await opened(mcp, session, digest)
    await mcp.begin("DELETE", [("mcp-session-id", session)])
    await ended(reading)


async def test_who_comes_back_after_a_change_is_told_at_once(
    mcp: McpClient, origin: Origin
) -> None:
    session = await mcp.session()
    reading, before = await opened(mcp, session)
    await reading.leave()
    mcp.edge.deploy(origin.upstream, document=document("echo", "new"))
    reading, after = await opened(mcp, session, before)
    assert after != before
    assert await reading.message() == CHANGED
    reading, _ = await opened(mcp, session, after)
    await mcp.begin("DELETE", [("mcp-session-id", session)])
    await ended(reading)


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18"])
async def test_clients_that_know_no_empty_events_get_a_comment_first(
    mcp: McpClient, origin: Origin, revision: str
) -> None:
    reading = await mcp.watch(await mcp.session(revision))
    is_stream(await reading.head())
    assert (await reading.frame()).startswith(":")
    mcp.edge.deploy(origin.upstream, document=document("new"))
    assert await reading.message() == CHANGED


@pytest.mark.parametrize(
    ("fields", "status", "allow"),
    [
        (EVENTS, 405, "POST, DELETE"),
        ([*EVENTS, ("mcp-protocol-version", "2025-11-25")], 405, "POST, DELETE"),
        ([*EVENTS, ("mcp-protocol-version", STATELESS)], 405, "POST"),
        ([*EVENTS, ("mcp-session-id", "forged")], 404, None),
    ],
    ids=["no session", "revision alone", "stateless", "forged"],
)
async def test_there_is_no_stream_without_a_session(
    mcp: McpClient, fields: Any, status: int, allow: str | None
) -> None:
    answer = await (await mcp.begin("GET", fields)).end()
    assert (answer.status, dict(answer.headers).get("allow")) == (status, allow)
    assert answer.json["error"]["data"]["requestId"] == answer.one("x-request-id")


async def test_a_stream_wants_a_client_that_takes_events(mcp: McpClient) -> None:
    session = ("mcp-session-id", await mcp.session())
    answer = await (await mcp.begin("GET", [session, ("accept", "application/json")])).end()
    assert answer.status == 406
    assert answer.json["error"]["data"]["code"] == "not_acceptable"


async def test_a_session_of_another_token_has_no_stream(mcp: McpClient) -> None:
    session = await mcp.session()
    other = mcp.edge.mint("other").secret
    async with connected(mcp.edge, mcp.version, other) as stranger:
        answer = await (await stranger.watch(session)).end()
    assert answer.status == 404


async def test_a_second_stream_of_a_session_ends_the_first(mcp: McpClient, origin: Origin) -> None:
    session = await mcp.session()
    first, _ = await opened(mcp, session)
    other, _ = await opened(mcp)
    second, _ = await opened(mcp, session)
    await ended(first)
    mcp.edge.deploy(origin.upstream, document=document("new"))
    for reading in (second, other):
        assert await reading.message() == CHANGED
    third, _ = await opened(mcp, session)
    await ended(second)
    await third.leave()
    fourth, _ = await opened(mcp, session)
    await mcp.begin("DELETE", [("mcp-session-id", session)])
    await ended(fourth)


async def test_delete_ends_the_stream_of_its_session_alone(mcp: McpClient, origin: Origin) -> None:
    session = await mcp.session()
    reading, _ = await opened(mcp, session)
    other, _ = await opened(mcp)
    answer = await (await mcp.begin("DELETE", [("mcp-session-id", session)])).end()
    assert answer.status == 204
    with anyio.fail_after(2):
        await ended(reading)
    assert (await (await mcp.watch(session)).end()).status == 404
    mcp.edge.deploy(origin.upstream, document=document("new"))
    assert await other.message() == CHANGED


async def test_a_connection_goes_on_after_a_stream_that_ended_in_order(mcp: McpClient) -> None:
    session = await mcp.session()
    reading, _ = await opened(mcp, session)
    await mcp.begin("DELETE", [("mcp-session-id", session)])
    await ended(reading)
    if mcp.version == "1.1":
        client = reading.exchange.client  # type: ignore[attr-defined]
        answer = await client.ask("/x", fields=[("x-jelou-token", mcp.token)])
        assert answer.json["target"] == "/x"


async def test_a_client_that_leaves_leaves_nothing_behind(mcp: McpClient) -> None:
    registry = mcp.edge.edge.app.mcp.streams
    readings = [(await opened(mcp))[0] for _ in range(5)]
    readings += [await mcp.listen(WANTED) for _ in range(5)]
    for reading in readings[5:]:
        await reading.message()
    assert (len(registry.every), len(registry.of_sessions)) == (10, 5)
    for reading in readings:
        await reading.leave()
    await until(lambda: (len(registry.every), len(registry.of_sessions)) == (0, 0))


# subscriptions/listen.


@pytest.mark.parametrize(
    ("wanted", "honoured"),
    [
        ({"toolsListChanged": True}, {"toolsListChanged": True}),
        (
            {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True},
            {"toolsListChanged": True},
        ),
        ({"promptsListChanged": True}, {}),
        ({"toolsListChanged": False}, {}),
        ({}, {}),
    ],
)
async def test_a_listener_is_acknowledged_first_and_told_what_it_gets(
    mcp: McpClient, origin: Origin, wanted: Any, honoured: Any
) -> None:
    reading = await mcp.listen(wanted, id="s")
    is_stream(await reading.head())
    acknowledged = await reading.message()
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"]["notifications"] == honoured
    assert acknowledged["params"]["_meta"][SUBSCRIPTION] == "s"
    mcp.edge.deploy(origin.upstream, document=document("new"))
    if honoured:
        told = await reading.message()
        assert told["method"] == "notifications/tools/list_changed"
        assert told["params"]["_meta"] == {SUBSCRIPTION: "s"}
    mcp.edge.edge.end_streams()
    [final] = await ended(reading, 1)
    assert final["id"] == "s"
    assert final["result"]["resultType"] == "complete"
    assert final["result"]["_meta"][SUBSCRIPTION] == "s"


async def test_equal_ids_of_listeners_are_streams_of_their_own(
    mcp: McpClient, origin: Origin
) -> None:
    readings = [await mcp.listen(WANTED, id=1) for _ in range(3)]
    for reading in readings:
        await reading.message()
    await readings[0].leave()
    mcp.edge.deploy(origin.upstream, document=document("new"))
    for reading in readings[1:]:
        assert (await reading.message())["method"] == CHANGED["method"]


async def test_handshake_clients_have_no_subscriptions(mcp: McpClient) -> None:
    reading = await mcp.ask("subscriptions/listen", {"notifications": WANTED})
    assert (await reading.result())["error"]["code"] == -32601


# Ends.


async def both_kinds(mcp: McpClient) -> tuple[Reading, Reading]:
    """A stream of each kind."""
    watching, _ = await opened(mcp)
    listening = await mcp.listen(WANTED)
    await listening.message()
    return watching, listening


async def test_the_streams_of_a_revoked_token_end_within_a_second(mcp: McpClient) -> None:
    other = mcp.edge.mint("other").secret
    watching, listening = await both_kinds(mcp)
    mcp.edge.tokens["shop"] = other
    mcp.edge.revoke("default")
    with anyio.fail_after(1.5):
        await ended(watching)
        await ended(listening, 1)


@pytest.mark.parametrize("by", ["delete", "off"])
async def test_the_streams_of_a_function_end_with_its_mcp(
    mcp: McpClient, origin: Origin, by: str
) -> None:
    watching, listening = await both_kinds(mcp)
    if by == "delete":
        mcp.edge.delete()
    else:
        mcp.edge.deploy(origin.upstream, document=document("echo"), mcp=False)
    with anyio.fail_after(1.5):
        await ended(watching)
        await ended(listening, 1)


async def test_a_worker_that_ends_ends_its_streams_in_order(mcp: McpClient) -> None:
    watching, listening = await both_kinds(mcp)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mcp.edge.server.drain)
        with anyio.fail_after(3):
            await ended(watching)
            [final] = await ended(listening, 1)
    assert "result" in final


async def test_comments_keep_streams_alive(
    way: str, tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (bridging, mcp_streams):
        monkeypatch.setattr(module, "COMMENT_EVERY", 0.1)
    async with serving_tools(way, tmp_path, origin, keep_alive=0.3) as mcp:
        for reading in await both_kinds(mcp):
            for _ in range(3):
                assert (await reading.frame()).startswith(":")


async def test_a_stream_is_no_request_of_the_function(mcp: McpClient, origin: Origin) -> None:
    origin.behaviour = by_name({})
    await both_kinds(mcp)
    assert origin.visits == 0


async def test_streams_end_when_the_function_becomes_an_mcp_server_itself(
    mcp: McpClient, origin: Origin
) -> None:
    watching, listening = await both_kinds(mcp)
    mcp.edge.deploy(origin.upstream, mcp={"upstream": "/mcp"})
    with anyio.fail_after(2.5):
        await ended(watching)
        await ended(listening, 1)


async def test_what_is_pipelined_behind_a_stream_waits_for_its_end(
    mcp: McpClient, origin: Origin
) -> None:
    if mcp.version == "2":
        pytest.skip("HTTP/2 has no turns")
    session = await mcp.session()
    reading, _ = await opened(mcp, session)
    client = reading.exchange.client  # type: ignore[attr-defined]
    await client.send(request("/x", fields=[("x-jelou-token", mcp.token)]))
    mcp.edge.deploy(origin.upstream, document=document("new"))
    assert await reading.message() == CHANGED
    assert origin.seen == []
    await mcp.begin("DELETE", [("mcp-session-id", session)])
    await ended(reading)
    assert (await client.answer()).json["target"] == "/x"
