"""Rate limits on every way through the edge: MCP of every kind, HTTP/2, WebSockets."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.edge.whole.test_mcp_edge_wide import client, scoped, two, value, way
from tests.support.calling import TOKEN, Caller
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.mcp_wire import connected
from tests.support.origin import Origin
from tests.support.websockets import echo, handshake, speaks
from tokens.model import EDGE_WIDE

__all__ = ["way"]


def limited(answer: Any) -> bool:
    """Whether an answer is the 429, in JSON-RPC, whole."""
    if answer.status != 429:
        return False
    assert int(answer.one("retry-after")) >= 1
    assert answer.all("ratelimit-policy")
    error = answer.json["error"]
    assert error["data"] == {"code": "rate_limited", "requestId": answer.one("x-request-id")}
    return True


async def test_calls_at_the_edges_own_mcp_count_against_the_token_and_their_function(
    way: Any,
) -> None:
    edge = way[0]
    async with two(edge, limits={"rate": "2/d"}) as (shop, desk):
        token = edge.token_service.create(EDGE_WIDE, "rated", rate="9/d").secret
        async with client(way, token) as asker:
            listed = await (await asker.ask("tools/list")).end()
            assert listed.one("ratelimit") == '"token";r=8;t=9600'
            first = await (await asker.call("desk__open")).end()
            assert first.all("ratelimit") == ['"token";r=7;t=19200, "function";r=1;t=43200']
            modern = {"name": "desk__open", "arguments": {}}
            assert not limited(await (await asker.stateless("tools/call", modern)).end())
            assert limited(await (await asker.call("desk__open")).end())
            assert limited(await (await asker.stateless("tools/call", modern)).end())
            assert value(await (await asker.call("shop__sell")).result()) == {"sold": 1}
            assert (len(desk.seen), len(shop.seen)) == (2, 1)
            rest = [limited(await (await asker.ask("ping")).end()) for _ in range(5)]
            assert rest == [False] * 3 + [True] * 2
            assert limited(await (await asker.call("shop__sell")).end())


async def test_calls_of_tools_that_are_not_the_callers_take_nothing_from_a_function(
    way: Any,
) -> None:
    edge = way[0]
    async with two(edge, limits={"rate": "1/d"}) as (_, desk):
        async with client(way, scoped(edge, "tool:shop__sell")) as asker:
            for _ in range(3):
                refused = await (await asker.call("desk__open")).result()
                assert refused["error"]["code"] == -32602
        async with client(way) as asker:
            assert value(await (await asker.call("desk__open")).result()) == {"opened": 1}
            assert limited(await (await asker.call("desk__echo")).end())
        assert len(desk.seen) == 1


async def test_a_call_at_its_functions_own_mcp_is_counted_once(way: Any) -> None:
    edge, version = way
    async with two(edge, limits={"rate": "3/d"}) as (_, desk):
        host = "desk.fn.localhost"
        async with connected(edge, version, edge.tokens["desk"], host) as asker:
            for r in (2, 1, 0):
                answer = await (await asker.call("open")).end()
                assert answer.one("ratelimit").startswith(f'"function";r={r};')
            assert limited(await (await asker.call("open")).end())
        assert len(desk.seen) == 3


async def test_a_rotation_changes_nothing_about_what_is_left(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    before = edge.mint("rated", rate="3/d").secret
    caller = Caller(edge, "1.1")
    assert (await caller.ask(token=before)).one("ratelimit") == '"token";r=2;t=28800'
    after = edge.token_service.rotate("shop", "rated", overlap=60.0).secret
    assert (await caller.ask(token=after)).one("ratelimit") == '"token";r=1;t=57600'
    assert (await caller.ask(token=before)).one("ratelimit").startswith('"token";r=0;')
    assert (await caller.ask(token=after)).status == 429


async def test_every_version_of_http_is_counted(caller: Caller, origin: Origin) -> None:
    edge = caller.edge
    edge.deploy(origin.upstream, limits={"rate": "2/d"})
    answers = [await caller.ask() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.one("ratelimit") for answer in answers] == [
        '"function";r=1;t=43200',
        '"function";r=0;t=43200',
        '"function";r=0;t=43200',
    ]
    assert answers[-1].json["code"] == "rate_limited"
    assert answers[-1].one("retry-after") == "43200"
    assert "RateLimit, RateLimit-Policy" in answers[0].one("access-control-expose-headers")
    assert len(origin.seen) == 2


async def test_a_function_that_tells_of_limits_of_its_own_is_relayed(
    caller: Caller, origin: Origin
) -> None:
    async def tells(visit: Any) -> None:
        await visit.send(
            b'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nratelimit: "own";r=1;t=2\r\n\r\n'
        )

    origin.behaviour = tells
    caller.edge.deploy(origin.upstream, limits={"rate": "2/d"})
    answer = await caller.ask()
    assert answer.all("ratelimit") == ['"own";r=1;t=2', '"function";r=1;t=43200']


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "asgi"])
async def test_a_tunnel_is_one_request(tmp_path: Path, origin: Origin, fast: bool) -> None:
    async with running(tmp_path, fast_lane=fast) as edge:
        origin.behaviour = speaks(echo)
        edge.deploy(origin.upstream, limits={"rate": "2/d"})
        fields = [(TOKEN, edge.token)]
        for left in (1, 0):
            async with edge.http1() as client:
                answer = await handshake(client, "/", fields)
                assert answer.status == 101
                assert answer.one("ratelimit") == f'"function";r={left};t=43200'
        async with edge.http1() as client:
            assert (await handshake(client, "/", fields)).status == 429
        assert len(origin.seen) == 2


async def test_the_throttle_at_the_edges_own_mcp_answers_in_json_rpc(tmp_path: Path) -> None:
    async with running(tmp_path, auth_failures=2) as edge:
        for fast_again in range(2):
            async with connected(edge, "1.1", "jfn_rt_x", edge.address) as asker:
                answers = [await (await asker.ask("ping")).end() for _ in range(3)]
                expected = [401, 401, 429] if not fast_again else [429] * 3
                assert [answer.status for answer in answers] == expected
                error = answers[-1].json["error"]
                assert error["data"]["code"] == "rate_limited"
                assert answers[-1].one("retry-after") == "30"


async def test_a_thousand_addresses_that_fail_do_not_keep_a_good_token_out(
    tmp_path: Path, origin: Origin
) -> None:
    trusting = {"trusted_proxies": ("127.0.0.0/8",), "auth_failures": 1}
    async with running(tmp_path, **trusting) as edge, edge.http1() as http1:  # type: ignore[arg-type]
        edge.deploy(origin.upstream)
        host = "shop.fn.localhost"
        seen = []
        for number in range(1000):
            address = f"10.1.{number // 250}.{number % 250}"
            answer = await http1.ask("/", "GET", [("X-Forwarded-For", address)], host=host)
            seen.append(answer.status)
        assert seen == [401] * 1000
        behind = [("X-Forwarded-For", "10.1.0.0")]
        assert (await http1.ask("/", "GET", behind, host=host)).status == 429
        good = [*behind, (TOKEN, edge.token)]
        assert (await http1.ask("/", "GET", good, host=host)).status == 200


async def test_the_throttle_holds_until_it_is_turned_off(tmp_path: Path, origin: Origin) -> None:
    for failures, last in ((1_000, 429), (None, 401)):
        async with (
            running(tmp_path / str(failures), auth_failures=failures) as edge,
            edge.http1() as http1,
        ):
            edge.deploy(origin.upstream)
            for _ in range(1_000):
                assert (await http1.ask("/", host="shop.fn.localhost")).status == 401
            bad = [await http1.ask("/", host="shop.fn.localhost") for _ in range(100)]
            assert bad[-1].status == last


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "asgi"])
async def test_a_connection_that_was_refused_is_served_once_its_token_has_earned_it(
    tmp_path: Path, origin: Origin, fast: bool
) -> None:
    async with running(tmp_path, fast_lane=fast) as edge, edge.http1() as http1:
        edge.deploy(origin.upstream)
        fields = [(TOKEN, edge.mint("rated", rate="20/s").secret)]
        statuses: list[int] = []
        with anyio.fail_after(20):
            while statuses.count(200) < 30:
                answer = await http1.ask("/", "GET", fields, host="shop.fn.localhost")
                statuses.append(answer.status)
        assert set(statuses) == {200, 429}
        assert len(origin.seen) == 30
