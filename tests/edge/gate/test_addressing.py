"""Where a request leads: hosts, slugs, paths, and the forms that a target may have."""

from typing import Any

import pytest

from edge.errors import ErrorKind, Errors
from edge.gate.decisions import Answer, Decision, Forward, Refuse, Status
from tests.support.asking import GOOD, HOST, HTTP_ONLY, MCP_ONLY, NARROW, ask, function, head

EDGE = b"127.0.0.1:8080"


def where(decision: Decision) -> tuple[str, bytes, bytes]:
    """The function reached, the target that it sees, and the prefix in front of it."""
    assert isinstance(decision, Forward), decision
    place = decision.place
    return place.function.slug, place.target, place.prefix


def refused(decision: Decision) -> ErrorKind:
    assert isinstance(decision, Refuse), decision
    return decision.refusal.kind


@pytest.mark.parametrize(
    ("host", "target", "seen", "prefix"),
    [
        (b"shop.fn.localhost", b"/a?b=c", b"/a?b=c", b""),
        (b"SHOP.FN.LocalHost", b"/a", b"/a", b""),
        (b"shop.fn.localhost:8080", b"/a", b"/a", b""),
        (b"shop.fn.localhost.", b"/a", b"/a", b""),
        (b"shop.fn.localhost.:8080", b"/shop/a", b"/shop/a", b""),
        (EDGE, b"/shop/a?b=/c", b"/a?b=/c", b"/shop"),
        (EDGE, b"/shop/", b"/", b"/shop"),
        (EDGE, b"/shop", b"/", b"/shop"),
        (EDGE, b"/shop?x=/y", b"/?x=/y", b"/shop"),
        (b"[::1]:8080", b"/shop/a", b"/a", b"/shop"),
        (b"anything.example", b"/shop/a", b"/a", b"/shop"),
        (b"fn.localhost", b"/shop/a", b"/a", b"/shop"),
        (b"xshop.fn.localhost.example", b"/shop/a", b"/a", b"/shop"),
        (b"api.shop.example", b"/a", b"/a", b""),
        (b"API.shop.example.:443", b"/a", b"/a", b""),
    ],
)
def test_a_function_is_found_by_host_or_by_path(
    host: bytes, target: bytes, seen: bytes, prefix: bytes
) -> None:
    shop = function(hosts=("api.shop.example",))
    decision = ask(head(target=target, host=host, token=GOOD), shop)
    assert where(decision) == ("shop", seen, prefix)


def test_a_custom_host_goes_before_the_form_under_the_domain() -> None:
    taker = function("taker", hosts=("shop.fn.localhost",), public=True)
    assert where(ask(head(), function(public=True), taker))[0] == "taker"


def test_a_custom_host_is_not_read_in_path_form() -> None:
    other = function("other", public=True)
    custom = function(hosts=("api.shop.example",), public=True)
    decision = ask(head(target=b"/other/x", host=b"api.shop.example"), custom, other)
    assert where(decision) == ("shop", b"/other/x", b"")


@pytest.mark.parametrize(
    ("host", "target"),
    [
        (b"nothing.fn.localhost", b"/orders/7"),
        (b"nothing.fn.localhost", b"/shop/orders"),
        (b"nothing.fn.localhost", b"/__edge/live"),
        (b"a.shop.fn.localhost", b"/"),
        (b".fn.localhost", b"/"),
        (EDGE, b"/nothing/orders"),
        (EDGE, b"/SHOP/orders"),
        (EDGE, b"/sh%6fp/orders"),
        (EDGE, b"//shop/orders"),
        (EDGE, b"/shop%2forders"),
        (EDGE, b"/shop;x/orders"),
        (EDGE, b"/./shop/orders"),
        (EDGE, b"/"),
        (EDGE, b"/?/shop/"),
        (EDGE, b"/mcp/"),
        (EDGE, b"/MCP"),
        (EDGE, b"/admin"),
        (EDGE, b"/.well-known/oauth-protected-resource"),
        (EDGE, b"/.well-known/oauth-authorization-server/shop/mcp"),
    ],
)
def test_what_is_unknown_is_one_and_the_same_404(host: bytes, target: bytes) -> None:
    decision = ask(head(target=target, host=host, token=GOOD))
    assert decision == ask(head(target=b"/", host=b"deleted.fn.localhost"))
    assert refused(decision) is Errors.NOT_FOUND.value


@pytest.mark.parametrize("host", [EDGE, b"unknown.example"])
def test_path_form_can_be_turned_off(host: bytes) -> None:
    asked = head(target=b"/shop/a", host=host, token=GOOD)
    assert refused(ask(asked, path_addressing=False)) is Errors.NOT_FOUND.value
    assert where(ask(head(token=GOOD), path_addressing=False))[0] == "shop"


def test_the_domain_is_a_setting() -> None:
    public = function(public=True)
    assert where(ask(head(host=b"shop.fn.example"), public, domain="fn.example"))[0] == "shop"
    asked = head(host=b"shop.fn.localhost")
    assert refused(ask(asked, public, domain="fn.example")) is Errors.NOT_FOUND.value


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        (b"http://shop.fn.localhost/a?b", b"nothing.fn.localhost", ("shop", b"/a?b", b"")),
        (b"https://SHOP.fn.localhost:443/a", EDGE, ("shop", b"/a", b"")),
        (b"HTTP://shop.fn.localhost/a", EDGE, ("shop", b"/a", b"")),
        (b"http://shop.fn.localhost", EDGE, ("shop", b"/", b"")),
        (b"http://shop.fn.localhost?b", EDGE, ("shop", b"/?b", b"")),
        (b"http://127.0.0.1:8080/shop/a", HOST, ("shop", b"/a", b"/shop")),
    ],
)
def test_an_absolute_target_replaces_the_host(
    target: bytes, host: bytes, expected: tuple[str, bytes, bytes]
) -> None:
    decision = ask(head(target=target, host=host, token=GOOD))
    assert where(decision) == expected
    assert isinstance(decision, Forward)
    assert decision.place.authority in target


BAD_TARGETS: list[dict[str, Any]] = [
    {"method": "CONNECT", "target": b"shop.fn.localhost:443"},
    {"method": "CONNECT", "target": b"/a"},
    {"method": "GET", "target": b"shop.fn.localhost:443"},
    {"method": "GET", "target": b"*"},
    {"method": "POST", "target": b"*"},
    {"target": b""},
    {"target": b"a/b"},
    {"target": b"ftp://shop.fn.localhost/"},
    {"target": b"http:///a"},
    {"target": b"http://?a"},
    {"target": b"http://user@shop.fn.localhost/"},
    {"target": b"http://shop.fn.localhost:port/"},
    {"target": b"/a b"},
    {"target": b"/a\tb"},
    {"target": b"/a\0b"},
    {"target": b"/a\x7fb"},
    {"target": "/ñ".encode()},
    {"target": b"/a#b"},
    {"host": None},
    {"host": b""},
    {"host": b"a b"},
    {"host": b"a/b"},
    {"host": b"shop.fn.localhost, other"},
    {"host": b"user@shop.fn.localhost"},
    {"host": b"shop.fn.localhost:80:80"},
    {"host": b"[::1"},
    {"host": b"\xff"},
    {"target": b"http://shop.fn.localhost/", "host": b"a b"},
]


@pytest.mark.parametrize("asked", BAD_TARGETS, ids=repr)
def test_a_target_or_host_of_another_form_is_400(asked: dict[str, Any]) -> None:
    assert refused(ask(head(token=GOOD, **asked))) is Errors.BAD_REQUEST.value


def test_two_hosts_are_400() -> None:
    asked = head("GET", b"/a", (b"host", HOST), token=GOOD)
    assert refused(ask(asked)) is Errors.BAD_REQUEST.value


def test_a_host_that_holds_a_token_is_400_since_functions_are_told_the_host() -> None:
    asked = head(host=GOOD.encode() + b".fn.localhost")
    assert refused(ask(asked)) is Errors.BAD_REQUEST.value


@pytest.mark.parametrize("host", [None, b""])
def test_http_1_0_may_leave_the_host_out(host: bytes | None) -> None:
    decision = ask(head(target=b"/shop/a", host=host, version="1.0", token=GOOD))
    assert where(decision)[0] == "shop"
    assert isinstance(decision, Forward)
    assert decision.place.authority == b"localhost"


def test_the_star_is_answered_for_the_edge_and_checked_for_a_function() -> None:
    decision = ask(head("OPTIONS", b"*", host=EDGE))
    assert isinstance(decision, Answer)
    assert decision.status == 204
    assert refused(ask(head("OPTIONS", b"*"))) is Errors.UNAUTHORIZED.value


@pytest.mark.parametrize("host", [HOST, EDGE, b"nothing.fn.localhost"])
def test_trace_is_405(host: bytes) -> None:
    decision = ask(head("TRACE", host=host, token=GOOD))
    assert refused(decision) is Errors.METHOD_NOT_ALLOWED.value
    assert isinstance(decision, Refuse)
    assert b"TRACE" not in dict(decision.refusal.headers)[b"allow"]


@pytest.mark.parametrize("probe", ["live", "ready"])
def test_the_edge_answers_for_itself_on_hosts_that_are_no_functions(probe: str) -> None:
    target = f"/__edge/{probe}".encode()
    assert ask(head(target=target, host=EDGE)) == Status(probe)  # type: ignore[arg-type]
    assert ask(head("HEAD", target + b"?x", host=EDGE)) == Status(probe)  # type: ignore[arg-type]
    assert refused(ask(head("POST", target, host=EDGE))) is Errors.METHOD_NOT_ALLOWED.value
    assert refused(ask(head(target=target))) is Errors.UNAUTHORIZED.value
    assert ask(head(target=target, host=EDGE), path_addressing=False) == Status(probe)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        b"/..",
        b"/a/../b",
        b"/a/./b",
        b"/%2e%2e/b",
        b"/a/.%2E/b",
        b"/a/..;x=y/b",
        b"//a",
        b"/a//b",
        b"/a\\b",
        b"/a%5cb",
        b"/a%2Fb",
        b"/a%00b",
    ],
)
@pytest.mark.parametrize("public", [False, True])
def test_a_doubtful_path_needs_an_unscoped_token_and_goes_on_unchanged(
    path: bytes, public: bool
) -> None:
    target = path + b"?q=/../%2f"
    shop = function(public=public)
    assert refused(ask(head(target=target), shop)) is Errors.UNAUTHORIZED.value
    assert where(ask(head(target=target, token=GOOD), shop)) == ("shop", target, b"")
    by_path = head(target=b"/shop" + target, host=EDGE, token=GOOD)
    assert where(ask(by_path, shop)) == ("shop", target, b"/shop")
    for scoped in (HTTP_ONLY, MCP_ONLY, NARROW):
        decision = ask(head(target=target, token=scoped), function())
        assert refused(decision) is Errors.FORBIDDEN.value


def test_a_query_makes_no_path_doubtful() -> None:
    decision = ask(head(target=b"/a?next=//x/../%2f%5c%00"), function(public=True))
    assert isinstance(decision, Forward)
