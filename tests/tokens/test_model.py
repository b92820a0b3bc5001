"""Scopes and the verdict on a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.errors import ScopeError
from tokens.model import AccessToken, Principal, Refused, Scopes, Token, judge

TOKEN = Token("tok_1", "shop", "default", "abc1", 100.0, "tok_1")

SCOPES = ["http", "mcp", "route:GET /orders", "route:POST /orders/{id}", "tool:find", "tool:pay"]
SOME_SCOPES = st.lists(st.sampled_from(SCOPES), min_size=1)
PATHS = st.sampled_from([b"/orders", b"/orders/7", b"/", b"/orders/", b"/orders/..", b"/%2forders"])
METHODS = st.sampled_from(["GET", "HEAD", "POST", "DELETE"])
TOOLS = st.sampled_from(["find", "pay", "other"])


@pytest.mark.parametrize(
    ("scopes", "method", "path", "covered"),
    [
        ([], "GET", b"/orders", True),
        ([], "GET", b"/a/../orders", True),
        (["http"], "DELETE", b"/anything", True),
        (["http"], "GET", b"/a/../orders", False),
        (["http"], "GET", b"/a//b", False),
        (["http"], "GET", b"/a%2Fb", False),
        (["http"], "GET", b"/a\\b", False),
        (["http"], "GET", b"/a%00", False),
        (["mcp"], "GET", b"/orders", False),
        (["tool:find"], "GET", b"/orders", False),
        (["route:GET /orders"], "GET", b"/orders", True),
        (["route:GET /orders"], "HEAD", b"/orders", True),
        (["route:HEAD /orders"], "GET", b"/orders", False),
        (["route:GET /orders"], "POST", b"/orders", False),
        (["route:POST /orders"], "HEAD", b"/orders", False),
        (["route:GET /orders"], "GET", b"/orders/", False),
        (["route:GET /orders"], "GET", b"/Orders", False),
        (["route:GET /orders"], "GET", b"/order%73", False),
        (["route:GET /orders/{id}"], "GET", b"/orders/7", True),
        (["route:GET /orders/{id}"], "GET", b"/orders/", False),
        (["route:GET /orders/{id}"], "GET", b"/orders/7/lines", False),
        (["route:GET /orders/{id}"], "GET", b"/orders/..", False),
        (["route:GET /orders/{id}"], "GET", b"/orders/%2E%2e", False),
        (["tool:find", "route:GET /orders"], "GET", b"/orders", True),
    ],
)
def test_a_scope_covers_its_routes_and_no_others(
    scopes: list[str], method: str, path: bytes, covered: bool
) -> None:
    assert Scopes.parse(scopes).http(method, path) is covered


@pytest.mark.parametrize(
    ("scopes", "opens_http", "opens_mcp", "find"),
    [
        ([], True, True, True),
        (["http"], True, False, False),
        (["route:GET /x"], True, False, False),
        (["mcp"], False, True, True),
        (["tool:find"], False, True, True),
        (["tool:pay"], False, True, False),
        (["http", "tool:pay"], True, True, False),
        (["http", "mcp"], True, True, True),
    ],
)
def test_http_and_mcp_are_opened_apart(
    scopes: list[str], opens_http: bool, opens_mcp: bool, find: bool
) -> None:
    parsed = Scopes.parse(scopes)
    assert (parsed.opens_http, parsed.opens_mcp, parsed.tool("find")) == (
        opens_http,
        opens_mcp,
        find,
    )


@given(SOME_SCOPES, SOME_SCOPES, METHODS, PATHS, TOOLS)
def test_scopes_are_a_union(
    some: list[str], more: list[str], method: str, path: bytes, tool: str
) -> None:
    one, other, both = Scopes.parse(some), Scopes.parse(more), Scopes.parse(some + more)
    assert both.http(method, path) == (one.http(method, path) or other.http(method, path))
    assert both.tool(tool) == (one.tool(tool) or other.tool(tool))
    assert both.opens_mcp == (one.opens_mcp or other.opens_mcp)
    assert both.opens_http == (one.opens_http or other.opens_http)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "*",
        "all",
        "HTTP",
        "http:",
        "mcp:find",
        "tool",
        "tool:",
        "tool:a b",
        "tool:../x",
        "route:",
        "route:GET",
        "route:/orders",
        "route:get /orders",
        "route:GET orders",
        "route:GET *",
        "route:GET  /orders",
        "route:GET /orders?x=1",
        "route:GET /a/../b",
        "route:GET /a//b",
        "route:GET /a%2fb",
        "route:GET /señal",
        "http\nmcp",
        "tool:" + "x" * 2000,
    ],
)
def test_what_is_no_scope_is_refused_by_name(bad: str) -> None:
    with pytest.raises(ScopeError) as refused:
        Scopes.parse(["http", bad])
    assert repr(bad[:30])[:-1] in str(refused.value)


def test_a_scope_never_holds_a_token() -> None:
    token = "jfn_rt_" + "0" * 32 + "2Freyo"
    with pytest.raises(ScopeError) as refused:
        Scopes.parse([f"tool:{token}"])
    assert token not in str(refused.value)


def test_more_scopes_than_a_request_can_be_held_against_are_refused() -> None:
    with pytest.raises(ScopeError, match="limit"):
        Scopes.parse([f"tool:t{number}" for number in range(257)])


def test_a_scope_given_twice_is_kept_once() -> None:
    assert Scopes.parse(["mcp", "http", "mcp"]).texts == ("mcp", "http")


@pytest.mark.parametrize(
    ("token", "function", "now", "reason"),
    [
        (None, "shop", 0, "unknown"),
        (TOKEN, "other", 200, "other_function"),
        (TOKEN, "*", 200, "other_function"),
        (Token("t", "shop", "n", "h", 100, "t", expires=200.0), "shop", 200, "expired"),
        (Token("t", "shop", "n", "h", 100, "t", revoked=150.0), "shop", 120, "revoked"),
        (Token("t", "*", "n", "h", 100, "t", revoked=150.0), "shop", 160, "revoked"),
    ],
)
def test_a_token_is_refused_for_a_reason(
    token: Token | None, function: str, now: float, reason: str
) -> None:
    verdict = judge(token, function, now)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_a_token_is_good_until_the_moment_it_expires() -> None:
    token = Token("t", "shop", "n", "h", 100, "t", expires=200.0)
    assert judge(token, "shop", 199.999) == token.principal


def test_an_edge_wide_token_is_good_for_every_function() -> None:
    token = Token("tok_1", "*", "ops", "abc1", 100.0, "tok_1")
    assert judge(token, "shop", 200) == Principal("tok_1", "ops", "*", Scopes(), "tok_1")


def test_tokens_are_shown_by_prefix_and_hint() -> None:
    assert TOKEN.display == "jfn_rt_abc1.."
    assert AccessToken("pat_1", "ci", "abc1", 1.0).display == "jfn_pat_abc1.."


def test_a_rotated_out_token_is_shown_as_old_and_never_outlives_its_own_expiry() -> None:
    assert TOKEN.shown_name == "default"
    old = TOKEN.rotated_out("tok_2", 300.0)
    assert (old.shown_name, old.expires) == ("default~old", 300.0)
    assert old.rotated_out("tok_3", 400.0).expires == 300.0
