"""What the gate promises, as clients of each HTTP version see it."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.expected import DOCUMENT, is_exact_401
from tests.support.http1_client import Fields, Http1Client, request
from tests.support.http2_client import Http2Client
from tests.support.origin import (
    Origin,
    echoes,
    self_signed,
    serving,
)
from tokens.secret import RUNTIME, checksum

MADE_UP = (body := RUNTIME + "a" * 32) + checksum(body.encode())


@pytest.mark.parametrize("target", ["/", "/x", "/mcp", "/x?token=jfn", "/../x", "//", "/a%2fb"])
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
async def test_no_token_is_the_exact_401_everywhere(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str, method: str
) -> None:
    edge.deploy(origin.upstream)
    is_exact_401(await caller.ask(target, method, token=None))
    assert not origin.visits


CAUSES = {
    "unknown": [(TOKEN, MADE_UP)],
    "malformed": [(TOKEN, "jfn_rt_x")],
    "empty": [(TOKEN, "")],
    "over 4 KB": [(TOKEN, MADE_UP + "a" * 5000)],
    "not ASCII": [(TOKEN, "jfn_rt_ñ")],
    "elsewhere": [("authorization", f"Bearer {MADE_UP}")],
}


@pytest.mark.parametrize("fields", CAUSES.values(), ids=CAUSES.keys())
async def test_every_bad_token_is_the_exact_401(
    edge: EdgeInProcess, origin: Origin, caller: Caller, fields: Fields
) -> None:
    edge.deploy(origin.upstream)
    is_exact_401(await caller.ask(fields=fields, token=None))
    assert not origin.visits


async def test_a_good_token_is_refused_when_sent_twice_in_the_target_or_to_another_function(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    edge.deploy(origin.upstream, "other")
    is_exact_401(await caller.ask(fields=[(TOKEN, edge.token)]))
    is_exact_401(await caller.ask(f"/?x-jelou-token={edge.token}", token=None))
    is_exact_401(await caller.ask(host="other.fn.localhost"), "other")
    is_exact_401(await caller.ask("/other/", host="localhost"), "other")
    assert not origin.visits


async def test_a_token_bites_and_stops_biting_at_once(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    for number in range(10):
        minted = edge.mint(f"n{number}")
        assert (await caller.ask(token=minted.secret)).status == 200
        edge.revoke(f"n{number}")
        is_exact_401(await caller.ask(token=minted.secret))
    minted = edge.mint("short", expires=edge.store.clock() + 0.4)
    assert (await caller.ask(token=minted.secret)).status == 200
    await until(lambda: edge.store.clock() >= (minted.token.expires or 0))
    is_exact_401(await caller.ask(token=minted.secret))


async def test_a_warm_keep_alive_connection_sees_the_revocation(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token)]
    async with edge.http1() as http1, edge.http2() as http2:
        assert (await http1.ask(fields=sent)).status == 200
        assert (await http2.ask(fields=sent)).status == 200
        edge.revoke()
        is_exact_401(await http1.ask(fields=sent))
        is_exact_401(await http2.ask(fields=sent))


async def test_scopes_are_403_in_the_contracts_words(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    minted = edge.mint("narrow", scopes=["route:GET /orders/{id}"])
    assert (await caller.ask("/orders/7", token=minted.secret)).status == 200
    for target in ("/orders", "/orders/7/x", "/orders/../secret", "/orders/7%2fx", "/mcp"):
        answer = await caller.ask(target, token=minted.secret)
        assert (answer.status, answer.one("x-jelou-error-source")) == (403, "edge")
        assert b"forbidden" in answer.body


async def test_a_method_that_is_not_allowed_is_405_with_allow(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, methods=["GET"])
    answer = await caller.ask("/", "POST")
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert answer.one("allow") == "GET, HEAD"
    assert (await caller.ask("/", "HEAD")).status == 200


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("nowhere.fn.localhost", "/"),
        ("a.shop.fn.localhost", "/"),
        ("localhost", "/nowhere/x"),
        ("localhost", "/"),
        ("unknown.example", "/"),
        ("localhost", "/SHOP/"),
        ("localhost", "/%73hop/"),
    ],
)
async def test_what_is_not_there_is_one_and_the_same_404(
    edge: EdgeInProcess, origin: Origin, caller: Caller, host: str, target: str
) -> None:
    edge.deploy(origin.upstream)
    answer = await caller.ask(target, host=host)
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.json["message"] == "There is nothing at this address."
    assert not origin.visits


async def test_a_deleted_function_is_that_404_too_and_its_tokens_never_come_back(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    assert (await caller.ask()).status == 200
    edge.delete()
    assert (await caller.ask()).json["message"] == "There is nothing at this address."
    edge.deploy(origin.upstream)
    is_exact_401(await caller.ask())


async def test_custom_hosts_lead_to_their_function(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, keys={"hosts": ["api.shop.example"]})
    for host in ("api.shop.example", "API.Shop.Example:8443", "api.shop.example."):
        assert (await caller.ask("/x", host=host)).status == 200
    assert {seen.target for seen in origin.seen} == {b"/x"}
    edge.deploy(origin.upstream)
    assert (await caller.ask("/x", host="api.shop.example")).status == 404


async def test_path_form_can_be_turned_off(tmp_path: Path) -> None:
    async with serving(echoes) as origin, running(tmp_path, path_addressing=False) as edge:
        edge.deploy(origin.upstream)
        for version in ("1.1", "2"):
            caller = Caller(edge, version)
            assert (await caller.ask("/shop/", host="localhost")).status == 404
            assert (await caller.ask("/")).status == 200


async def test_http10_without_a_host_can_use_path_form(edge: EdgeInProcess, origin: Origin) -> None:
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token)]
    async with edge.http1() as client:
        await client.send(request("/shop/x", fields=sent, host="", version="1.0"))
        assert (await client.answer()).status == 200
    async with edge.http1() as client:
        await client.send(request("/shop/x", fields=sent, host=""))
        answer = await client.answer()
        assert (answer.status, answer.json["code"]) == (400, "bad_request")


async def test_options_for_the_whole_server_is_answered_or_forwarded(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream, methods=["GET", "OPTIONS"])
    caller = Caller(edge, "1.1")
    assert (await caller.ask("*", "OPTIONS", host="localhost", token=None)).status == 204
    assert (await caller.ask("*", "OPTIONS", token=None)).status == 401
    assert (await caller.ask("*", "OPTIONS")).status == 200
    assert origin.seen[0].target == b"*"


async def test_a_tools_own_public_opens_its_route_alone(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    tools = {"getOrder": {"operationId": "getOrder", "config": {"public": True}}}
    edge.deploy(origin.upstream, document=DOCUMENT, keys={"tools": tools})
    assert (await caller.ask("/orders/7", token=None)).status == 200
    for target in ("/orders", "/orders/7/x", "/orders/..", "/orders/a%2fb", "/orders//7", "/"):
        is_exact_401(await caller.ask(target, token=None))
    is_exact_401(await caller.ask("/orders/7", "POST", token=None))
    assert [seen.target for seen in origin.seen] == [b"/orders/7"]
    assert not origin.seen[0].values(b"x-jelou-token-id")


async def test_a_tools_own_protection_closes_its_route_in_a_public_function(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    tools = {"getOrder": {"operationId": "getOrder", "config": {"public": False}}}
    edge.deploy(origin.upstream, document=DOCUMENT, keys={"tools": tools}, public=True)
    assert (await caller.ask("/other", token=None)).status == 200
    for target in ("/orders/7", "/orders/7/", "/ORDERS/7", "/%6frders/7", "/orders;x/7"):
        is_exact_401(await caller.ask(target, token=None))
    assert (await caller.ask("/orders/7")).status == 200


# Public functions.


async def test_a_public_function_serves_anybody_and_still_knows_who_calls(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, public=True)
    for token in (None, "nonsense", MADE_UP, edge.token):
        assert (await caller.ask("/x", token=token)).status == 200
    names = [seen.values(b"x-jelou-token-name") for seen in origin.seen]
    assert names == [[], [], [], [b"default"]]
    assert not any(seen.values(b"x-jelou-token") for seen in origin.seen)


async def test_doubtful_paths_of_a_public_function_need_the_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, public=True)
    for target in ("/a/../b", "/a//b", "/a%2fb", "/a%5Cb", "/%2e/a", "/a%00"):
        is_exact_401(await caller.ask(target, token=None))
        assert (await caller.ask(target)).status == 200


# Heads that are refused.


BAD_HEADS = {
    "both framings": b"content-length: 3\r\ntransfer-encoding: chunked\r\n",
    "two lengths": b"content-length: 3\r\ncontent-length: 4\r\n",
    "no number": b"content-length: +3\r\n",
    "unknown coding": b"transfer-encoding: gzip, chunked\r\n",
    "connection names the token": b"connection: x-jelou-token\r\n",
    "connection names the host": b"connection: close, Host\r\n",
    "connection names the length": b"content-length: 0\r\nconnection: content-length\r\n",
    "connection names authorization": b"connection: authorization\r\n",
    "two hosts": b"host: other.fn.localhost\r\n",
    "NUL": b"x-nul: a\0b\r\n",
    "no colon": b"nonsense\r\n",
    "space before the colon": b"x-space : a\r\n",
}


@pytest.mark.parametrize("bad", BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_an_ambiguous_head_is_400_in_json_and_ends_the_connection(
    edge: EdgeInProcess, origin: Origin, bad: bytes
) -> None:
    edge.deploy(origin.upstream)
    head = request("/", "POST", [(TOKEN, edge.token)])[:-2] + bad + b"\r\n"
    async with edge.http1() as client:
        await client.send(head + request("/smuggled", fields=[(TOKEN, edge.token)]))
        answer = await client.answer()
        assert (answer.status, answer.json["code"]) == (400, "bad_request")
        assert answer.one("x-jelou-error-source") == "edge"
        assert answer.one("connection") == "close"
        assert answer.whole
        assert await client.ending() in ("closed", "reset")
    assert not origin.seen


@pytest.mark.parametrize(
    "line",
    [
        b"GET shop.fn.localhost HTTP/1.1",
        b"CONNECT shop.fn.localhost:443 HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET ftp://shop.fn.localhost/ HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET / HTTP/0.9",
        b"GET /  HTTP/1.1",
        b"GET /",
    ],
)
async def test_a_request_line_of_another_form_is_400(
    edge: EdgeInProcess, origin: Origin, line: bytes
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(line + b"\r\nhost: shop.fn.localhost\r\n\r\n")
        answer = await client.answer()
    assert (answer.status, answer.json["code"]) == (400, "bad_request")


async def test_trace_is_405(edge: EdgeInProcess, origin: Origin, caller: Caller) -> None:
    edge.deploy(origin.upstream)
    answer = await caller.ask("/", "TRACE")
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert answer.all("allow")


async def test_a_target_that_is_too_long_is_414_and_a_head_that_is_too_large_431(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    answer = await caller.ask("/" + "a" * 8300)
    assert (answer.status, answer.json["code"]) == (414, "uri_too_long")
    answer = await caller.ask(fields=[(f"x-{n}", "a") for n in range(130)])
    assert (answer.status, answer.json["code"]) == (431, "headers_too_large")
    answer = await caller.ask(fields=[("x", "a" * 33_000)])
    assert (answer.status, answer.json["code"]) == (431, "headers_too_large")
    assert (await caller.ask("/" + "a" * 7000, fields=[("x", "a" * 20_000)])).status == 200


async def test_a_head_that_does_not_come_is_408(tmp_path: Path) -> None:
    async with running(tmp_path, head_timeout=0.2) as edge, edge.http1() as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: x")
        answer = await client.answer()
        assert (answer.status, answer.json["code"]) == (408, "request_timeout")
        assert await client.ending() == "closed"


async def test_other_places_for_the_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    places = ["x-jelou-token", "authorization", "x-api-key"]
    edge.deploy(origin.upstream, acceptTokensIn=places)
    bearer = ("authorization", f"Bearer {edge.token}")
    for sent in ([bearer], [("x-api-key", edge.token)], [bearer, ("x-api-key", edge.token)]):
        assert (await caller.ask(fields=sent, token=None)).status == 200
    is_exact_401(await caller.ask(fields=[("x-api-key", MADE_UP)]))
    assert (await caller.ask(fields=[("authorization", "Bearer own")])).status == 200
    assert origin.seen[-1].values(b"authorization") == [b"Bearer own"]
    for seen in origin.seen:
        assert edge.token.encode() not in seen.raw


# TLS.


async def test_over_tls_both_versions_are_offered_and_the_function_is_told(
    tmp_path: Path,
) -> None:
    certificate = self_signed(tmp_path)
    settings: Any = {"certfile": certificate.file, "keyfile": certificate.file}
    context = ssl.create_default_context(cafile=certificate.file)
    async with serving(echoes) as origin, running(tmp_path, **settings) as edge:
        edge.deploy(origin.upstream)
        context.set_alpn_protocols(["h2", "http/1.1"])
        http2 = await Http2Client.connect("127.0.0.1", edge.port, context)
        answer = await http2.ask("/", "POST", [(TOKEN, edge.token)], b"hi")
        assert (answer.status, answer.body) == (200, b"hi")
        await http2.aclose()
        context.set_alpn_protocols(["http/1.1"])
        http1 = await Http1Client.connect("127.0.0.1", edge.port, context)
        answer = await http1.ask("/", "POST", [(TOKEN, edge.token)], b"hi")
        assert (answer.status, answer.body, answer.whole) == (200, b"hi", True)
        await http1.aclose()
        assert [seen.values(b"x-forwarded-proto") for seen in origin.seen] == [[b"https"]] * 2
