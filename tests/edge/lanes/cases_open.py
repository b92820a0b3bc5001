"""What needs no token: preflights, open documents, public routes; and CORS. Data only."""

from tests.edge.lanes.cases_gate import MADE_UP, NOWHERE, answered, tokened
from tests.edge.lanes.cases_requests import EVERY, ask
from tests.support.lanes_case import Answered, Case, Pairs
from tests.support.lanes_expected import (
    CORS,
    by_name,
    own,
    received,
    refused,
    relayed,
    unauthorized,
)
from tests.support.lanes_functions import PAGE

FROM_PAGE = ("Origin", PAGE)
NO_STORE = ("cache-control", "no-store")
JSON = ("content-type", "application/json")

PREFLIGHT: Pairs = (FROM_PAGE, ("Access-Control-Request-Method", "POST"))
_VARY = ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


def _preflight(*fields: tuple[str, str]) -> Answered:
    return own(b"", 204, (_VARY, *fields), length=False)


_ALLOWED = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", EVERY),
    ("access-control-max-age", "86400"),
)
_PAGE_CORS = (
    ("vary", "Origin"),
    ("access-control-allow-origin", PAGE),
    CORS[1],
    ("access-control-allow-credentials", "true"),
)
_CORS_CASES = [
    answered("preflight", ask("/x", "OPTIONS", PREFLIGHT, tokens=()), _preflight(*_ALLOWED)),
    answered(
        "preflight of headers",
        ask(
            "/x",
            "OPTIONS",
            (*PREFLIGHT, ("Access-Control-Request-Headers", "content-type,x-jelou-token")),
            tokens=(),
        ),
        _preflight(*_ALLOWED, ("access-control-allow-headers", "content-type,x-jelou-token")),
    ),
    answered(
        "preflight of headers that are none",
        ask("/x", "OPTIONS", (*PREFLIGHT, ("Access-Control-Request-Headers", "a b")), tokens=()),
        _preflight(*_ALLOWED),
    ),
    answered(
        "preflight at the root of nothing",
        ask("/x", "OPTIONS", PREFLIGHT, tokens=(), host="localhost"),
        NOWHERE,
    ),
    answered(
        "preflight for a page with credentials",
        ask("/x", "OPTIONS", PREFLIGHT, tokens=(), host="page.fn.localhost"),
        _preflight(
            ("access-control-allow-origin", PAGE),
            *_ALLOWED[1:],
            ("access-control-allow-credentials", "true"),
        ),
    ),
    answered(
        "preflight of another page",
        ask(
            "/x",
            "OPTIONS",
            (("Origin", "https://evil.example"), PREFLIGHT[1]),
            tokens=(),
            host="page.fn.localhost",
        ),
        _preflight(),
    ),
    answered(
        "preflight without CORS",
        ask("/x", "OPTIONS", PREFLIGHT, tokens=(), host="nocors.fn.localhost"),
        unauthorized("nocors", cors=()),
    ),
    Case(
        name="an answer for a page with credentials",
        sent=ask("/x", fields=(FROM_PAGE,), tokens=tokened("page"), host="page.fn.localhost"),
        answers=(relayed(cors=_PAGE_CORS),),
        received=(
            received(
                target="/x", slug="page", authority="page.fn.localhost", fields=(("origin", PAGE),)
            ),
        ),
    ),
    Case(
        name="an answer for another page",
        sent=ask(
            "/x",
            fields=(("Origin", "https://evil.example"),),
            tokens=tokened("page"),
            host="page.fn.localhost",
        ),
        answers=(relayed(cors=(("vary", "Origin"),)),),
        received=(
            received(
                target="/x",
                slug="page",
                authority="page.fn.localhost",
                fields=(("origin", "https://evil.example"),),
            ),
        ),
    ),
    answered(
        "401 for a page with credentials",
        ask("/x", fields=(FROM_PAGE,), tokens=(), host="page.fn.localhost"),
        unauthorized("page", cors=_PAGE_CORS),
    ),
    Case(
        name="an answer without CORS",
        sent=ask("/x", fields=(FROM_PAGE,), tokens=tokened("nocors"), host="nocors.fn.localhost"),
        answers=(relayed(cors=()),),
        received=(
            received(
                target="/x",
                slug="nocors",
                authority="nocors.fn.localhost",
                fields=(("origin", PAGE),),
            ),
        ),
    ),
]


def _health(slug: str, tools: bytes = b"") -> bytes:
    tail = b'"function":"%b","deployment":"<deployment>"}' % slug.encode()
    return b'{"status":"ok","mode":"app","tools":[' + tools + b"]," + tail


_TOOL = b'{"name":"getOrder","description":"One order."}'
_REAL = len("dep_abc12345") - len("<deployment>")


def _document(body: bytes, fields: Pairs = (), *, head: bool = False) -> Answered:
    made = own(b"", 200, (JSON, *fields, *CORS), head=head, length=False)
    length = ("content-length", str(len(body) + _REAL))
    return Answered(
        200,
        by_name((*made.fields, length)),
        b"" if head else body,
        "none" if head else "length",
    )


_OPEN = [
    answered(
        "health",
        ask("/__health", tokens=()),
        _document(_health("shop"), (NO_STORE,)),
        lane="either",
    ),
    answered(
        "health with a query",
        ask("/__health?x", tokens=()),
        _document(_health("shop"), (NO_STORE,)),
        lane="either",
    ),
    answered(
        "health with a bad token",
        ask("/__health", tokens=(("x-jelou-token", "x"),)),
        _document(_health("shop"), (NO_STORE,)),
        lane="either",
    ),
    answered(
        "health of HEAD",
        ask("/__health", "HEAD", tokens=()),
        _document(_health("shop"), (NO_STORE,), head=True),
        lane="either",
    ),
    answered(
        "health with tools",
        ask("/__health", tokens=(), host="tools.fn.localhost"),
        _document(_health("tools", _TOOL), (NO_STORE,)),
        lane="either",
    ),
    answered(
        "health in path form",
        ask("/shop/__health", tokens=(), host="localhost"),
        _document(_health("shop"), (NO_STORE,)),
        lane="either",
    ),
    answered(
        "health behind the token",
        ask("/__health", tokens=(), host="shut.fn.localhost"),
        unauthorized("shut"),
    ),
    answered(
        "health with the token",
        ask("/__health", tokens=tokened("shut"), host="shut.fn.localhost"),
        _document(_health("shut"), (NO_STORE, ("vary", "X-Jelou-Token"))),
        lane="either",
    ),
    answered("no document", ask("/openapi.json", tokens=()), NOWHERE, lane="either"),
    answered(
        "live",
        ask("/__edge/live", tokens=(), host="localhost"),
        own(b'{"status":"ok"}', 200, (JSON, NO_STORE)),
    ),
    answered(
        "ready",
        ask("/__edge/ready", tokens=(), host="127.0.0.1:1"),
        own(b'{"status":"ok"}', 200, (JSON, NO_STORE)),
    ),
    answered(
        "live of HEAD",
        ask("/__edge/live", "HEAD", tokens=(), host="localhost"),
        own(b'{"status":"ok"}', 200, (JSON, NO_STORE), head=True),
    ),
    answered(
        "OPTIONS * of the edge",
        ask("*", "OPTIONS", tokens=(), host="localhost"),
        own(b"", 204, (("allow", EVERY),), length=False),
    ),
    Case(
        name="discovery that the function answers",
        sent=ask("/.well-known/oauth-protected-resource", tokens=(), host="oauth.fn.localhost"),
        answers=(relayed(checked=False),),
        received=(
            received(
                target="/.well-known/oauth-protected-resource",
                slug="oauth",
                token=None,
                authority="oauth.fn.localhost",
            ),
        ),
    ),
    answered(
        "MCP turned off",
        ask("/mcp", "POST", tokens=tokened("nomcp"), host="nomcp.fn.localhost"),
        refused(404, "not_found"),
        lane="either",
    ),
]

_OPEN_HOST = "open.fn.localhost"


def _public(name: str, target: str, tokens: Pairs, seen: str | None) -> Case:
    return Case(
        name=f"public: {name}",
        sent=ask(target, tokens=tokens, host=_OPEN_HOST),
        answers=(relayed(checked=False),),
        received=(received(target=target, slug="open", token=seen, authority=_OPEN_HOST),),
    )


_PUBLIC = [
    _public("without a token", "/x", (), None),
    _public("with a good token", "/x", tokened("open"), "default"),
    _public("with another function's", "/x", tokened("shop"), None),
    _public("with a made-up one", "/x", (("x-jelou-token", MADE_UP),), None),
    _public("with a malformed one", "/x", (("x-jelou-token", "no"),), None),
    _public("with two", "/x", (*tokened("open"), *tokened("open")), None),
    *(
        answered(
            f"public, but {target}", ask(target, tokens=(), host=_OPEN_HOST), unauthorized("open")
        )
        for target in ("/a/../b", "/a//b", "/a%2fb", "/a%5Cb", "/%2e/a", "/a%00", "/a\\b", "/..")
    ),
    Case(
        name="a public route of a private function",
        sent=ask("/orders/7", tokens=(), host="tools.fn.localhost"),
        answers=(relayed(checked=False),),
        received=(
            received(target="/orders/7", slug="tools", token=None, authority="tools.fn.localhost"),
        ),
    ),
    *(
        answered(
            f"beside the public route: {method} {target}",
            ask(target, method, tokens=(), host="tools.fn.localhost"),
            unauthorized("tools"),
        )
        for method, target in (
            ("POST", "/orders/7"),
            ("GET", "/orders"),
            ("GET", "/orders/7/x"),
            ("GET", "/orders/a%2fb"),
            ("GET", "/orders/.."),
            ("GET", "/Orders/7"),
        )
    ),
    *(
        answered(
            f"a guarded route of a public function: {target}",
            ask(target, tokens=(), host="guarded.fn.localhost"),
            unauthorized("guarded"),
        )
        for target in ("/orders/7", "/orders/7/", "/ORDERS/7", "/%6frders/7", "/orders;x/7")
    ),
    Case(
        name="another route of that function",
        sent=ask("/other", tokens=(), host="guarded.fn.localhost"),
        answers=(relayed(checked=False),),
        received=(
            received(target="/other", slug="guarded", token=None, authority="guarded.fn.localhost"),
        ),
    ),
]

CASES: list[Case] = [*_CORS_CASES, *_OPEN, *_PUBLIC]
