"""The token check: what is accepted, where it may stand, and the one answer to everything else."""

from typing import Any

import pytest

from edge.errors import UNAUTHORIZED_BODY, Errors
from edge.functions import FunctionConfig, TokenPlace
from edge.gate.decisions import Bridge, Decision, Forward, GateSettings, Lookup, Open, Refuse
from edge.message import Headers
from tests.support.asking import (
    EXPIRED,
    GOOD,
    HTTP_ONLY,
    LATER,
    MADE_UP,
    MCP_ONLY,
    NARROW,
    NOW,
    ONE_TOOL,
    OTHER,
    REVOKED,
    SHORT_LIVED,
    TOKENS,
    WIDE,
    ask,
    function,
    head,
    route,
)
from tokens.secret import digest

KEY = b"x-jelou-token"


def bearer(secret: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + secret.encode()


def is_unauthorized(decision: Decision) -> bool:
    return isinstance(decision, Refuse) and decision.refusal.kind is Errors.UNAUTHORIZED.value


def is_forbidden(decision: Decision) -> bool:
    return isinstance(decision, Refuse) and decision.refusal.kind is Errors.FORBIDDEN.value


CAUSES: dict[str, Headers] = {
    "missing": (),
    "empty": ((KEY, b""),),
    "unknown": ((KEY, MADE_UP.encode()),),
    "revoked": ((KEY, REVOKED.encode()),),
    "expired this very moment": ((KEY, EXPIRED.encode()),),
    "of another function": ((KEY, OTHER.encode()),),
    "malformed": ((KEY, b"jfn_rt_short"),),
    "wrong checksum": ((KEY, GOOD.encode()[:-1] + b"0"),),
    "another prefix": ((KEY, GOOD.encode().replace(b"jfn_rt_", b"jfn_pat_")),),
    "with a scheme": ((KEY, b"Bearer " + GOOD.encode()),),
    "with white space within": ((KEY, GOOD.encode() + b" "),),
    "two in one field": ((KEY, GOOD.encode() + b", " + GOOD.encode()),),
    "over 4 KB": ((KEY, GOOD.encode() + b"0" * 4096),),
    "sent twice": ((KEY, GOOD.encode()), (KEY, GOOD.encode())),
    "sent twice, once empty": ((KEY, b""), (KEY, GOOD.encode())),
    "not ASCII": ((KEY, "ñ".encode()),),
    "where it is not accepted": (bearer(GOOD),),
    "where it is not accepted, as a key": ((b"x-api-key", GOOD.encode()),),
    "in a cookie": ((b"cookie", b"x-jelou-token=" + GOOD.encode()),),
    "with an underscore": ((b"x_jelou_token", GOOD.encode()),),
}


@pytest.mark.parametrize("fields", CAUSES.values(), ids=CAUSES.keys())
def test_every_cause_gets_the_same_401(fields: Headers) -> None:
    decision = ask(head("GET", b"/orders/7", *fields))
    assert decision == ask(head())
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind.status == 401
    assert decision.refusal.headers == (
        (b"www-authenticate", b'JelouToken realm="shop"'),
        (b"cache-control", b"no-store"),
    )


def test_the_body_of_the_401_is_the_documented_one() -> None:
    assert UNAUTHORIZED_BODY == (
        b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
    )


@pytest.mark.parametrize(
    "target", [b"/orders?x-jelou-token=%s", b"/orders?token=%s", b"/%s/orders"]
)
def test_a_token_in_the_address_opens_nothing(target: bytes) -> None:
    assert is_unauthorized(ask(head(target=target % GOOD.encode())))


@pytest.mark.parametrize("secret", [GOOD, WIDE, SHORT_LIVED])
def test_a_good_token_opens_every_route(secret: str) -> None:
    for method, target in (("GET", b"/"), ("POST", b"/a/b?c"), ("HEAD", b"/orders/7")):
        decision = ask(head(method, target, token=secret))
        assert isinstance(decision, Forward)
        assert decision.checked
        assert decision.principal == TOKENS[secret].principal
        assert decision.until == TOKENS[secret].expires
    assert isinstance(ask(head("POST", b"/mcp", token=secret)), Bridge)


def test_expiry_is_judged_on_every_request() -> None:
    asked = head(token=SHORT_LIVED)
    assert isinstance(ask(asked, now=NOW + 59.999), Forward)
    assert is_unauthorized(ask(asked, now=NOW + 60))


def test_an_edge_wide_token_is_good_for_every_function() -> None:
    other = function("other")
    for host in (b"shop.fn.localhost", b"other.fn.localhost"):
        assert isinstance(ask(head(host=host, token=WIDE), function(), other), Forward)
    assert is_unauthorized(ask(head(host=b"other.fn.localhost", token=GOOD), function(), other))


def test_a_token_that_is_not_in_memory_is_looked_up_and_a_malformed_one_never() -> None:
    assert ask(head(token=LATER)) == Lookup(digest(LATER))
    assert is_unauthorized(ask(head(token=LATER[:-1] + "0")))


EVERYWHERE: tuple[TokenPlace, ...] = ("x-jelou-token", "authorization", "x-api-key")
PLACES: list[tuple[str, Headers, bool]] = [
    ("bearer", (bearer(GOOD),), True),
    ("bearer in any case", ((b"authorization", b"bearer  " + GOOD.encode()),), True),
    ("key", ((b"x-api-key", GOOD.encode()),), True),
    ("header", ((KEY, GOOD.encode()),), True),
    (
        "the same everywhere",
        ((KEY, GOOD.encode()), bearer(GOOD), (b"x-api-key", GOOD.encode())),
        True,
    ),
    ("two different", ((KEY, GOOD.encode()), bearer(WIDE)), False),
    ("two different, one bad", ((KEY, GOOD.encode()), (b"x-api-key", MADE_UP.encode())), False),
    ("two different bearers", (bearer(GOOD), bearer(WIDE)), False),
    ("header twice", ((KEY, GOOD.encode()), (KEY, GOOD.encode()), bearer(GOOD)), False),
    (
        "the function's own bearer beside",
        ((KEY, GOOD.encode()), (b"authorization", b"Bearer eyJ")),
        True,
    ),
    (
        "the function's own basic beside",
        ((KEY, GOOD.encode()), (b"authorization", b"Basic eA==")),
        True,
    ),
    ("the function's own key beside", ((KEY, GOOD.encode()), (b"x-api-key", b"abc")), True),
    ("the function's own alone", ((b"authorization", b"Bearer eyJ"),), False),
    ("basic with a token", ((b"authorization", b"Basic " + GOOD.encode()),), False),
    ("bearer of another function", (bearer(OTHER),), False),
]


@pytest.mark.parametrize(("name", "fields", "accepted"), PLACES, ids=[p[0] for p in PLACES])
@pytest.mark.parametrize("by", ["function", "edge"])
def test_other_places_count_where_they_are_accepted(
    name: str, fields: Headers, accepted: bool, by: str
) -> None:
    asked = head("GET", b"/orders/7", *fields)
    if by == "function":
        decision = ask(asked, function(accept_tokens_in=EVERYWHERE))
    else:
        decision = ask(asked, settings=GateSettings(accept_tokens_in=EVERYWHERE))
    assert isinstance(decision, Forward) is accepted
    assert is_unauthorized(decision) is not accepted


def test_a_functions_places_go_before_the_edges() -> None:
    strict = function(accept_tokens_in=("x-jelou-token",))
    asked = head("GET", b"/", bearer(GOOD))
    assert is_unauthorized(ask(asked, strict, accept_tokens_in=EVERYWHERE))


# Scopes


@pytest.mark.parametrize(
    ("secret", "method", "target", "allowed"),
    [
        (HTTP_ONLY, "GET", b"/anything", True),
        (HTTP_ONLY, "DELETE", b"/anything/else?x", True),
        (HTTP_ONLY, "POST", b"/mcp", False),
        (NARROW, "GET", b"/orders/7", True),
        (NARROW, "HEAD", b"/orders/7?x", True),
        (NARROW, "POST", b"/orders", True),
        (NARROW, "DELETE", b"/orders/7", False),
        (NARROW, "GET", b"/orders", False),
        (NARROW, "GET", b"/orders/", False),
        (NARROW, "GET", b"/orders/7/items", False),
        (NARROW, "GET", b"/Orders/7", False),
        (NARROW, "GET", b"/orders/..", False),
        (NARROW, "GET", b"/orders/7%2fitems", False),
        (NARROW, "POST", b"/mcp", False),
        (MCP_ONLY, "POST", b"/mcp", True),
        (MCP_ONLY, "GET", b"/orders/7", False),
        (MCP_ONLY, "POST", b"/mcp/", False),
        (ONE_TOOL, "POST", b"/mcp", True),
        (ONE_TOOL, "GET", b"/orders/7", False),
    ],
)
def test_a_scoped_token_opens_what_its_scopes_name(
    secret: str, method: str, target: bytes, allowed: bool
) -> None:
    decision = ask(head(method, target, token=secret))
    assert isinstance(decision, Forward | Bridge) is allowed
    assert is_forbidden(decision) is not allowed


def test_scopes_are_judged_before_methods_routes_and_limits() -> None:
    strict = function(methods=("POST",), body_limit=1, path=route("GET", "/only").template)
    asked = head("DELETE", b"/elsewhere", (b"content-length", b"2"), token=NARROW)
    assert is_forbidden(ask(asked, strict))


@pytest.mark.parametrize("secret", [MCP_ONLY, ONE_TOOL])
def test_a_public_route_takes_a_token_that_is_scoped_for_something_else(secret: str) -> None:
    decision = ask(head(token=secret), function(public=True))
    assert isinstance(decision, Forward)


# Public functions and tools


@pytest.mark.parametrize("fields", CAUSES.values(), ids=CAUSES.keys())
@pytest.mark.parametrize("target", [b"/orders/7", b"/mcp"])
def test_a_bad_token_changes_nothing_on_a_public_function(fields: Headers, target: bytes) -> None:
    public = function(public=True)
    decision = ask(head("POST", target, *fields), public)
    assert decision == ask(head("POST", target), public)
    assert isinstance(decision, Forward | Bridge)
    assert (decision.principal, decision.checked, decision.until) == (None, False, None)


@pytest.mark.parametrize("target", [b"/orders/7", b"/mcp"])
def test_a_good_token_names_the_caller_on_a_public_function(target: bytes) -> None:
    decision = ask(head("POST", target, token=GOOD), function(public=True))
    assert isinstance(decision, Forward | Bridge)
    assert decision.principal == TOKENS[GOOD].principal
    assert not decision.checked


@pytest.mark.parametrize("public", [False, True])
def test_mcp_is_as_public_as_the_function_whatever_its_tools_are(public: bool) -> None:
    tools = (route("POST", "/mcp", public=not public), route("GET", "/a", public=not public))
    decision = ask(head("POST", b"/mcp"), function(public=public, routes=tools))
    assert isinstance(decision, Bridge) is public
    assert is_unauthorized(decision) is not public


OPEN_TOOLS = (
    route("GET", "/users/me", public=False),
    route("GET", "/a/{x}", public=False),
    route("GET", "/status", public=True),
    route("GET", "/slash/", public=True),
    route("GET", "/caf%C3%A9", public=True),
    route("GET", "/users/{id}", public=True),
    route("POST", "/both", public=True, methods=("POST", "PUT")),
    route("GET", "/{y}/b", public=True),
)


@pytest.mark.parametrize(
    ("method", "target", "opened"),
    [
        ("GET", b"/status", True),
        ("GET", b"/status?x=%2f..", True),
        ("HEAD", b"/status", True),
        ("GET", b"/slash/", True),
        ("GET", b"/caf%C3%A9", True),
        ("GET", b"/users/7", True),
        ("GET", b"/users/Ana%20Mar%C3%ADa", True),
        ("GET", b"/users/a;b=c", True),
        ("PUT", b"/both", True),
        ("GET", b"/x/b", True),
        ("POST", b"/status", False),
        ("get", b"/status", False),
        ("GET", b"/Status", False),
        ("GET", b"/status/", False),
        ("GET", b"/st%61tus", False),
        ("GET", b"/status;x", False),
        ("GET", b"/status/..", False),
        ("GET", b"/status/%2e%2e/secret", False),
        ("GET", b"//status", False),
        ("GET", b"/other", False),
        ("GET", b"/users/", False),
        ("GET", b"/users/7/x", False),
        ("GET", b"/users/7%2fx", False),
        ("GET", b"/users/..;a", False),
        ("GET", b"/users/;a", False),
        ("GET", b"/users/7%252fx", False),
        ("GET", b"/users/%252e%252e", False),
        ("GET", b"/users/me", False),
        ("GET", b"/users/m%65", False),
        ("GET", b"/users/m%2565", False),
        ("GET", b"/users/ME", False),
        ("GET", b"/users/me;x", False),
        ("GET", b"/users/me%3Bx", False),
        ("GET", b"/a/b", False),
        ("GET", b"/%61/b", False),
    ],
)
def test_a_public_tool_of_a_private_function_is_open_byte_for_byte(
    method: str, target: bytes, opened: bool
) -> None:
    decision = ask(head(method, target), function(routes=OPEN_TOOLS))
    assert isinstance(decision, Forward) is opened
    assert is_unauthorized(decision) is not opened


SHUT_TOOLS = (
    route("GET", "/users/me", public=True),
    route("GET", "/secret", public=False),
    route("GET", "/folder/", public=False),
    route("GET", "/users/{id}", public=False),
    route("DELETE", "/orders/{id}/items/{item}", public=False, methods=("DELETE", "POST")),
)


@pytest.mark.parametrize(
    ("method", "target", "opened"),
    [
        ("GET", b"/", True),
        ("GET", b"/users", True),
        ("GET", b"/users/me", True),
        ("GET", b"/secrets", True),
        ("POST", b"/secret", True),
        ("GET", b"/caf%C3%A9", True),
        ("GET", b"/a;b", True),
        ("GET", b"/secret", False),
        ("HEAD", b"/secret", False),
        ("GET", b"/secret?x", False),
        ("GET", b"/secret/", False),
        ("GET", b"/Secret", False),
        ("GET", b"/SECRET/", False),
        ("GET", b"/s%65cret", False),
        ("GET", b"/%73%65%63%72%65%74", False),
        ("GET", b"/s%2565cret", False),
        ("GET", b"/%53ecret", False),
        ("GET", b"/secret;x", False),
        ("GET", b"/secret;", False),
        ("GET", b"/secret/;x", False),
        ("GET", b"/secret%3Bx", False),
        ("GET", b"/;x/secret", False),
        ("GET", b"//secret", False),
        ("GET", b"/./secret", False),
        ("GET", b"/x/../secret", False),
        ("GET", b"/x/%2e%2e/secret", False),
        ("GET", b"/x/%252e%252e/secret", False),
        ("GET", b"/x/..;y/secret", False),
        ("GET", b"/%2fsecret", False),
        ("GET", b"/%252fsecret", False),
        ("GET", b"/\\secret", False),
        ("GET", b"/secret%00", False),
        ("GET", b"/folder", False),
        ("GET", b"/folder/", False),
        ("GET", b"/users/7", False),
        ("GET", b"/users/a%20b", False),
        ("GET", b"/Users/me/x/..", False),
        ("POST", b"/orders/7/items/8", False),
        ("POST", b"/orders/7/items/8/", False),
        ("DELETE", b"/Orders/7/items/8", False),
    ],
)
def test_no_spelling_leads_around_a_protected_tool_of_a_public_function(
    method: str, target: bytes, opened: bool
) -> None:
    decision = ask(head(method, target), function(public=True, routes=SHUT_TOOLS))
    assert isinstance(decision, Forward) is opened
    assert is_unauthorized(decision) is not opened


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PATCH"])
@pytest.mark.parametrize("target", [b"/", b"/anything", b"/a/../b"])
def test_a_tool_at_every_address_puts_a_public_function_behind_the_token(
    method: str, target: bytes
) -> None:
    guard = route("GET", "*", public=False, methods=FunctionConfig().methods)
    assert is_unauthorized(ask(head(method, target), function(public=True, routes=(guard,))))


def test_a_websocket_handshake_meets_the_same_check() -> None:
    assert is_unauthorized(ask(head(websocket=True)))
    assert isinstance(ask(head(websocket=True, token=GOOD)), Forward)
    assert isinstance(ask(head(websocket=True), function(public=True)), Forward)
    guarded = function(public=True, routes=SHUT_TOOLS)
    assert is_unauthorized(ask(head(target=b"/secret", websocket=True), guarded))


# Open routes and OAuth discovery


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "document"), [(b"/__health?x", "health"), (b"/openapi.json", "openapi")]
)
def test_open_documents_need_no_token(method: str, target: bytes, document: str) -> None:
    for secret in (None, MADE_UP, GOOD, MCP_ONLY):
        decision = ask(head(method, target, token=secret), function(methods=("POST",)))
        assert isinstance(decision, Open)
        assert (decision.document, decision.checked) == (document, False)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", b"/__health"),
        ("GET", b"/__health/"),
        ("GET", b"/__HEALTH"),
        ("GET", b"/%5f_health"),
        ("GET", b"/openapi.json/"),
        ("GET", b"/openapi%2ejson"),
        ("GET", b"/OpenAPI.json"),
        ("DELETE", b"/openapi.json"),
    ],
)
def test_what_only_looks_like_an_open_document_is_checked(method: str, target: bytes) -> None:
    assert is_unauthorized(ask(head(method, target)))


def test_open_routes_can_be_put_behind_the_token() -> None:
    closed = function(open_routes=False)
    for target in (b"/__health", b"/openapi.json"):
        assert is_unauthorized(ask(head(target=target), closed))
        decision = ask(head(target=target, token=GOOD), closed)
        assert isinstance(decision, Open)
        assert decision.checked
        assert is_forbidden(ask(head(target=target, token=MCP_ONLY), closed))
        posted = ask(head("POST", target, token=GOOD), closed)
        assert isinstance(posted, Refuse)
        assert posted.refusal.headers == ((b"allow", b"GET, HEAD"),)


def test_a_public_functions_closed_documents_are_not_marked_as_checked() -> None:
    decision = ask(head(target=b"/openapi.json"), function(public=True, open_routes=False))
    assert isinstance(decision, Open)
    assert not decision.checked


DISCOVERY = [
    b"/.well-known/oauth-protected-resource",
    b"/.well-known/oauth-protected-resource/mcp",
    b"/.well-known/oauth-authorization-server",
    b"/.well-known/oauth-authorization-server/a/b?x",
    b"/.well-known/openid-configuration",
    b"/.well-known/openid-configuration/mcp",
]


@pytest.mark.parametrize("target", DISCOVERY)
@pytest.mark.parametrize(
    "where",
    [{}, {"host": b"127.0.0.1", "prefix": b"/shop"}, {"host": b"127.0.0.1"}],
    ids=["host", "slug", "root"],
)
@pytest.mark.parametrize("public", [False, True])
def test_oauth_discovery_is_404_without_a_token(
    target: bytes, where: dict[str, bytes], public: bool
) -> None:
    places: dict[str, Any] = dict(where)
    asked = head(target=places.pop("prefix", b"") + target, **places)
    decision = ask(asked, function(public=public))
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind is Errors.NOT_FOUND.value


@pytest.mark.parametrize("target", DISCOVERY)
def test_oauth_discovery_is_the_functions_if_it_says_so(target: bytes) -> None:
    decision = ask(head(target=target), function(oauth=True))
    assert isinstance(decision, Forward)
    assert (decision.principal, decision.checked) == (None, False)


@pytest.mark.parametrize("oauth", [False, True])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", b"/.well-known/oauth-protected-resource/../../orders"),
        ("GET", b"/.well-known/oauth-protected-resource/%2e%2e/%2e%2e/orders"),
        ("GET", b"/.well-known/oauth-protected-resource/..%2f..%2forders"),
        ("GET", b"/.well-known/openid-configuration/..;/..;/orders"),
        ("GET", b"/.well-known/openid-configuration//orders"),
        ("GET", b"/.well-known/openid-configuration/..\\..\\orders"),
        ("GET", b"/.well-known/oauth-protected-resourcex"),
        ("GET", b"/.Well-Known/oauth-protected-resource"),
        ("GET", b"/a/.well-known/oauth-protected-resource"),
    ],
)
def test_discovery_opens_no_other_address(method: str, target: bytes, oauth: bool) -> None:
    assert is_unauthorized(ask(head(method, target), function(oauth=oauth)))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_discovery_is_only_read_without_a_token(method: str) -> None:
    asked = head(method, b"/.well-known/oauth-protected-resource")
    assert is_unauthorized(ask(asked, function(oauth=True)))
    handshake = head(target=b"/.well-known/oauth-protected-resource", websocket=True)
    assert is_unauthorized(ask(handshake, function(oauth=True)))


def test_a_discovery_request_keeps_to_the_limits_of_the_function() -> None:
    asked = head("GET", b"/.well-known/openid-configuration", (b"content-length", b"11"))
    decision = ask(asked, function(oauth=True, body_limit=10))
    assert isinstance(decision, Refuse)
    assert decision.refusal.kind is Errors.BODY_TOO_LARGE.value
