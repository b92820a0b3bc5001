"""The gate in front of `/mcp` on the edge's own hosts: which token opens it, and in which order."""

import pytest

from edge.errors import Errors
from edge.gate.decisions import Answer, Bridge, BridgeAll, Decision, Lookup, Refuse
from edge.message import Headers, Peer
from tests.support.asking import (
    EXPIRED,
    GOOD,
    HTTP_ONLY,
    LATER,
    MADE_UP,
    MCP_ONLY,
    NARROW,
    ONE_TOOL,
    OTHER,
    REVOKED,
    SHORT_LIVED,
    WIDE,
    ask,
    function,
    head,
)

EDGE = b"127.0.0.1:8080"
NAMED = b"edge.example"


def asked(
    *fields: tuple[bytes, bytes],
    token: str | None = None,
    target: bytes = b"/mcp",
    host: bytes = EDGE,
    method: str = "POST",
) -> Decision:
    return ask(head(method, target, *fields, token=token, host=host))


@pytest.mark.parametrize("token", [GOOD, WIDE, MCP_ONLY, ONE_TOOL, SHORT_LIVED])
@pytest.mark.parametrize("host", [EDGE, NAMED, b"localhost"])
@pytest.mark.parametrize("target", [b"/mcp", b"/mcp?x=1"])
def test_a_good_token_for_tools_opens_the_edges_own_mcp(
    token: str, host: bytes, target: bytes
) -> None:
    decision = asked(token=token, host=host, target=target)
    assert isinstance(decision, BridgeAll)
    assert decision.authority == host


def test_a_caller_is_who_the_token_says_until_it_ends() -> None:
    wide, short = asked(token=WIDE), asked(token=SHORT_LIVED)
    assert isinstance(wide, BridgeAll)
    assert isinstance(short, BridgeAll)
    assert (wide.principal.token_name, wide.principal.function, wide.until) == ("wide", "*", None)
    assert short.principal.function == "shop"
    assert short.until is not None


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "token", [None, MADE_UP, REVOKED, EXPIRED, OTHER, "nonsense"], ids=lambda token: str(token)[:9]
)
def test_without_a_good_token_of_a_live_function_it_is_401_for_the_edge(
    token: str | None, method: str
) -> None:
    decision = asked(token=token, method=method)
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind is Errors.UNAUTHORIZED.value
    fields = dict(decision.refusal.headers)
    assert fields[b"www-authenticate"] == b'JelouToken realm="edge"'
    assert fields[b"cache-control"] == b"no-store"


def test_a_public_function_does_not_open_it() -> None:
    decision = ask(head("POST", b"/mcp", host=EDGE), function(public=True))
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind is Errors.UNAUTHORIZED.value


def test_a_token_that_is_not_in_memory_is_looked_up() -> None:
    assert isinstance(asked(token=LATER), Lookup)


@pytest.mark.parametrize("token", [HTTP_ONLY, NARROW])
def test_a_token_for_no_tool_is_403_whatever_else_is_wrong(token: str) -> None:
    decision = asked((b"origin", b"null"), token=token, method="PUT")
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind is Errors.FORBIDDEN.value
    assert "scopes" in decision.refusal.message
    assert decision.mcp


LOOPBACK = Peer("127.0.0.1", "http")
ELSEWHERE = Peer("203.0.113.9", "http")


@pytest.mark.parametrize(
    ("origin", "host", "peer", "served"),
    [
        (b"http://edge.example", NAMED, ELSEWHERE, True),
        (b"http://edge.example", NAMED, LOOPBACK, False),
        (b"http://other.example", NAMED, ELSEWHERE, False),
        (b"null", EDGE, LOOPBACK, False),
        (b"http://127.0.0.1:6274", EDGE, LOOPBACK, True),
        (b"http://localhost:6274", EDGE, LOOPBACK, True),
        (b"http://page.example", EDGE, LOOPBACK, False),
    ],
)
def test_a_page_speaks_it_only_from_an_origin_that_may(
    origin: bytes, host: bytes, peer: Peer, served: bool
) -> None:
    decision = ask(head("POST", b"/mcp", (b"origin", origin), token=GOOD, host=host, peer=peer))
    assert isinstance(decision, BridgeAll) is served
    if isinstance(decision, Refuse):
        assert decision.refusal.kind is Errors.FORBIDDEN.value
        assert decision.mcp


def test_its_name_for_a_public_url_is_known() -> None:
    sent = head(
        "POST", b"/mcp", (b"origin", b"http://edge.example"), token=GOOD, host=NAMED, peer=LOOPBACK
    )
    assert isinstance(ask(sent, public_host="edge.example"), BridgeAll)


def test_it_is_not_spoken_over_websocket() -> None:
    decision = ask(head("GET", b"/mcp", token=GOOD, host=EDGE, websocket=True))
    assert isinstance(decision, Refuse)
    assert dict(decision.refusal.headers)[b"allow"] == b"POST, DELETE"


def test_preflight_is_answered_without_a_token() -> None:
    fields: Headers = (
        (b"origin", b"http://page.example"),
        (b"access-control-request-method", b"POST"),
        (b"access-control-request-headers", b"x-jelou-token"),
    )
    decision = asked(*fields, method="OPTIONS")
    assert isinstance(decision, Answer)
    assert decision.status == 204


@pytest.mark.parametrize("target", [b"/mcp/", b"/MCP", b"/mc%70", b"/mcp/x", b"//mcp", b"/./mcp"])
def test_only_mcp_byte_for_byte_is_it(target: bytes) -> None:
    decision = asked(token=WIDE, target=target)
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind is Errors.NOT_FOUND.value


def test_under_the_domain_and_on_a_functions_host_it_is_not() -> None:
    nowhere = asked(token=WIDE, host=b"nothing.fn.localhost")
    assert isinstance(nowhere, Refuse)
    assert nowhere.refusal.kind is Errors.NOT_FOUND.value
    assert isinstance(asked(token=WIDE, host=b"shop.fn.localhost"), Bridge)


def test_it_is_there_without_addresses_by_path_too() -> None:
    decision = ask(head("POST", b"/mcp", token=WIDE, host=EDGE), path_addressing=False)
    assert isinstance(decision, BridgeAll)
    assert decision.place(function()).prefix == b""


def test_a_token_elsewhere_is_taken_where_the_edge_takes_them() -> None:
    bearer = (b"authorization", b"Bearer " + WIDE.encode())
    assert isinstance(asked(bearer), Refuse)
    sent = head("POST", b"/mcp", bearer, host=EDGE)
    assert isinstance(ask(sent, accept_tokens_in=("x-jelou-token", "authorization")), BridgeAll)
