"""What the gate judges beside the token, and in which order: heads, preflight, MCP, limits."""

from dataclasses import replace
from typing import Any

import pytest

from edge.errors import ErrorKind, Errors
from edge.functions import Cors, Function, McpSettings
from edge.gate.decide import refuse_call
from edge.gate.decisions import Answer, Bridge, Decision, Forward, GateSettings, Open, Refuse
from edge.message import Headers, Peer
from mcp_bridge.tools import Operation, Tool, ToolRequest
from tests.support.asking import GOOD, MCP_ONLY, NARROW, ask, function, head, route
from tokens.paths import PathTemplate

EDGE = b"127.0.0.1:8080"


def refused(decision: Decision) -> ErrorKind:
    assert isinstance(decision, Refuse), decision
    return decision.refusal.kind


def allow_of(decision: Decision) -> bytes:
    assert refused(decision) is Errors.METHOD_NOT_ALLOWED.value
    assert isinstance(decision, Refuse)
    return dict(decision.refusal.headers)[b"allow"]


# Heads that are refused whatever they ask for

MALFORMED: list[Headers] = [
    ((b"content-length", b"1"), (b"transfer-encoding", b"chunked")),
    ((b"content-length", b"1"), (b"content-length", b"1")),
    ((b"content-length", b"1, 1"),),
    ((b"content-length", b""),),
    ((b"content-length", b"-1"),),
    ((b"content-length", b"+1"),),
    ((b"content-length", b"0x1"),),
    ((b"content-length", b"1e3"),),
    ((b"content-length", "\u0661".encode()),),
    ((b"content-length", b"9" * 19),),
    ((b"transfer-encoding", b"gzip"),),
    ((b"transfer-encoding", b"gzip, chunked"),),
    ((b"transfer-encoding", b"chunked, chunked"),),
    ((b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")),
    ((b"transfer-encoding", b""),),
    ((b"connection", b"host"),),
    ((b"connection", b"close, Content-Length"),),
    ((b"connection", b"AUTHORIZATION"),),
    ((b"connection", b"keep-alive"), (b"connection", b" X-Jelou-Token ,")),
    ((b"x", b"a\0b"),),
    ((b"x", b"a\rb"),),
    ((b"x", b"a\nb: c"),),
]


@pytest.mark.parametrize("fields", MALFORMED, ids=repr)
@pytest.mark.parametrize("host", [b"shop.fn.localhost", EDGE, b"nothing.fn.localhost"])
def test_an_ambiguous_head_is_400_and_ends_the_connection(fields: Headers, host: bytes) -> None:
    kind = refused(ask(head("POST", b"/orders", *fields, host=host, token=GOOD)))
    assert kind is Errors.BAD_REQUEST.value
    assert kind.closes


def test_chunked_needs_http_1_1() -> None:
    fields = ((b"transfer-encoding", b"chunked"),)
    asked = head("POST", b"/a", *fields, version="1.0", token=GOOD)
    assert refused(ask(asked)) is Errors.BAD_REQUEST.value
    assert isinstance(ask(head("POST", b"/a", *fields, token=GOOD)), Forward)


LINE = len("GET  HTTP/1.1")


@pytest.mark.parametrize(
    ("target", "fields", "error"),
    [
        (b"/" + b"a" * (8191 - LINE), (), None),
        (b"/" + b"a" * (8192 - LINE), (), Errors.URI_TOO_LONG),
        (b"/?" + b"a" * 8192, (), Errors.URI_TOO_LONG),
        (b"/", ((b"x", b""),) * 126, None),
        (b"/", ((b"x", b""),) * 127, Errors.HEADERS_TOO_LARGE),
        (b"/", ((b"x", b"a" * 32 * 1024),), Errors.HEADERS_TOO_LARGE),
        (b"/", ((b"x" * 32 * 1024, b""),), Errors.HEADERS_TOO_LARGE),
        (b"/", ((b"x", b"a" * 31 * 1024),), None),
    ],
    ids=["line fits", "line", "query", "fields fit", "fields", "value", "name", "value fits"],
)
def test_a_head_has_limits(target: bytes, fields: Headers, error: Errors | None) -> None:
    decision = ask(head("GET", target, *fields, token=GOOD))
    if error is None:
        assert isinstance(decision, Forward)
    else:
        assert refused(decision) is error.value


def test_the_limits_of_a_head_are_settings() -> None:
    long = head("GET", b"/" + b"a" * 9000, token=GOOD)
    assert isinstance(ask(long, request_line=10_000), Forward)
    wide = head("GET", b"/", (b"x", b"a" * 40_000), token=GOOD)
    assert isinstance(ask(wide, header_block=50_000), Forward)
    many = head("GET", b"/", *((b"x", b""),) * 200, token=GOOD)
    assert isinstance(ask(many, header_fields=300), Forward)
    for asked, setting, limit in (
        (head("GET", b"/" + b"a" * 99), "request_line", 99),
        (head("GET", b"/", (b"x", b"a" * 99)), "header_block", 99),
        (head("GET", b"/", *((b"x", b""),) * 9), "header_fields", 9),
    ):
        decision = ask(asked, **{setting: limit})
        assert isinstance(decision, Refuse)
        assert str(limit) in decision.refusal.message


# Preflight

ASKED: Headers = (
    (b"origin", b"https://page.example"),
    (b"access-control-request-method", b"PUT"),
    (b"access-control-request-headers", b"x-jelou-token, content-type"),
)


@pytest.mark.parametrize(
    "target",
    [b"/orders", b"/a/../b", b"/mcp", b"/openapi.json", b"/.well-known/openid-configuration", b"*"],
)
def test_preflight_is_answered_before_everything_else(target: bytes) -> None:
    decision = ask(head("OPTIONS", target, *ASKED))
    assert isinstance(decision, Answer)
    assert decision.status == 204
    fields = dict(decision.headers)
    assert fields[b"access-control-allow-origin"] == b"*"
    assert fields[b"access-control-allow-headers"] == b"x-jelou-token, content-type"
    assert fields[b"access-control-max-age"] == b"86400"


def test_preflight_tells_nothing_of_methods_and_tools() -> None:
    asked = head("OPTIONS", b"/secret", *ASKED)
    plain = ask(asked, function())
    shaped = ask(asked, function(methods=("POST",), routes=(route("GET", "/secret", public=True),)))
    assert isinstance(plain, Answer)
    assert isinstance(shaped, Answer)
    assert (plain.status, plain.headers) == (shaped.status, shaped.headers)


def test_what_is_no_preflight_is_checked() -> None:
    for fields in (ASKED[:1], ASKED[1:], ()):
        assert refused(ask(head("OPTIONS", b"/a", *fields))) is Errors.UNAUTHORIZED.value
    assert refused(ask(head("GET", b"/a", *ASKED))) is Errors.UNAUTHORIZED.value


def test_without_cors_a_preflight_is_a_request_like_any_other() -> None:
    silent = function(cors=None, methods=("OPTIONS", "GET"))
    assert refused(ask(head("OPTIONS", b"/a", *ASKED), silent)) is Errors.UNAUTHORIZED.value
    assert isinstance(ask(head("OPTIONS", b"/a", *ASKED, token=GOOD), silent), Forward)


def test_preflight_follows_the_functions_cors() -> None:
    strict = function(cors=Cors(origins=("https://page.example",), max_age=5, credentials=True))
    decision = ask(head("OPTIONS", b"/a", *ASKED), strict)
    assert isinstance(decision, Answer)
    fields = dict(decision.headers)
    assert fields[b"access-control-allow-origin"] == b"https://page.example"
    assert fields[b"access-control-allow-credentials"] == b"true"
    assert fields[b"access-control-max-age"] == b"5"


# MCP


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
def test_mcp_goes_to_the_bridge_whatever_the_functions_methods_and_path_are(method: str) -> None:
    narrow = function(methods=("PATCH",), path=PathTemplate("/only"), body_limit=1)
    decision = ask(head(method, b"/mcp?x", (b"content-length", b"9"), token=MCP_ONLY), narrow)
    assert isinstance(decision, Bridge)
    assert decision.checked
    assert decision.principal is not None


@pytest.mark.parametrize("target", [b"/mcp/", b"/MCP", b"/mc%70", b"/mcp/x", b"/a/mcp"])
def test_only_mcp_byte_for_byte_is_the_mcp_endpoint(target: bytes) -> None:
    assert isinstance(ask(head("POST", target, token=GOOD)), Forward)
    assert refused(ask(head("POST", target))) is Errors.UNAUTHORIZED.value


def test_mcp_that_is_turned_off_is_404_for_those_with_a_token() -> None:
    off = function(mcp=McpSettings(enabled=False))
    assert refused(ask(head("POST", b"/mcp"), off)) is Errors.UNAUTHORIZED.value
    assert refused(ask(head("POST", b"/mcp", token=GOOD), off)) is Errors.NOT_FOUND.value
    assert refused(ask(head("POST", b"/mcp", token=NARROW), off)) is Errors.FORBIDDEN.value


@pytest.mark.parametrize(
    "field",
    [(b"content-length", b"5"), (b"content-length", b"05"), (b"transfer-encoding", b"chunked")],
)
def test_a_websocket_handshake_that_announces_a_body_is_400(field: tuple[bytes, bytes]) -> None:
    asked = head("GET", b"/orders/7", field, token=GOOD, websocket=True)
    assert refused(ask(asked)) is Errors.BAD_REQUEST.value
    assert isinstance(ask(replace(asked, websocket=False)), Forward)


@pytest.mark.parametrize("length", [b"0", b"00"])
def test_a_websocket_handshake_may_say_that_it_has_no_body(length: bytes) -> None:
    asked = head("GET", b"/orders/7", (b"content-length", length), token=GOOD, websocket=True)
    assert isinstance(ask(asked), Forward)


def test_mcp_is_not_spoken_over_websocket() -> None:
    assert allow_of(ask(head(target=b"/mcp", websocket=True, token=GOOD)))


OWN = b"shop.fn.localhost:8080"
ORIGINS: list[tuple[bytes, list[bytes], bool]] = [
    (b"shop.example", [], True),
    (b"shop.example", [b"https://shop.example"], True),
    (b"shop.example", [b"https://SHOP.example"], True),
    (b"shop.example:8443", [b"https://shop.example:8443"], True),
    (b"shop.example", [b"https://listed.example"], True),
    (b"shop.example", [b"https://evil.example"], False),
    (b"shop.example", [b"https://shop.example.evil.example"], False),
    (b"shop.example", [b"https://shop.example:8443"], False),
    (b"shop.example", [b"null"], False),
    (b"shop.example", [b""], False),
    (b"shop.example", [b"shop.example"], False),
    (b"shop.example", [b"file://shop.example"], False),
    (b"shop.example", [b"https://shop.example/path"], False),
    (b"shop.example", [b"https://user@shop.example"], False),
    (b"shop.example", [b"http://localhost:3000"], False),
    (b"shop.example", [b"http://127.0.0.1"], False),
    (b"shop.example", [b"https://listed.example.evil"], False),
    (b"shop.example:443", [b"https://shop.example"], True),
    (b"shop.example", [b"https://shop.example:443"], True),
    (b"shop.example:80", [b"http://shop.example"], True),
    (b"shop.example:80", [b"https://shop.example"], False),
    (b"shop.example:8443", [b"https://shop.example"], False),
    (b"shop.example", [b"https://shop.example", b"https://shop.example"], False),
    (b"shop.example", [b"https://shop.example, https://shop.example"], False),
    (b"shop.example", [b"https://\xff"], False),
    (OWN, [b"http://shop.fn.localhost:8080"], True),
    (OWN, [b"http://localhost:6274"], True),
    (OWN, [b"http://127.0.0.1:6274"], True),
    (OWN, [b"http://[::1]:6274"], True),
    (OWN, [b"http://evil.example"], False),
    (OWN, [b"http://127.0.0.1.evil.example"], False),
    (OWN, [b"null"], False),
]


@pytest.mark.parametrize(("host", "origins", "served"), ORIGINS)
@pytest.mark.parametrize("public", [False, True])
def test_a_page_speaks_mcp_only_from_an_origin_that_may(
    host: bytes, origins: list[bytes], served: bool, public: bool
) -> None:
    shop = function(
        hosts=("shop.example",), mcp=McpSettings(origins=("https://listed.example",)), public=public
    )
    fields = tuple((b"origin", origin) for origin in origins)
    decision = ask(head("POST", b"/mcp", *fields, host=host, token=GOOD), shop)
    assert isinstance(decision, Bridge) is served
    if not served:
        assert refused(decision) is Errors.FORBIDDEN.value


def test_origin_matters_to_mcp_alone() -> None:
    asked = head("POST", b"/orders", (b"origin", b"https://evil.example"), token=GOOD)
    assert isinstance(ask(asked), Forward)


# Methods, path, limits


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_the_documented_methods_are_allowed_by_default(method: str) -> None:
    assert isinstance(ask(head(method, token=GOOD)), Forward)


@pytest.mark.parametrize("method", ["OPTIONS", "get", "PROPFIND", "X"])
def test_other_methods_are_405_with_allow(method: str) -> None:
    decision = ask(head(method, token=GOOD))
    assert allow_of(decision) == b"GET, HEAD, POST, PUT, PATCH, DELETE"
    assert refused(ask(head(method))) is Errors.UNAUTHORIZED.value


def test_get_implies_head_and_post_does_not() -> None:
    assert isinstance(ask(head("HEAD", token=GOOD), function(methods=("GET",))), Forward)
    assert allow_of(ask(head("HEAD", token=GOOD), function(methods=("POST",)))) == b"POST"


def test_a_tools_methods_and_timeout_go_before_the_functions() -> None:
    tool = route("GET", "/a/{x}", methods=("GET", "PURGE"), timeout=500)
    shop = function(routes=(tool,), methods=("POST",))
    decision = ask(head("PURGE", b"/a/7", token=GOOD), shop)
    assert isinstance(decision, Forward)
    assert decision.timeout == 500
    assert allow_of(ask(head("PURGE", b"/b", token=GOOD), shop)) == b"POST"


def test_methods_of_a_tool_are_all_that_its_route_allows() -> None:
    tools = (
        route("POST", "/hook", public=True, methods=("POST",)),
        route("GET", "/a/{x}", methods=("GET", "PURGE")),
        route("PUT", "/a/{x}"),
        route("GET", "/free"),
    )
    shop = function(routes=tools)
    assert allow_of(ask(head("GET", b"/hook", token=GOOD), shop)) == b"POST"
    assert refused(ask(head("GET", b"/hook"), shop)) is Errors.UNAUTHORIZED.value
    assert allow_of(ask(head("POST", b"/a/7", token=GOOD), shop)) == b"GET, HEAD, PURGE, PUT"
    for method, target in (("PUT", b"/a/7"), ("HEAD", b"/a/7"), ("POST", b"/free")):
        assert isinstance(ask(head(method, target, token=GOOD), shop), Forward), (method, target)


def test_no_timeout_is_over_the_edges() -> None:
    tool = route("GET", "/slow", timeout=900_000)
    shop = function(routes=(tool,), timeout=90_000)
    for target, most, expected in (
        (b"/slow", 120_000, 120_000),
        (b"/other", 120_000, 90_000),
        (b"/other", 1000, 1000),
    ):
        decision = ask(head(target=target, token=GOOD), shop, max_timeout=most)
        assert isinstance(decision, Forward)
        assert decision.timeout == expected


@pytest.mark.parametrize(
    ("pattern", "path", "served"),
    [
        ("*", b"/anything", True),
        ("/orders/:id", b"/orders/7", True),
        ("/orders/:id", b"/orders", False),
        ("/orders/:id", b"/orders/7/items", False),
        ("/", b"/", True),
        ("/", b"/a", False),
    ],
)
def test_the_path_pattern_says_which_routes_there_are(
    pattern: str, path: bytes, served: bool
) -> None:
    shop = function(path=PathTemplate(pattern))
    decision = ask(head(target=path + b"?q=/", token=GOOD), shop)
    assert isinstance(decision, Forward) is served
    if not served:
        assert refused(decision) is Errors.NOT_FOUND.value
        assert refused(ask(head(target=path), shop)) is Errors.UNAUTHORIZED.value


@pytest.mark.parametrize(
    ("limit", "length", "served"),
    [
        (10, b"10", True),
        (10, b"11", False),
        (10, b"010", True),
        (0, b"1", False),
        (None, b"9" * 18, True),
    ],
)
def test_a_body_over_the_limit_is_refused_before_it_is_read(
    limit: int | None, length: bytes, served: bool
) -> None:
    asked = head("POST", b"/orders", (b"content-length", length), token=GOOD)
    decision = ask(asked, function(body_limit=limit))
    assert isinstance(decision, Forward) is served
    if not served:
        assert refused(decision) is Errors.BODY_TOO_LARGE.value


def test_the_limit_is_ten_mebibytes_unless_said_otherwise() -> None:
    size = 10 * 1024 * 1024
    for length, served in ((size, True), (size + 1, False)):
        asked = head("POST", b"/a", (b"content-length", b"%d" % length), token=GOOD)
        assert isinstance(ask(asked), Forward) is served


# Requests that the bridge builds


def tool_call(
    method: str,
    target: bytes,
    body: bytes | None = None,
    template: str = "/orders/{id}",
    **more: Any,
) -> ToolRequest:
    tool = Tool("t", "", {}, Operation(method, template), **more)
    return ToolRequest(tool, method, target, (), body)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (tool_call("POST", b"/orders/7?x=/", b"1"), None),
        (tool_call("GET", b"/orders/7"), "method_not_allowed"),
        (tool_call("GET", b"/orders/7", methods=("GET",)), None),
        (tool_call("POST", b"/orders/7", methods=("GET",)), "method_not_allowed"),
        (tool_call("POST", b"/elsewhere", template="/elsewhere"), "not_found"),
        (tool_call("POST", b"/elsewhere/7", template="/{any}/{id}"), "not_found"),
        (tool_call("POST", b"/orders/7", template="/{any}/{id}"), None),
        (tool_call("POST", b"/orders/a%2Fb"), None),
        (tool_call("POST", b"/orders/..%2Fsecret"), None),
        (tool_call("POST", b"/orders/..%2Fsecret", template="/{any}/{id}"), "not_found"),
        (tool_call("POST", b"/orders/7", b"12"), "body_too_large"),
    ],
)
def test_a_tool_call_keeps_to_methods_path_and_limit(call: ToolRequest, code: str | None) -> None:
    refusal = refuse_call(strict(), call)
    assert (refusal.kind.code if refusal else None) == code


# The order

STRICT: dict[str, Any] = {
    "methods": ("POST",),
    "path": PathTemplate("/orders/{id}"),
    "body_limit": 1,
    "mcp": McpSettings(enabled=False),
}
LARGE = (b"content-length", b"2")
FOREIGN = (b"origin", b"https://evil.example")


def strict() -> Function:
    return function(**STRICT)


STEPS: list[tuple[str, Decision]] = [
    ("bad_request", ask(head("TRACE", b"/x", LARGE, LARGE, host=b"no.fn.localhost"), strict())),
    ("method_not_allowed", ask(head("TRACE", b"/x", LARGE, host=b"no.fn.localhost"), strict())),
    ("not_found", ask(head("GET", b"/x", LARGE, host=b"no.fn.localhost"), strict())),
    ("unauthorized", ask(head("GET", b"/x", LARGE), strict())),
    ("forbidden", ask(head("GET", b"/x", LARGE, token=NARROW), strict())),
    ("method_not_allowed", ask(head("GET", b"/x", LARGE, token=GOOD), strict())),
    ("not_found", ask(head("POST", b"/x", LARGE, token=GOOD), strict())),
    ("body_too_large", ask(head("POST", b"/orders/7", LARGE, token=GOOD), strict())),
]


@pytest.mark.parametrize(("code", "decision"), STEPS)
def test_each_step_is_judged_before_the_next(code: str, decision: Decision) -> None:
    assert refused(decision).code == code


def test_mcp_judges_token_scope_origin_and_then_whether_there_is_any() -> None:
    codes = [
        refused(ask(head("PUT", b"/mcp", *fields, token=token), strict())).code
        for token, fields in (
            (None, (FOREIGN,)),
            (NARROW, (FOREIGN,)),
            (GOOD, (FOREIGN,)),
            (GOOD, ()),
        )
    ]
    assert codes == ["unauthorized", "forbidden", "forbidden", "not_found"]


LOOPBACK, ELSEWHERE = Peer("127.0.0.1", "http"), Peer("203.0.113.9", "http")


@pytest.mark.parametrize(
    ("target", "host", "peer", "served"),
    [
        (b"/shop/mcp", b"evil.example", LOOPBACK, False),
        (b"/shop/mcp", b"evil.example:8080", LOOPBACK, False),
        (b"/shop/mcp", b"evil.example", ELSEWHERE, True),
        (b"/shop/mcp", b"edge.example", LOOPBACK, True),
        (b"/shop/mcp", b"127.0.0.1:8080", LOOPBACK, True),
        (b"/shop/mcp", b"192.168.1.7:8080", LOOPBACK, True),
        (b"/shop/mcp", b"localhost:8080", LOOPBACK, True),
        (b"/mcp", b"shop.fn.localhost", LOOPBACK, True),
    ],
)
def test_a_name_that_a_page_made_for_this_machine_is_not_its_own(
    target: bytes, host: bytes, peer: Peer, served: bool
) -> None:
    settings = GateSettings(public_host="edge.example")
    for fields in ((), ((b"origin", b"http://" + host),)):
        asked = head("POST", target, *fields, host=host, peer=peer, token=GOOD)
        decision = ask(asked, settings=settings)
        assert isinstance(decision, Bridge) is (served or not fields)


def test_a_request_that_meets_everything_is_forwarded() -> None:
    decision = ask(head("POST", b"/orders/7", (b"content-length", b"1"), token=GOOD), strict())
    assert isinstance(decision, Forward)
    assert decision.timeout == 30_000


def test_open_documents_go_before_the_order_of_the_rest() -> None:
    assert isinstance(ask(head("GET", b"/__health", LARGE), strict()), Open)
