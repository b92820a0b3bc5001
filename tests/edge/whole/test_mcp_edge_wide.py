"""`/mcp` on the edge's own host: every function that the token may reach, on every way through."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.mcp_function import by_name, document, hold, says, whole
from tests.support.mcp_wire import EACH_WAY, WAYS, McpClient, connected, refused, text_of
from tests.support.origin import Origin, Seen, Visit, serving
from tokens.model import EDGE_WIDE

EVERY = "*"


@pytest.fixture(params=EACH_WAY)
async def way(request: Any, tmp_path: Path) -> AsyncIterator[tuple[EdgeInProcess, str]]:
    """An edge, and the version of HTTP by which it is asked."""
    fast, version = WAYS[request.param]
    async with running(tmp_path, fast_lane=fast) as edge:
        yield edge, version


@asynccontextmanager
async def two(edge: EdgeInProcess, **config: Any) -> AsyncIterator[tuple[Origin, Origin]]:
    """Functions `shop` and `desk`, each of which has a tool `echo` and one of its own."""
    async with (
        serving(by_name({"sell": says({"sold": 1})})) as shop,
        serving(by_name({"open": says({"opened": 1}), "hold": hold})) as desk,
    ):
        edge.deploy(shop.upstream, "shop", document=document("echo", "sell"))
        edge.deploy(desk.upstream, "desk", document=document("echo", "open", "hold"), **config)
        edge.tokens[EVERY] = edge.token_service.create(EDGE_WIDE, "every").secret
        yield shop, desk


@asynccontextmanager
async def client(way: tuple[EdgeInProcess, str], token: str = "") -> AsyncIterator[McpClient]:
    """A client of the edge's own address; of the edge-wide token unless said otherwise."""
    edge, version = way
    async with connected(edge, version, token or edge.tokens[EVERY], edge.address) as made:
        yield made


async def names(asker: McpClient) -> list[str]:
    """What both eras list, which has to be one and the same."""
    legacy = await (await asker.ask("tools/list")).result()
    modern = await (await asker.stateless("tools/list")).result()
    found = [tool["name"] for tool in legacy["result"]["tools"]]
    assert [tool["name"] for tool in modern["result"]["tools"]] == found
    return found


def value(answer: Any) -> Any:
    """What a function answered, as JSON."""
    return json.loads(text_of(answer))


def scoped(edge: EdgeInProcess, *scopes: str, slug: str = EDGE_WIDE) -> str:
    return edge.token_service.create(slug, "-".join(scopes)[:60], scopes=scopes).secret


async def test_a_list_holds_the_tools_of_every_function_in_the_order_of_their_names(
    way: Any,
) -> None:
    async with two(way[0]), client(way) as asker:
        found = await names(asker)
        assert found == ["desk__echo", "desk__hold", "desk__open", "shop__echo", "shop__sell"]


async def test_a_token_of_one_function_sees_and_calls_that_function_alone(way: Any) -> None:
    async with two(way[0]), client(way, way[0].tokens["shop"]) as asker:
        assert await names(asker) == ["shop__echo", "shop__sell"]
        ours = await (await asker.call("shop__sell")).result()
        assert value(ours) == {"sold": 1}
        theirs = await (await asker.call("desk__open")).result()
        assert theirs["error"]["code"] == -32602


async def test_a_call_reaches_the_function_that_the_name_says(way: Any) -> None:
    async with two(way[0]) as (shop, desk), client(way) as asker:
        modern = {"name": "desk__echo", "arguments": {}}
        for reading in (
            await asker.call("desk__echo"),
            await asker.stateless("tools/call", modern),
        ):
            assert value(await reading.result())["target"] == "/echo"
        assert (len(desk.seen), len(shop.seen)) == (2, 0)
        fields = {n.lower(): v for n, v in desk.seen[-1].headers}
        assert desk.seen[-1].target == b"/echo"
        assert fields[b"x-jelou-function"] == b"desk"
        assert fields[b"x-jelou-trigger"] == b"mcp"
        assert fields[b"x-forwarded-prefix"] == b"/desk"
        assert fields[b"x-jelou-token-name"] == b"every"
        assert way[0].tokens[EVERY].encode() not in desk.seen[-1].raw


async def test_a_call_after_a_start_needs_no_list(way: Any) -> None:
    async with two(way[0]), client(way) as asker:
        answer = await (await asker.call("shop__sell")).result()
        assert value(answer) == {"sold": 1}


@pytest.mark.parametrize(
    "name", ["echo", "shop_echo", "none__echo", "shop__none", "__echo", "shop__", "shop", "x" * 64]
)
async def test_any_other_name_is_an_unknown_tool(way: Any, name: str) -> None:
    async with two(way[0]), client(way) as asker:
        for reading in (
            await asker.call(name),
            await asker.stateless("tools/call", {"name": name, "arguments": {}}),
        ):
            assert (await reading.result())["error"]["code"] == -32602


async def test_without_a_good_token_it_is_401_for_the_realm_edge(way: Any) -> None:
    async with two(way[0]), client(way, "jfn_rt_" + "0" * 38) as asker:
        answer = await (await asker.ask("tools/list")).end()
        assert answer.status == 401
        assert answer.one("www-authenticate") == 'JelouToken realm="edge"'
        assert answer.json == {
            "error": "Unauthorized",
            "message": "Missing or invalid X-Jelou-Token header",
        }


async def test_its_errors_are_those_of_json_rpc(way: Any) -> None:
    edge = way[0]
    async with two(edge), client(way) as asker, client(way, scoped(edge, "http")) as other:
        strange = [("origin", "http://page.example")]
        for reading in (
            await other.ask("tools/list"),
            await asker.ask("tools/list", fields=strange),
        ):
            answer = await reading.end()
            assert answer.status == 403
            assert answer.json["error"]["data"]["code"] == "forbidden"
        put = await (await asker.begin("PUT", body=b"{}")).end()
        assert put.status == 405
        assert put.json["jsonrpc"] == "2.0"


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ("tool:shop__echo", ["shop__echo"]),
        ("tool:echo", ["desk__echo", "shop__echo"]),
        ("mcp", ["desk__echo", "desk__hold", "desk__open", "shop__echo", "shop__sell"]),
    ],
)
async def test_scopes_name_a_tool_of_one_function_or_of_all(
    way: Any, scope: str, seen: list[str]
) -> None:
    edge = way[0]
    async with two(edge), client(way, scoped(edge, scope)) as asker:
        assert await names(asker) == seen
        assert text_of(await (await asker.call("shop__echo")).result())
        unseen = {"desk__open", "shop__sell"} - set(seen)
        for name in unseen:
            assert (await (await asker.call(name)).result())["error"]["code"] == -32602


async def test_a_scope_with_the_function_opens_the_tool_at_the_functions_own_address_too(
    way: Any,
) -> None:
    edge, version = way
    token = scoped(edge, "tool:shop__echo")
    async with two(edge):
        async with connected(edge, version, token) as asker:
            listed = (await (await asker.ask("tools/list")).result())["result"]["tools"]
            assert [tool["name"] for tool in listed] == ["echo"]
            assert text_of(await (await asker.call("echo")).result())
        async with connected(edge, version, token, "desk.fn.localhost") as asker:
            assert (await (await asker.ask("tools/list")).result())["result"]["tools"] == []


async def test_functions_without_mcp_and_mcp_servers_are_left_out(way: Any) -> None:
    edge = way[0]
    async with two(edge, mcp=False) as (shop, _), client(way) as asker:
        edge.deploy(shop.upstream, "server", mcp={"upstream": "/mcp"})
        assert await names(asker) == ["shop__echo", "shop__sell"]
        for name in ("desk__echo", "server__echo"):
            assert (await (await asker.call(name)).result())["error"]["code"] == -32602


async def test_a_functions_own_limits_hold(way: Any) -> None:
    edge = way[0]
    config: dict[str, Any] = {"limits": {"body": 20}, "timeout": 100}
    async with two(edge, **config) as (_, desk), client(way) as asker:
        big = await (await asker.call("desk__echo", {"text": "x" * 100})).result()
        assert "limit" in refused(big)
        late = await (await asker.call("desk__hold")).result()
        assert "timeout" in refused(late)
        assert [seen.target for seen in desk.seen] == [b"/hold"]


async def test_a_functions_headers_are_carried_to_that_function_alone(way: Any) -> None:
    async with two(way[0], mcp={"forwardHeaders": ["X-Tenant"]}) as (shop, desk):
        async with client(way) as asker:
            for name in ("shop__echo", "desk__echo"):
                await (await asker.call(name, fields=[("x-tenant", "acme")])).result()
        assert desk.seen[-1].values(b"x-tenant") == [b"acme"]
        assert shop.seen[-1].values(b"x-tenant") == []


async def test_a_function_that_is_down_fails_its_calls_and_nothing_else(way: Any) -> None:
    edge = way[0]
    async with serving(by_name({})) as gone:
        upstream = gone.upstream
    async with two(edge), client(way) as asker:
        edge.deploy(upstream, "down", document=document("echo"))
        assert "down__echo" in await names(asker)
        assert "reached" in refused(await (await asker.call("down__echo")).result())
        assert text_of(await (await asker.call("shop__echo")).result())


async def test_a_session_is_the_edges_and_the_tokens(way: Any) -> None:
    edge, version = way
    async with two(edge), client(way) as asker:
        session = await asker.session()
        listed = await (await asker.ask("tools/list", session=session)).end()
        assert listed.status == 200
        async with connected(edge, version, edge.tokens[EVERY]) as elsewhere:
            assert (await (await elsewhere.ask("ping", session=session)).end()).status == 404
        async with client(way, edge.tokens["shop"]) as other:
            assert (await (await other.ask("ping", session=session)).end()).status == 404
        ended = await (await asker.begin("DELETE", [("mcp-session-id", session)])).end()
        assert ended.status == 204
        assert (await (await asker.ask("ping", session=session)).end()).status == 404


async def asks_once(visit: Visit, seen: Seen) -> None:
    """Asks its client back, and says what it was told the second time."""
    told = orjson.loads(seen.values(b"x-jelou-mcp")[0])
    question = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
    asks = {
        "resultType": "input_required",
        "inputRequests": {"q": {"method": "elicitation/create", "params": question}},
        "requestState": "of this function",
    }
    said = {"content": [{"type": "text", "text": told.get("requestState", "")}]}
    result = said if "requestState" in told else asks
    await visit.send(whole(orjson.dumps(result), "application/vnd.mcp.result+json"))


async def test_the_state_of_a_call_is_good_for_no_other_function(way: Any) -> None:
    edge, version = way
    async with two(edge) as (shop, desk), client(way) as asker:
        shop.behaviour = desk.behaviour = by_name({"echo": asks_once})

        async def call(mcp: McpClient, name: str, **more: Any) -> Any:
            params = {"name": name, "arguments": {}, **more}
            meta = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
            return await (await mcp.stateless("tools/call", params, meta=meta)).result()

        state = (await call(asker, "shop__echo"))["result"]["requestState"]
        back = {"requestState": state, "inputResponses": {"q": {"action": "decline"}}}
        assert text_of(await call(asker, "shop__echo", **back)) == "of this function"
        assert (await call(asker, "desk__echo", **back))["error"]["code"] == -32602
        async with connected(edge, version, edge.tokens[EVERY]) as own:
            assert (await call(own, "echo", **back))["error"]["code"] == -32602


async def test_it_says_whose_tools_these_are(way: Any) -> None:
    async with two(way[0]), client(way) as asker:
        shaken = (await (await asker.initialize()).result())["result"]
        assert shaken["serverInfo"]["name"] == "edge"
        assert "functions" in shaken["instructions"]
        assert shaken["capabilities"]["tools"]["listChanged"] is True


CHANGED = "notifications/tools/list_changed"


async def test_a_change_of_any_function_reaches_the_streams_whose_list_it_changes(way: Any) -> None:
    edge = way[0]
    async with two(edge) as (origin, desk), AsyncExitStack() as stack:
        wide = await stack.enter_async_context(client(way))
        shop = await stack.enter_async_context(client(way, edge.tokens["shop"]))
        session = await wide.session()
        stream = await wide.watch(session)
        listening = await wide.listen({"toolsListChanged": True})
        apart = await shop.watch(await shop.session())
        for reading in (stream, apart):
            await reading.frame()
        assert (await listening.message())["method"].endswith("acknowledged")
        edge.deploy(desk.upstream, "desk", document=document("echo", "open", "hold", "shut"))
        for reading in (stream, listening):
            assert (await reading.message())["method"] == CHANGED
        assert "desk__shut" in await names(wide)
        edge.delete("desk")
        for reading in (stream, listening):
            assert (await reading.message())["method"] == CHANGED
        assert await names(wide) == ["shop__echo", "shop__sell"]
        edge.deploy(origin.upstream, "shop", document=document("echo"))
        assert (await apart.message())["method"] == CHANGED
        edge.delete("shop")
        assert await apart.rest() == []  # it was told of its own change, and of no other


async def test_a_stream_ends_with_the_function_of_its_token(way: Any) -> None:
    edge = way[0]
    async with two(edge), client(way, edge.tokens["shop"]) as asker:
        stream = await asker.watch(await asker.session())
        await stream.frame()
        edge.delete("shop")
        assert (await stream.end()).status == 200


async def test_a_new_function_is_there_on_the_next_request(way: Any) -> None:
    edge = way[0]
    async with two(edge) as (shop, _), client(way) as asker:
        await names(asker)
        edge.deploy(shop.upstream, "late", document=document("sell"))
        assert "late__sell" in await names(asker)
        answer = await (await asker.call("late__sell")).result()
        assert value(answer) == {"sold": 1}


async def test_names_of_long_slugs_are_cut_and_callable(way: Any) -> None:
    edge = way[0]
    slugs = ["s" * 62 + end for end in "ab"]
    async with two(edge) as (shop, desk), client(way) as asker:
        edge.deploy(shop.upstream, slugs[0], document=document("sell"))
        edge.deploy(desk.upstream, slugs[1], document=document("open"))
        found = [name for name in await names(asker) if name.startswith("ss")]
        assert len(found) == 2
        assert {len(name) for name in found} == {64}
        answers = [(await (await asker.call(name)).result()) for name in found]
        values = [value(answer) for answer in answers]
        assert sorted(str(value) for value in values) == ["{'opened': 1}", "{'sold': 1}"]


async def test_a_function_in_search_mode_is_two_tools(way: Any) -> None:
    async with two(way[0], mcp={"search": True}), client(way) as asker:
        assert await names(asker) == [
            "desk__call_tool",
            "desk__find_tools",
            "shop__echo",
            "shop__sell",
        ]
        found = await (await asker.call("desk__find_tools", {"query": "open"})).result()
        assert '"desk__open"' in text_of(found)
        wanted = {"name": "desk__open", "arguments": {}}
        called = await (await asker.call("desk__call_tool", wanted)).result()
        assert value(called) == {"opened": 1}
        crossed = {"name": "shop__sell", "arguments": {}}
        assert refused(await (await asker.call("desk__call_tool", crossed)).result())


async def test_tools_of_a_public_function_need_a_token_here_and_no_scope(way: Any) -> None:
    edge = way[0]
    async with two(edge, public=True), client(way, scoped(edge, "tool:sell")) as asker:
        assert await names(asker) == ["desk__echo", "desk__hold", "desk__open", "shop__sell"]


async def test_long_lists_come_in_pages(way: Any) -> None:
    edge = way[0]
    async with two(edge) as (shop, _), client(way) as asker:
        many = document(*(f"tool{number:03}" for number in range(400)))
        for slug in ("one", "two", "three"):
            edge.deploy(shop.upstream, slug, document=many)
        first = (await (await asker.ask("tools/list")).result())["result"]
        assert len(first["tools"]) == 1000
        cursor = {"cursor": first["nextCursor"]}
        rest = (await (await asker.ask("tools/list", cursor)).result())["result"]
        assert "nextCursor" not in rest
        every = [tool["name"] for tool in (*first["tools"], *rest["tools"])]
        assert every == sorted(set(every))
        assert len(every) == 1205


@contextmanager
def unreadable(edge: EdgeInProcess, slug: str) -> Iterator[None]:
    """A function's document cannot be read from the store: it is text that is not UTF-8."""
    function = edge.registry.function(slug)
    assert function is not None
    which = (function.live.id,)
    with closing(sqlite3.connect(edge.store.path, isolation_level=None)) as store:
        query = "SELECT content FROM documents WHERE deployment = ?"
        good = store.execute(query, which).fetchone()
        change = "UPDATE documents SET content = {} WHERE deployment = ?"
        store.execute(change.format("CAST(x'ff' AS TEXT)"), which)
        yield
        store.execute(change.format("?"), good + which)


async def test_a_function_whose_tools_cannot_be_read_is_left_out_until_they_can(way: Any) -> None:
    edge = way[0]
    async with two(edge), client(way) as asker:
        with unreadable(edge, "desk"):
            assert await names(asker) == ["shop__echo", "shop__sell"]
            assert "store" in refused(await (await asker.call("desk__open")).result())
            assert text_of(await (await asker.call("shop__echo")).result())
        assert value(await (await asker.call("desk__open")).result()) == {"opened": 1}
        with anyio.fail_after(10):
            while not await _lists(asker, b"desk__open"):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)


async def _lists(asker: McpClient, name: bytes) -> bool:
    return name in (await (await asker.ask("tools/list")).end()).body


async def test_no_new_request_is_taken_while_the_edge_shuts_down(way: Any) -> None:
    edge = way[0]
    async with two(edge), client(way) as asker:
        edge.edge.state.draining = True
        answer = await (await asker.ask("tools/list")).end()
        assert answer.status == 503
        assert answer.json["error"]["data"]["code"] == "draining"
