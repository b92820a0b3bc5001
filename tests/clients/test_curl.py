"""Everything that a client needs can be done by hand with curl."""

import json
import shutil
from typing import Any

import pytest

from tests.support.curl import JSON, UNAUTHORIZED, Answer, curl, rpc, with_token
from tests.support.edge import RunningEdge

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

# --- plain HTTP -------------------------------------------------------------------------------


def test_the_documented_call_reaches_the_function(edge: RunningEdge) -> None:
    answer = curl(
        "-X", "POST", edge.url, *JSON, *with_token(edge.token), "-d", '{"phone": "593987654321"}'
    )

    assert answer.status == 200
    assert answer.json()["id"] == "c1"


@pytest.mark.parametrize("path", ["", "/customers", "/no-such-route", "/mcp"])
def test_without_the_token_every_route_answers_the_documented_401(
    edge: RunningEdge, path: str
) -> None:
    answer = curl("-X", "POST", edge.url + path, *JSON, "-d", "{}")

    assert (answer.status, answer.body) == (401, UNAUTHORIZED)
    assert answer.headers["content-type"] == ["application/json"]
    assert answer.headers["www-authenticate"] == [f'JelouToken realm="{edge.slug}"']


def test_health_and_document_answer_without_a_token(edge: RunningEdge) -> None:
    health = curl(f"{edge.url}/__health")
    document = curl(f"{edge.url}/openapi.json")

    assert (health.status, health.json()["status"]) == (200, "ok")
    assert document.status == 200
    described = document.json()
    assert described["security"] == [{"jelouToken": []}]
    assert described["servers"][0]["url"] == edge.url


def test_a_customer_is_added_read_listed_and_removed(edge: RunningEdge) -> None:
    body = json.dumps({"name": "Rosa Paz", "phone": "593900000001", "city": "Loja"})
    created = curl(f"{edge.url}/customers", *JSON, *with_token(edge.token), "-d", body)
    number = created.json()["id"]
    address = f"{edge.url}/customers/{number}"

    read = curl(address, *with_token(edge.token))
    listed = curl(f"{edge.url}/customers?city=Loja&limit=5", *with_token(edge.token))
    removed = curl("-X", "DELETE", address, *with_token(edge.token))
    gone = curl(address, *with_token(edge.token))

    assert created.status == 201
    assert read.json() == created.json()
    assert listed.json()["customers"] == [created.json()]
    assert (removed.status, removed.body) == (204, "")
    assert gone.status == 404


def test_events_stream_to_the_end(edge: RunningEdge) -> None:
    answer = curl("--no-buffer", f"{edge.url}/report?pause=1", *with_token(edge.token))

    assert answer.headers["content-type"] == ["text/event-stream"]
    assert answer.body.count("event: progress") == 2
    assert answer.body.rstrip().splitlines()[-2] == "event: result"


# --- MCP, handshake revisions -----------------------------------------------------------------

INITIALIZE = rpc(
    "initialize",
    {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "curl", "version": "8"},
    },
)


def open_session(edge: RunningEdge, token: str) -> tuple[str, ...]:
    """Initialize a session; return the headers of its later requests, as curl takes them."""
    opened = curl(edge.mcp_url, *JSON, *with_token(token), "-d", INITIALIZE)
    assert opened.result()["protocolVersion"] == "2025-11-25"
    named = ("-H", f"Mcp-Session-Id: {opened.headers['mcp-session-id'][0]}")
    revision = ("-H", "MCP-Protocol-Version: 2025-11-25")
    headers = (*JSON, *with_token(token), *named, *revision)
    done = curl(edge.mcp_url, *headers, "-d", rpc("notifications/initialized", number=None))
    assert done.status == 202
    return headers


@pytest.fixture
def session(edge: RunningEdge) -> tuple[str, ...]:
    """The headers of an initialized session."""
    return open_session(edge, edge.token)


def test_a_session_lists_and_calls_tools(edge: RunningEdge, session: tuple[str, ...]) -> None:
    listed = curl(edge.mcp_url, *session, "-d", rpc("tools/list")).result()
    call = rpc("tools/call", {"name": "getCustomer", "arguments": {"id": "c2"}})
    called = curl(edge.mcp_url, *session, "-d", call).result()

    assert "getCustomer" in [tool["name"] for tool in listed["tools"]]
    assert called["structuredContent"]["name"] == "Luis Andrade"


def test_an_ended_session_is_gone(edge: RunningEdge, session: tuple[str, ...]) -> None:
    ended = curl("-X", "DELETE", edge.mcp_url, *session)
    after = curl(edge.mcp_url, *session, "-d", rpc("tools/list"))

    assert ended.status in (200, 204)
    assert after.status == 404


# --- MCP, the stateless revision --------------------------------------------------------------

STATELESS = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "curl", "version": "8"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def stateless(edge: RunningEdge, method: str, params: dict[str, Any], *headers: str) -> Answer:
    """Send one request of the stateless revision."""
    named = ("-H", f"MCP-Protocol-Version: {STATELESS}", "-H", f"Mcp-Method: {method}")
    body = rpc(method, params | {"_meta": META})
    return curl(edge.mcp_url, *JSON, *with_token(edge.token), *named, *headers, "-d", body)


def test_the_stateless_revision_lists_and_calls_tools_without_a_session(edge: RunningEdge) -> None:
    listed = stateless(edge, "tools/list", {}).result()
    call = {"name": "getCustomer", "arguments": {"id": "c2"}}
    called = stateless(edge, "tools/call", call, "-H", "Mcp-Name: getCustomer").result()

    assert "getCustomer" in [tool["name"] for tool in listed["tools"]]
    assert called["structuredContent"]["name"] == "Luis Andrade"


def test_a_stateless_request_whose_header_and_body_disagree_is_refused(edge: RunningEdge) -> None:
    call = {"name": "getCustomer", "arguments": {"id": "c2"}}

    answer = stateless(edge, "tools/call", call, "-H", "Mcp-Name: deleteCustomer")

    assert answer.status == 400


# --- tokens -----------------------------------------------------------------------------------


def test_a_revoked_token_is_refused_on_the_next_request(edge: RunningEdge) -> None:
    created = edge.jelou("tokens", "create", edge.slug, "--name", "short-lived")
    header = with_token(created["token"])
    before = curl(f"{edge.url}/customers", *header)

    edge.jelou("tokens", "revoke", edge.slug, "short-lived", "-y")
    after = curl(f"{edge.url}/customers", *header)

    assert before.status == 200
    assert (after.status, after.body) == (401, UNAUTHORIZED)


def test_a_revoked_token_is_refused_in_its_open_session(edge: RunningEdge) -> None:
    created = edge.jelou("tokens", "create", edge.slug, "--name", "session-holder")
    session = open_session(edge, created["token"])
    before = curl(edge.mcp_url, *session, "-d", rpc("tools/list"))

    edge.jelou("tokens", "revoke", edge.slug, "session-holder", "-y")
    after = curl(edge.mcp_url, *session, "-d", rpc("tools/list"))

    assert before.status == 200
    assert (after.status, after.body) == (401, UNAUTHORIZED)


def test_a_foreign_tokens_session_is_unknown(edge: RunningEdge, session: tuple[str, ...]) -> None:
    other = edge.jelou("tokens", "create", edge.slug, "--name", "other")["token"]
    stolen = tuple(each.replace(edge.token, other) for each in session)

    assert curl(edge.mcp_url, *stolen, "-d", rpc("tools/list")).status == 404
