"""Plain HTTP through the whole edge, on each version: what is sent arrives, and comes back."""

import hashlib
import re

import anyio
import pytest

from tests.support.calling import Caller
from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import Answer, request
from tests.support.origin import OK, Origin, Visit, answering, serving

TARGETS = [
    "/",
    "/a%2Fb/%7e/%C3%BC",
    "/a?",
    "/a?b=c&b=%26",
    "/a//b/./../c",
    "/%2e%2e/x",
    "/a;v=1",
    "/shop/mcp",
    "/?a?b",
    "//double/slash",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_the_raw_target_arrives_as_it_was_sent(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str
) -> None:
    edge.deploy(origin.upstream)
    assert (await caller.ask(target)).status == 200
    assert origin.seen[0].target == target.encode()


@pytest.mark.parametrize(
    ("target", "seen"),
    [("/shop", "/"), ("/shop?a", "/?a"), ("/shop/a%2Fb?", "/a%2Fb?"), ("/shop//a", "//a")],
)
async def test_path_form_takes_the_slug_away_and_tells_the_function(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str, seen: str
) -> None:
    edge.deploy(origin.upstream)
    assert (await caller.ask(target, host="127.0.0.1:8080")).status == 200
    assert origin.seen[0].target == seen.encode()
    assert origin.seen[0].values(b"x-forwarded-prefix") == [b"/shop"]
    assert origin.seen[0].values(b"x-forwarded-host") == [b"127.0.0.1:8080"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_authority_of_an_absolute_target_counts(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    edge.deploy(origin.upstream)
    answer = await Caller(edge, version).ask("http://SHOP.fn.localhost:99/a?b", host="elsewhere")
    assert answer.status == 200
    assert origin.seen[0].target == b"/a?b"
    assert origin.seen[0].values(b"x-forwarded-host") == [b"SHOP.fn.localhost:99"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
async def test_a_method_that_the_function_allows_arrives(
    edge: EdgeInProcess, origin: Origin, caller: Caller, method: str
) -> None:
    edge.deploy(origin.upstream, methods=[method])
    answer = await caller.ask("/", method, body=b"x")
    assert (answer.status, answer.body, answer.whole) == (200, b"x", True)
    assert origin.seen[0].method == method.encode()


async def test_end_to_end_headers_arrive_in_order_and_hop_by_hop_ones_do_not(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    sent = [
        ("accept", "text/html"),
        ("x-many", "one"),
        ("keep-alive", "timeout=5"),
        ("x-many", "two, three"),
        ("connection", "keep-alive, x-named"),
        ("x-named", "gone"),
        ("te", "trailers"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("authorization", "Bearer of-the-function"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
        ("x-empty", ""),
    ]
    assert (await Caller(edge, "1.1").ask(fields=sent)).status == 200
    seen = origin.seen[0]
    assert seen.values(b"x-many") == [b"one", b"two, three"]
    assert seen.values(b"authorization") == [b"Bearer of-the-function"]
    assert seen.values(b"te") == [b"trailers"]
    gone = (b"keep-alive", b"x-named", b"proxy-connection", b"upgrade", b"http2-settings")
    assert not [name for name in gone if seen.values(name)]
    assert not seen.values(b"proxy-authorization")


async def test_cookies_split_over_http2_arrive_as_one_field(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    await Caller(edge, "2").ask(fields=[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")])
    assert origin.seen[0].values(b"cookie") == [b"a=1; b=2"]


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
async def test_a_body_with_a_length_goes_both_ways(
    edge: EdgeInProcess, origin: Origin, caller: Caller, size: int
) -> None:
    edge.deploy(origin.upstream)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with anyio.fail_after(10):
        answer = await caller.ask("/", "POST", [("content-length", str(size))], body)
    assert (answer.status, answer.whole) == (200, True)
    assert answer.body == body
    assert origin.seen[0].values(b"content-length") == [b"%d" % size] if size else True


async def test_a_chunked_body_arrives_chunked(edge: EdgeInProcess, origin: Origin) -> None:
    edge.deploy(origin.upstream)
    sent = [("x-jelou-token", edge.token), ("transfer-encoding", "chunked")]
    async with edge.http1() as client:
        await client.send(request("/", "POST", sent) + b"5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\n\r\n")
        answer = await client.answer()
    assert (answer.body, answer.whole) == (b"hello!", True)
    assert origin.seen[0].values(b"transfer-encoding") == [b"chunked"]
    assert not origin.seen[0].values(b"content-length")


async def test_a_connection_serves_request_after_request(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        for number in range(20):
            body = b"%d" % number
            answer = await client.ask("/", "POST", [("x-jelou-token", edge.token)], body)
            assert (answer.status, answer.body) == (200, body)
    assert origin.visits == 1


async def test_pipelined_requests_are_answered_in_order(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    sent = [("x-jelou-token", edge.token)]
    async with edge.http1() as client:
        await client.send(b"".join(request("/", "POST", sent, b"%d" % n) for n in range(5)))
        assert [(await client.answer()).body for _ in range(5)] == [b"%d" % n for n in range(5)]


async def test_requests_on_one_http2_connection_overlap(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def first_waits(visit: Visit) -> None:
        seen = await visit.request()
        if seen.target == b"/slow":
            await visit.origin.cue.wait()
        await visit.send(OK)

    origin.behaviour = first_waits
    edge.deploy(origin.upstream)
    sent = [("x-jelou-token", edge.token)]
    with anyio.fail_after(5):
        async with edge.http2() as client:
            slow = await client.begin("/slow", fields=sent)
            assert (await client.ask("/fast", fields=sent)).body == b"ok"
            origin.cue.set()
            assert (await client.answer(slow)).body == b"ok"


HEADS = {
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\netag: x\r\n\r\n"),
    "HEAD chunked": ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: x\r\n\r\n"),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\netag: x\r\n\r\n"),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 12345\r\netag: x\r\n\r\n"),
    "304 bare": ("GET", b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"),
}


@pytest.mark.parametrize(("method", "sent"), HEADS.values(), ids=HEADS.keys())
async def test_an_answer_without_a_body_stays_one(
    edge: EdgeInProcess, origin: Origin, caller: Caller, method: str, sent: bytes
) -> None:
    if caller.version == "2" and b"304" in sent and b"12345" in sent:
        pytest.skip("h2's client takes the length of a 304 for that of a body")
    origin.behaviour = answering(sent)
    edge.deploy(origin.upstream)
    answer = await caller.ask("/", method)
    assert answer.status == int(sent[9:12])
    assert answer.one("etag") == "x"
    assert (answer.body, answer.whole) == (b"", True)
    expected = ["12345"] if b"12345" in sent else []
    assert answer.all("content-length") == expected


async def test_the_connection_goes_on_after_an_answer_without_a_body(
    edge: EdgeInProcess, origin: Origin
) -> None:
    rows = list(HEADS.values())

    async def by_number(visit: Visit) -> None:
        while True:
            seen = await visit.request()
            await visit.send(rows[int(seen.target[1:])][1])

    origin.behaviour = by_number
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        for number, (method, sent) in enumerate(rows):
            answer = await client.ask(f"/{number}", method, [("x-jelou-token", edge.token)])
            assert answer.status == int(sent[9:12])
    assert origin.visits == 1


async def test_a_functions_answer_comes_back_as_it_was_sent(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = answering(
        b"HTTP/1.1 418 I'm a teapot\r\nX-Case: MiXed\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
        b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\nkeep-alive: timeout=5\r\nserver: origin\r\n"
        b"content-length: 2\r\n\r\nno"
    )
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    assert (answer.status, answer.body) == (418, b"no")
    assert answer.one("x-case") == "MiXed"
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.one("date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert answer.one("server") == "origin"
    assert not answer.all("keep-alive")
    assert not answer.all("x-jelou-error-source")


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

EVERYWHERE = {
    "function": ("/", "GET", True),
    "401": ("/", "GET", False),
    "405": ("/", "BREW", True),
    "health": ("/__health", "GET", False),
    "openapi 404": ("/openapi.json", "GET", False),
    "discovery": ("/.well-known/oauth-protected-resource", "GET", False),
    "trace": ("/", "TRACE", True),
    "mcp 401": ("/mcp", "POST", False),
    "mcp": ("/mcp", "GET", True),
}


@pytest.mark.parametrize(("target", "method", "token"), EVERYWHERE.values(), ids=EVERYWHERE.keys())
async def test_every_answer_has_one_date_and_one_request_id(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str, method: str, token: bool
) -> None:
    edge.deploy(origin.upstream)
    given = "" if token else None
    answer = await caller.ask(target, method, token=given)
    assert UUID.fullmatch(answer.one("x-request-id"))
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answer.one("date"))
    answer = await caller.ask(target, method, [("x-request-id", "my.id_1-2")], token=given)
    assert answer.one("x-request-id") == "my.id_1-2"
    answer = await caller.ask(target, method, [("x-request-id", "no good")], token=given)
    assert UUID.fullmatch(answer.one("x-request-id"))


async def test_the_request_id_is_the_same_for_caller_and_function(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    assert origin.seen[0].values(b"x-request-id") == [answer.one("x-request-id").encode()]


def _cached(answer: Answer) -> tuple[list[str], list[str]]:
    return answer.all("vary"), answer.all("cache-control")


async def test_a_checked_answer_is_for_no_shared_cache(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    assert _cached(await caller.ask()) == (["X-Jelou-Token"], ["private"])
    origin.behaviour = answering(OK.replace(b"content", b"cache-control: max-age=9\r\ncontent"))
    origin.visits = 0
    async with serving(origin.behaviour) as other:
        edge.deploy(other.upstream)
        assert _cached(await caller.ask()) == (["X-Jelou-Token"], ["max-age=9"])
        edge.deploy(other.upstream, public=True)
        assert _cached(await caller.ask(token=None)) == ([], ["max-age=9"])


async def test_what_the_edge_itself_answers_past_the_token_is_for_no_shared_cache(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    document = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": {}}
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    typed = [("content-type", "application/json")]
    edge.deploy(origin.upstream, document=document, openRoutes=False)
    checked = (["X-Jelou-Token"], ["private"])
    assert _cached(await caller.ask("/mcp", "POST", typed, ping)) == checked
    assert _cached(await caller.ask("/openapi.json")) == checked
    assert _cached(await caller.ask("/mcp", "POST", typed, b"{")) == (checked[0], ["no-store"])
    edge.deploy(origin.upstream, document=document, public=True)
    assert _cached(await caller.ask("/mcp", "POST", typed, ping, token=None)) == ([], [])
    assert _cached(await caller.ask("/openapi.json", token=None)) == ([], [])


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_tens_of_megabytes_stream_both_ways_at_once(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    size, piece = 24 * 1024 * 1024, 65_536

    async def mirror(visit: Visit) -> None:
        await visit.head()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        left = size
        while left:
            data = await visit.reader.read(min(piece, left))
            left -= len(data)
            await visit.send(data)

    origin.behaviour = mirror
    edge.deploy(origin.upstream, limits={"body": None})
    block = hashlib.sha256(b"block").digest() * (piece // 32)
    sent = [("x-jelou-token", edge.token), ("content-length", str(size))]

    with anyio.fail_after(30):
        if version == "2":
            async with edge.http2() as client, anyio.create_task_group() as tasks:
                stream = await client.begin("/", "POST", sent, end=False)

                async def upload() -> None:
                    for _ in range(size // piece):
                        await client.send(stream, block)
                    await client.send(stream, end=True)

                tasks.start_soon(upload)
                answer = await client.answer(stream)
        else:
            async with edge.http1() as raw, anyio.create_task_group() as tasks:
                await raw.send(request("/", "POST", sent))

                async def send() -> None:
                    for _ in range(size // piece):
                        await raw.send(block)

                tasks.start_soon(send)
                answer = await raw.answer()
    assert answer.whole
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(block * (size // piece)).digest()


async def test_100_continue_is_sent_once_the_gate_has_let_the_request_in(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    sent = [("expect", "100-continue"), ("content-length", "2")]
    async with edge.http1() as client:
        await client.send(request("/", "POST", [*sent, ("x-jelou-token", edge.token)]))
        with anyio.fail_after(5):
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        assert (await client.answer()).body == b"hi"
    assert not origin.seen[0].values(b"expect")


async def test_100_continue_is_not_sent_to_whom_the_gate_refuses(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    sent = [("expect", "100-continue"), ("content-length", "2")]
    async with edge.http1() as client:
        with anyio.fail_after(3):
            answer = await client.ask("/", "POST", sent)
            assert (answer.status, answer.interim) == (401, [])
            assert answer.one("connection") == "close"
            assert await client.ending() == "closed"


async def test_trailers_of_the_function_reach_a_client_that_wants_them(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = answering(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
        b"2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
    )
    edge.deploy(origin.upstream)
    answer = await Caller(edge, "2").ask(fields=[("te", "trailers")])
    assert (answer.body, answer.whole, answer.trailers) == (b"ok", True, [("x-sum", "7")])
    answer = await Caller(edge, "2").ask()
    assert (answer.body, answer.whole, answer.trailers) == (b"ok", True, [])
