"""What the gate answers without the function, in the contract's order. Data only."""

from tests.edge.lanes.cases_requests import EVERY, TOKEN, ask, simple
from tests.support.lanes_case import Answered, Case, Lane, Pairs, token
from tests.support.lanes_expected import received, refused, relayed, unauthorized
from tokens.secret import RUNTIME, checksum

MADE_UP = (_body := RUNTIME + "a" * 32) + checksum(_body.encode())


def tokened(slug: str, name: str = "default") -> Pairs:
    return (("X-Jelou-Token", token(name, slug)),)


def answered(name: str, sent: bytes, *answers: Answered, lane: Lane = "fast") -> Case:
    """The function sees nothing, and the connection goes on."""
    return Case(name=name, sent=sent, answers=answers, lane=lane)


_CAUSES = [
    answered(f"401: {name}", ask("/g", tokens=fields), unauthorized())
    for name, fields in (
        ("missing", ()),
        ("unknown", (("X-Jelou-Token", MADE_UP),)),
        ("revoked", tokened("shop", "ended")),
        ("of another function", tokened("open")),
        ("malformed", (("X-Jelou-Token", "jfn_rt_x"),)),
        ("wrong checksum", (("X-Jelou-Token", MADE_UP[:-1] + "0"),)),
        ("empty", (("X-Jelou-Token", ""),)),
        ("over 4 KB", (("X-Jelou-Token", MADE_UP + "a" * 5000),)),
        ("not ASCII", (("X-Jelou-Token", "jfn_rt_\xf1"),)),
        ("in quotes", (("X-Jelou-Token", f'"{token()}"'),)),
        ("with Bearer", (("X-Jelou-Token", f"Bearer {token()}"),)),
        ("sent twice", (TOKEN, TOKEN)),
        ("sent twice in two spellings", (TOKEN, ("x-jelou-token", token()))),
        ("twice with a comma", (("X-Jelou-Token", f"{token()}, {token()}"),)),
        ("good and bad", (TOKEN, ("X-Jelou-Token", "x"))),
        ("in another spelling", (("X_Jelou_Token", token()),)),
        ("in Authorization", (("Authorization", f"Bearer {token()}"),)),
        ("in X-Api-Key", (("X-Api-Key", token()),)),
        ("in a cookie", (("Cookie", f"X-Jelou-Token={token()}"),)),
    )
] + [
    answered("401: in the query", ask(f"/?x-jelou-token={token()}", tokens=()), unauthorized()),
    answered("401 of HEAD", ask("/", "HEAD", tokens=()), unauthorized(head=True)),
    *(
        answered(f"401 of {method} {target}", ask(target, method, tokens=()), unauthorized())
        for method in ("POST", "BREW", "OPTIONS", "DELETE")
        for target in ("/", "/mcp", "/../x", "/a%2fb", "/__health", "/openapi.json")
    ),
    *(
        answered(f"401 of GET {target}", ask(target, tokens=()), unauthorized())
        for target in (
            "/mcp",
            "/__health/",
            "/__Health",
            "//__health",
            "/openapi%2Ejson",
            "/.well-known/x",
            "/.well-known/oauth-protected-resourcex",
            "/.well-known/oauth-protected-resource/..",
            "/__edge/live",
        )
    ),
    answered(
        "401 keeps the caller's id",
        ask("/", fields=(("x-request-id", "mine"),), tokens=()),
        unauthorized(request_id="mine"),
    ),
    answered("401 in path form", ask("/shop/x", tokens=(), host="localhost"), unauthorized()),
    answered("401 of an OPTIONS *", ask("*", "OPTIONS", tokens=()), unauthorized()),
    answered(
        "401 with another realm", ask(tokens=(), host="quick.fn.localhost"), unauthorized("quick")
    ),
    answered(
        "401 with a small body behind",
        ask("/", "POST", (), b"GET / HTTP/1.1\r\n\r\n", tokens=()),
        unauthorized(),
    ),
    answered(
        "401 ignores problem+json",
        ask("/", fields=(("Accept", "application/problem+json"),), tokens=()),
        unauthorized(),
    ),
    answered(
        "401 without CORS",
        ask(tokens=(), host="nocors.fn.localhost"),
        unauthorized("nocors", cors=()),
    ),
    answered(
        "two different tokens",
        ask(
            tokens=(("X-Jelou-Token", token(slug="places")), ("X-Api-Key", token())),
            host="places.fn.localhost",
        ),
        unauthorized("places"),
    ),
]

NOWHERE = refused(404, "not_found")
_NOT_FOUND = [
    *(
        answered(f"404: {host} {target}", ask(target, host=host), NOWHERE)
        for host, target in (
            ("nowhere.fn.localhost", "/"),
            ("a.shop.fn.localhost", "/"),
            (".fn.localhost", "/"),
            ("localhost", "/"),
            ("localhost", "/nowhere/x"),
            ("localhost", "/SHOP/"),
            ("localhost", "/%73hop/"),
            ("localhost", "/shop%2fx"),
            ("localhost", "//shop/"),
            ("localhost", "/mcpx"),
            ("unknown.example", "/"),
            ("fn.localhost", "/"),
            ("127.0.0.1", "/__edge/other"),
            ("localhost", "/.well-known/oauth-protected-resource"),
        )
    ),
    answered(
        "404 of HEAD",
        ask("/", "HEAD", host="localhost", tokens=()),
        refused(404, "not_found", head=True),
    ),
    answered(
        "404 as problem details",
        ask(
            "/", host="localhost", fields=(("Accept", "text/html, application/problem+json;q=0.5"),)
        ),
        refused(404, "not_found", content_type="application/problem+json"),
    ),
    answered(
        "404 with problem details refused",
        ask("/", host="localhost", fields=(("Accept", "application/problem+json;q=0"),)),
        NOWHERE,
    ),
    answered(
        "404 with any type",
        ask("/", host="localhost", fields=(("Accept", "*/*"),)),
        NOWHERE,
    ),
    answered(
        "404 of a route outside config.path",
        ask("/other", host="narrow.fn.localhost", tokens=tokened("narrow")),
        NOWHERE,
    ),
    simple(
        "a route within config.path",
        ask("/api/7", host="narrow.fn.localhost", tokens=tokened("narrow")),
        received(target="/api/7", slug="narrow", authority="narrow.fn.localhost"),
    ),
    *(
        answered(f"404 of discovery {target} at {host}", ask(target, host=host, tokens=()), NOWHERE)
        for target, host in (
            ("/.well-known/oauth-protected-resource", "shop.fn.localhost"),
            ("/.well-known/oauth-protected-resource/mcp", "shop.fn.localhost"),
            ("/.well-known/oauth-authorization-server", "shop.fn.localhost"),
            ("/.well-known/openid-configuration/x/y?z", "shop.fn.localhost"),
            ("/shop/.well-known/openid-configuration", "localhost"),
            ("/.well-known/openid-configuration/shop", "localhost"),
        )
    ),
]


def _not_allowed(allow: str) -> Answered:
    return refused(405, "method_not_allowed", (("allow", allow),))


_METHODS = [
    answered("405: TRACE", ask("/", "TRACE"), _not_allowed(EVERY)),
    answered("405: TRACE without a token", ask("/", "TRACE", tokens=()), _not_allowed(EVERY)),
    answered(
        "405: POST",
        ask("/", "POST", host="reader.fn.localhost", tokens=tokened("reader")),
        _not_allowed("GET, HEAD"),
    ),
    answered(
        "405: POST with a body",
        ask("/", "POST", (), b"x" * 1000, host="reader.fn.localhost", tokens=tokened("reader")),
        _not_allowed("GET, HEAD"),
    ),
    answered(
        "405: OPTIONS",
        ask("/", "OPTIONS", host="open.fn.localhost", tokens=()),
        _not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE"),
    ),
    answered(
        "405: lower case",
        ask("/", "get"),
        _not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, BREW, M-SEARCH"),
    ),
    answered("405: health", ask("/__health", "POST"), _not_allowed("GET, HEAD")),
    answered(
        "405: the edge's own",
        ask("/__edge/live", "POST", tokens=(), host="localhost"),
        _not_allowed("GET, HEAD"),
    ),
]

_SCOPES = [
    *(
        answered(
            f"403: {name} for {method} {target}",
            ask(target, method, tokens=tokened("shop", name)),
            refused(403, "forbidden"),
        )
        for name, method, target in (
            ("orders", "GET", "/"),
            ("orders", "GET", "/orders"),
            ("orders", "GET", "/orders/7/x"),
            ("orders", "GET", "/orders/../x"),
            ("orders", "GET", "/orders/7%2fx"),
            ("orders", "GET", "/orders/"),
            ("orders", "POST", "/orders/7"),
            ("orders", "TRACK", "/orders/7"),
            ("mcp", "GET", "/orders/7"),
            ("tool", "GET", "/"),
        )
    ),
    Case(
        name="a scope that covers the request",
        sent=ask("/orders/7?x", tokens=tokened("shop", "orders")),
        answers=(relayed(),),
        received=(received(target="/orders/7?x", token="orders"),),
    ),
    Case(
        name="a scope for every route",
        sent=ask("/any/route", tokens=tokened("shop", "http")),
        answers=(relayed(),),
        received=(received(target="/any/route", token="http"),),
    ),
]

_BIG = refused(413, "body_too_large")
_SMALL = {"host": "small.fn.localhost", "tokens": tokened("small")}
_LIMITS = [
    answered("413 by length", ask("/", "POST", (), b"x" * 11, **_SMALL), _BIG),  # type: ignore[arg-type]
    simple(
        "the largest body",
        ask("/", "POST", (), b"x" * 10, **_SMALL),  # type: ignore[arg-type]
        received("POST", body=b"x" * 10, slug="small", authority="small.fn.localhost"),
    ),
    Case(
        name="413 by length, never sent",
        sent=ask("/", "POST", (("content-length", "99999999999"),), **_SMALL),  # type: ignore[arg-type]
        answers=(refused(413, "body_too_large", closes=True),),
        after="closed",
    ),
    Case(
        name="414",
        sent=ask("/" + "a" * 8300),
        answers=(refused(414, "uri_too_long", closes=True),),
        after="closed",
        lane="either",
    ),
    Case(
        name="431: fields",
        sent=ask(fields=tuple((f"x-{n}", "a") for n in range(130))),
        answers=(refused(431, "headers_too_large", closes=True),),
        after="closed",
        lane="either",
    ),
    Case(
        name="431: size",
        sent=ask(fields=(("x", "a" * 33_000),)),
        answers=(refused(431, "headers_too_large", closes=True),),
        after="closed",
        lane="either",
    ),
]

CASES: list[Case] = [*_CAUSES, *_NOT_FOUND, *_METHODS, *_SCOPES, *_LIMITS]
