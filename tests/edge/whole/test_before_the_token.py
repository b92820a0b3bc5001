"""What is answered before the token: CORS, OAuth discovery, open routes, the edge itself."""

import pytest

from tests.support.calling import Caller
from tests.support.edge_in_process import EdgeInProcess
from tests.support.expected import DOCUMENT, is_exact_401
from tests.support.origin import (
    OK,
    Origin,
    answering,
    refusing,
)

# CORS.

PREFLIGHT = [
    ("origin", "https://page.example"),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "content-type, x-jelou-token"),
]


async def test_a_preflight_is_answered_without_a_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    answer = await caller.ask("/x", "OPTIONS", PREFLIGHT, token=None)
    assert (answer.status, answer.body, answer.whole) == (204, b"", True)
    assert answer.one("access-control-allow-origin") == "*"
    assert "x-jelou-token" in answer.one("access-control-allow-headers").lower()
    assert "POST" in answer.one("access-control-allow-methods")
    assert answer.one("access-control-max-age") == "86400"
    assert not answer.all("access-control-allow-credentials")
    assert not origin.visits


async def test_errors_and_answers_can_be_read_by_a_page(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    page = PREFLIGHT[:1]
    for answer in (
        await caller.ask(fields=page, token=None),
        await caller.ask(fields=page),
        await caller.ask("/", "BREW", page),
        await caller.ask("/__health", fields=page, token=None),
        await caller.ask("/mcp", "POST", page, token=None),
        await caller.ask("/", host="nowhere.fn.localhost", fields=page),
    ):
        assert answer.one("access-control-allow-origin") == "*"
        exposed = answer.one("access-control-expose-headers")
        assert exposed.startswith("X-Request-Id, Retry-After, WWW-Authenticate, Mcp-Session-Id")


async def test_a_functions_own_cors_is_left_alone(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    own = b"access-control-allow-origin: https://own.example\r\ncontent"
    origin.behaviour = answering(OK.replace(b"content", own))
    edge.deploy(origin.upstream)
    answer = await caller.ask(fields=PREFLIGHT[:1])
    assert answer.one("access-control-allow-origin") == "https://own.example"
    assert not answer.all("access-control-expose-headers")


async def test_cors_can_be_turned_off_or_kept_to_one_origin(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, cors=False)
    is_exact_401(await caller.ask("/", "OPTIONS", PREFLIGHT, token=None))
    assert not (await caller.ask(fields=PREFLIGHT[:1])).all("access-control-allow-origin")
    edge.deploy(origin.upstream, cors={"origin": ["https://page.example"], "credentials": True})
    answer = await caller.ask(fields=PREFLIGHT[:1])
    assert answer.one("access-control-allow-origin") == "https://page.example"
    assert answer.one("access-control-allow-credentials") == "true"
    assert "Origin" in ", ".join(answer.all("vary"))
    answer = await caller.ask(fields=[("origin", "https://evil.example")])
    assert not answer.all("access-control-allow-origin")


# OAuth discovery.

DISCOVERY = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration/x/y",
]


@pytest.mark.parametrize("target", DISCOVERY)
async def test_oauth_discovery_is_404_json_without_a_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str
) -> None:
    edge.deploy(origin.upstream)
    for host, path in (
        ("shop.fn.localhost", target),
        ("localhost", f"/shop{target}"),
        ("localhost", target),
        ("localhost", f"{target}/shop/mcp"),
    ):
        answer = await caller.ask(path, token=None, host=host)
        assert (answer.status, answer.json["code"]) == (404, "not_found")
        assert not answer.all("www-authenticate")
    assert not origin.visits


async def test_a_function_may_answer_oauth_discovery_itself(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, oauth="function")
    assert (await caller.ask(DISCOVERY[0], token=None)).status == 200
    assert origin.seen[0].target == DISCOVERY[0].encode()
    is_exact_401(await caller.ask("/.well-known/other", token=None))


# Open routes.


async def test_health_needs_no_token_and_probes_by_connecting(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    deployment = edge.deploy(origin.upstream, document=DOCUMENT)
    for _ in range(20):
        answer = await caller.ask("/__health", token=None)
        assert answer.status == 200
        assert answer.one("cache-control") == "no-store"
        assert answer.json == {
            "status": "ok",
            "mode": "app",
            "tools": [{"name": "getOrder", "description": "One order."}],
            "function": "shop",
            "deployment": deployment.id,
        }
    assert origin.visits <= 1 + 2  # one a second at most, however slow the machine
    assert not origin.seen
    answer = await caller.ask("/__health", "HEAD", token=None)
    assert (answer.status, answer.body, answer.whole) == (200, b"", True)


async def test_health_says_when_the_function_does_not_answer(
    edge: EdgeInProcess, caller: Caller
) -> None:
    edge.deploy(refusing())
    answer = await caller.ask("/__health", token=None)
    assert (answer.status, answer.json["status"]) == (503, "unavailable")


async def test_the_document_is_published_with_this_address_and_this_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, document=DOCUMENT)
    answer = await caller.ask("/openapi.json", token=None, host="shop.fn.localhost")
    assert answer.status == 200
    assert answer.json["servers"] == [{"url": f"http://{edge.address}/shop"}]
    assert answer.json["security"] == [{"jelouToken": []}]
    assert answer.json["components"]["securitySchemes"]["jelouToken"] == {
        "type": "apiKey",
        "in": "header",
        "name": "X-Jelou-Token",
    }
    edge.deploy(origin.upstream, document=DOCUMENT, public=True)
    assert (await caller.ask("/openapi.json", token=None)).json["security"] == []
    assert not origin.visits


async def test_without_a_document_openapi_json_is_404(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    assert (await caller.ask("/openapi.json", token=None)).status == 404
    assert not origin.visits


@pytest.mark.parametrize("target", ["/__health", "/openapi.json"])
async def test_open_routes_can_be_put_behind_the_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str
) -> None:
    edge.deploy(origin.upstream, document=DOCUMENT, openRoutes=False)
    is_exact_401(await caller.ask(target, token=None))
    answer = await caller.ask(target)
    assert (answer.status, answer.one("vary")) == (200, "X-Jelou-Token")


@pytest.mark.parametrize("target", ["/__health/", "/__Health", "/openapi%2Ejson", "//__health"])
async def test_what_only_resembles_an_open_route_needs_the_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller, target: str
) -> None:
    edge.deploy(origin.upstream)
    is_exact_401(await caller.ask(target, token=None))
    assert (await caller.ask(target)).status == 200
    assert origin.seen[0].target == target.encode()


async def test_an_unsafe_method_on_an_open_route_needs_the_token(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    is_exact_401(await caller.ask("/__health", "POST", token=None))
    assert (await caller.ask("/__health", "POST")).status == 405


# The edge's own.


async def test_the_edge_says_that_it_is_live_and_ready_until_it_drains(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    for probe in ("live", "ready"):
        answer = await caller.ask(f"/__edge/{probe}", token=None, host="localhost")
        assert (answer.status, answer.json) == (200, {"status": "ok"})
    edge.edge.state.draining = True
    answer = await caller.ask("/__edge/ready", token=None, host="localhost")
    assert (answer.status, answer.json) == (503, {"status": "draining"})
    assert (await caller.ask("/__edge/live", token=None, host="localhost")).status == 200
    answer = await caller.ask("/__edge/live", "POST", token=None, host="localhost")
    assert (answer.status, answer.one("allow")) == (405, "GET, HEAD")


async def test_a_functions_own_edge_routes_are_the_functions(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    is_exact_401(await caller.ask("/__edge/live", token=None))
