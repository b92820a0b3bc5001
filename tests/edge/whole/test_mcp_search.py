"""Search mode over real connections: two tools that find and call the others, within the token."""

from typing import Any

import anyio
import orjson
import pytest

from tests.support.calling import until
from tests.support.mcp_function import by_name, document, hold, operation
from tests.support.mcp_wire import McpClient, connected, good, refused, text_of
from tests.support.origin import Origin

SEARCH = {"mcp": {"search": True}}


@pytest.fixture
def searched(mcp: McpClient, origin: Origin) -> McpClient:
    """A client of a function in search mode."""
    names = ("echo", "hold", "refundPayment", "listCustomers", "deleteCustomer")
    mcp.edge.deploy(origin.upstream, document=document(*names), **SEARCH)
    return mcp


async def found(client: McpClient, query: str) -> list[str]:
    """Names of the tools that a query finds."""
    answer = await (await client.call("find_tools", {"query": query})).result()
    return [tool["name"] for tool in good(answer)["tools"]]


def wrapped(name: str, **arguments: Any) -> dict[str, Any]:
    """Arguments of `call_tool`."""
    return {"name": name, "arguments": arguments}


@pytest.mark.parametrize("stateless", [False, True], ids=["handshake", "stateless"])
async def test_the_list_is_two_tools(searched: McpClient, stateless: bool) -> None:
    begin = searched.stateless if stateless else searched.ask
    answer = await (await begin("tools/list")).result()
    assert [tool["name"] for tool in answer["result"]["tools"]] == ["call_tool", "find_tools"]


async def test_what_is_found_can_be_called(searched: McpClient, origin: Origin) -> None:
    [tool, *_] = good(await (await searched.call("find_tools", {"query": "refund"})).result())[
        "tools"
    ]
    assert tool["name"] == "refundPayment"
    assert tool["inputSchema"]["type"] == "object"
    answer = await (await searched.call("call_tool", wrapped(tool["name"], a=1))).result()
    assert good(answer)["target"] == "/refundPayment"
    assert orjson.loads(origin.seen[0].body) == {"a": 1}


@pytest.mark.parametrize("stateless", [False, True], ids=["handshake", "stateless"])
async def test_a_tool_is_called_by_its_own_name_too(searched: McpClient, stateless: bool) -> None:
    begin = searched.stateless if stateless else searched.ask
    answer = await (await begin("tools/call", {"name": "listCustomers"})).result()
    assert good(answer)["target"] == "/listCustomers"


async def test_finding_costs_the_function_nothing(searched: McpClient, origin: Origin) -> None:
    assert set(await found(searched, "customers")) == {"listCustomers", "deleteCustomer"}
    assert await found(searched, "zebra") == []
    assert origin.visits == 0


async def test_a_token_finds_and_calls_its_own_tools_alone(searched: McpClient) -> None:
    edge = searched.edge
    token = edge.mint("some", scopes=["tool:listCustomers"]).secret
    async with connected(edge, searched.version, token) as some:
        assert await found(some, "customer delete") == ["listCustomers"]
        for name in ("deleteCustomer", "unknown"):
            answer = await (await some.call("call_tool", wrapped(name))).result()
            assert refused(answer).startswith(f"Unknown tool: {name};")
        answer = await (await some.call("call_tool", wrapped("listCustomers"))).result()
        assert good(answer)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("find_tools", {}),
        ("find_tools", {"query": ""}),
        ("find_tools", {"query": "x" * 501}),
        ("find_tools", {"query": "x", "limit": 0}),
        ("call_tool", {}),
        ("call_tool", {"name": 1}),
        ("call_tool", {"name": "echo", "arguments": []}),
        ("call_tool", {"name": "call_tool", "arguments": {"name": "echo"}}),
    ],
)
async def test_bad_arguments_are_errors_for_the_model(
    searched: McpClient, origin: Origin, name: str, arguments: Any
) -> None:
    assert refused(await (await searched.call(name, arguments)).result())
    assert origin.visits == 0


async def test_calls_that_were_found_are_cancelled_and_streamed_like_others(
    searched: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": hold})
    session = await searched.session()
    reading = await searched.call(
        "call_tool", wrapped("hold"), id=1, session=session, meta={"progressToken": 1}
    )
    assert (await reading.head()).one("content-type") == "text/event-stream"
    await until(lambda: origin.seen)
    await searched.cancel(1, session)
    assert (await reading.result())["error"]["code"] == -32800
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_tools_of_a_deploy_are_found_at_once(searched: McpClient, origin: Origin) -> None:
    assert await found(searched, "zebra") == []
    described = document("echo", **operation("feed", summary="Feed a zebra"))
    searched.edge.deploy(origin.upstream, document=described, **SEARCH)
    assert await found(searched, "zebra") == ["feed"]


async def test_switching_search_on_or_off_is_a_change_of_the_list(
    mcp: McpClient, origin: Origin
) -> None:
    reading = await mcp.listen({"toolsListChanged": True})
    await reading.message()
    for config in (SEARCH, {}):
        mcp.edge.deploy(origin.upstream, document=document("echo"), **config)
        with anyio.fail_after(3):
            assert (await reading.message())["method"] == "notifications/tools/list_changed"
    answer = await (await mcp.call("find_tools", {"query": "x"})).result()
    assert answer["error"]["code"] == -32602
    assert "echo" in text_of(await (await mcp.call("echo")).result())
