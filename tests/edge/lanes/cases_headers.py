"""Header fields on their way to the function: what passes, is removed or set. Data only."""

from tests.edge.lanes.cases_requests import ask, simple
from tests.support.lanes import VIA
from tests.support.lanes_case import Case, Lane, Pairs, token
from tests.support.lanes_expected import received, refused, relayed, unauthorized

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_NAMES = (
    "Token-Id",
    "Token-Name",
    "Token-Anything",
    "Function",
    "Deployment",
    "Trigger",
    "Cron",
    "Cron-Run",
    "Bot-Id",
    "Mcp",
    "Error-Source",
)


_PLAIN_OPTIONS = {"keep-alive", "close"}
_ODD = {"te", "upgrade", "http2-settings", "proxy-connection"}


def _lane(fields: Pairs) -> Lane:
    """What concerns the connection, but for the usual, is the ASGI lane's."""
    odd = any(
        name.lower() in _ODD or (name.lower() == "connection" and value not in _PLAIN_OPTIONS)
        for name, value in fields
    )
    return "asgi" if odd else "fast"


def _passes(name: str, fields: Pairs, *seen: tuple[str, str], **more: str) -> Case:
    """A request with these fields, of which the function sees those."""
    told = received(target="/h", fields=seen, **more)  # type: ignore[arg-type]
    return simple(name, ask("/h", fields=fields), told, lane=_lane(fields))


_SPELLINGS = [
    _passes(f"reserved: {spelled}", ((spelled, "forged"), ("x-kept", "1")), ("x-kept", "1"))
    for name in _NAMES
    for spelled in (
        f"X-Jelou-{name}",
        f"x_jelou_{name}".replace("-", "_").lower(),
        f"X.JELOU!{name.upper()}",
    )
]

_REMOVED = [
    _passes(f"removed: {name}", ((name, value), ("x-kept", "1")), ("x-kept", "1"))
    for name, value in (
        ("Forwarded", "for=6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
        ("X_Real_IP", "6.6.6.6"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/x"),
        ("X-Forwarded-Anything", "x"),
        ("x_forwarded_for", "6.6.6.6"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Proxy-Authenticate", "Basic"),
        ("Trailer", "x-sum"),
        ("TE", "gzip"),
        ("TE", "trailers;q=0, gzip"),
        ("HTTP2-Settings", "AAAA"),
        ("Tracestate", "a=1"),
        ("X-Request-Id", ""),
        ("X-Request-Id", "has space"),
        ("X-Request-Id", "a" * 129),
        ("X-Request-Id", "é"),
        ("x_request_id", "other"),
        ("Traceparent", "00-0-0-00"),
        ("Traceparent", TRACE.upper()),
        ("Traceparent", TRACE.replace("00-", "ff-", 1)),
        ("X-Copy", token()),
        ("X-Copy", f"a {token(slug='open')} b"),
        ("Authorization", f"Bearer {token()}"),
        ("Cookie", f"a=1; t={token()}"),
        ("Referer", f"https://page.example/?t={token()}"),
    )
]

_KEPT = [
    _passes(f"kept: {name}: {value[:20]}", ((name, value),), (name.lower(), value.strip(" \t")))
    for name, value in (
        ("Accept", "*/*"),
        ("User-Agent", "curl/8.5.0"),
        ("Authorization", "Bearer own"),
        ("X-Api-Key", "own"),
        ("Cookie", "a=1; b=2"),
        ("X-Jelou-Signature", "t=1,v1=00"),
        ("X-Jelou-Tokens", "x"),
        ("X-Jelou-Functions", "x"),
        ("X-Jelou", "x"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", '"x"'),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "gzip"),
        ("X-Empty", ""),
        ("X-Spaces", "  a  b\tc \t"),
        ("X-Latin", "é\xff"),
        ("X-Punctuation", "!#$%&'*+.^_`|~:;,<>()[]{}\"\\/"),
        ("!#$%&'*+.^_`|~9", "odd name"),
        ("X_Under_Score", "1"),
        ("Max-Forwards", "3"),
        ("Origin", "https://a.example"),
        ("Sec-WebSocket-Key", "x"),
        ("X-Long", "a" * 20_000),
        ("X-Kept", "jfn_rt_short"),
        ("Priority", "u=1"),
        ("Expect-CT", "x"),
    )
]

_JOINED = [
    _passes(
        "cookies twice are one", (("Cookie", "a=1"), ("cookie", "b=2")), ("cookie", "a=1; b=2")
    ),
    _passes("a field twice", (("X-A", "1"), ("x-a", "2")), ("x-a", "1"), ("x-a", "2")),
    _passes(
        "Accept twice", (("Accept", "a/b"), ("Accept", "c/d")), ("accept", "a/b"), ("accept", "c/d")
    ),
    _passes(
        "TE: trailers",
        (("TE", "trailers"), ("Connection", "TE")),
        ("te", "trailers"),
        ("connection", "te"),
    ),
    _passes(
        "TE: Trailers among others",
        (("TE", "gzip, Trailers"),),
        ("te", "trailers"),
        ("connection", "te"),
    ),
    _passes(
        "what Connection names",
        (("Connection", "X-A, x-b"), ("x-a", "1"), ("X-B", "2"), ("x-c", "3")),
        ("x-c", "3"),
    ),
    _passes(
        "what two Connections name",
        (("Connection", "x-a"), ("Connection", "x-b"), ("x-a", "1"), ("x-b", "2")),
    ),
    _passes("Connection names what is not there", (("Connection", "x-a, , ,"),)),
    _passes(
        "Connection names what the edge sets",
        (("Connection", "via, x-request-id, traceparent, x-jelou-function, x-forwarded-for"),),
    ),
    _passes("Connection names cookies", (("Connection", "cookie"), ("Cookie", "a=1"))),
    _passes(
        "Via of another",
        (("Via", "1.1 other, 1.0 jelou-edge-00000000x"),),
        ("via", "1.1 other, 1.0 jelou-edge-00000000x"),
    ),
    _passes(
        "many fields",
        tuple((f"x-{n}", str(n)) for n in range(125)),
        *((f"x-{n}", str(n)) for n in range(125)),
    ),
    _passes(
        "traceparent and tracestate",
        (("Traceparent", TRACE), ("Tracestate", "a=1"), ("tracestate", "b=2")),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
        trace=TRACE,
    ),
    _passes(
        "traceparent twice", (("Traceparent", TRACE), ("Traceparent", TRACE), ("Tracestate", "a=1"))
    ),
]

_IDS = [
    Case(
        name=f"X-Request-Id: {sent[:10]}",
        sent=ask("/h", fields=(("X-Request-Id", sent),)),
        answers=(relayed(request_id=sent),),
        received=(received(target="/h", request_id=sent),),
    )
    for sent in ("a", "A-1_b.c", "a" * 128)
] + [
    _passes("X-Request-Id twice", (("X-Request-Id", "a"), ("X-Request-Id", "a"))),
    _passes("X-Request-Id that is a token", (("X-Request-Id", token()),)),
]

_LOOPS = [
    Case(
        name=f"our own Via: {via}",
        sent=ask("/h", fields=(("Via", via),)),
        answers=(refused(508, "loop_detected"),),
    )
    for via in (f"1.1 {VIA}", f"1.0 fred, 1.1 {VIA} (comment), 1.1 p", f"1.1  {VIA}")
] + [
    Case(
        name="our own Via without a token is 401 first",
        sent=ask("/h", fields=(("Via", f"1.1 {VIA}"),), tokens=()),
        answers=(unauthorized(),),
    )
]

_KEPT_TOKEN = (("X-Jelou-Token", token(slug="kept")),)
_UPSTREAM = [
    simple(
        "preserveHost, and headers of the upstream",
        ask(
            "/h",
            host="kept.fn.localhost:99",
            tokens=_KEPT_TOKEN,
            fields=(("x-own", "theirs"), ("X_Own", "2"), ("accept", "*/*")),
        ),
        received(
            target="/h",
            slug="kept",
            authority="kept.fn.localhost:99",
            host="kept.fn.localhost:99",
            fields=(("x-own", "ours"), ("accept", "text/own")),
        ),
    ),
    simple(
        "an upstream with a base path",
        ask("/h?q", host="based.fn.localhost", tokens=(("x-jelou-token", token(slug="based")),)),
        received(target="/base/h?q", slug="based", authority="based.fn.localhost"),
    ),
]

CLAIMS = (
    ("X-Forwarded-For", "203.0.113.7, 198.51.100.1"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
    ("Forwarded", "for=6.6.6.6"),
)


def _trusting(name: str, fields: Pairs, **told: str) -> Case:
    return simple(name, ask("/h", fields=fields), received(target="/h", **told), world="trusting")  # type: ignore[arg-type]


_TRUSTED = [
    _trusting(
        "a trusted proxy",
        CLAIMS,
        chain="203.0.113.7, 198.51.100.1, 127.0.0.1",
        client="203.0.113.7",
        proto="https",
        authority="shop.example",
    ),
    _trusting("a trusted proxy that says nothing", ()),
    _trusting(
        "a trusted proxy with an unknown client",
        (("X-Forwarded-For", "unknown, 198.51.100.1"),),
        chain="unknown, 198.51.100.1, 127.0.0.1",
        client="198.51.100.1",
    ),
    _trusting("a trusted proxy's protocol that is none", (("X-Forwarded-Proto", "gopher"),)),
    _trusting("a trusted proxy's host that is none", (("X-Forwarded-Host", "a b"),)),
    _trusting(
        "a trusted proxy's protocol twice",
        (("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")),
    ),
    Case(
        name="path form where it is turned off",
        sent=ask("/shop/", host="localhost"),
        answers=(refused(404, "not_found"),),
        world="trusting",
    ),
]

_TOKEN_PLACES = [
    simple(
        f"token in {name}",
        ask("/h", host="places.fn.localhost", tokens=fields),
        received(target="/h", slug="places", authority="places.fn.localhost", fields=seen),
    )
    for name, fields, seen in (
        ("X-Jelou-Token", (("X-Jelou-Token", token(slug="places")),), ()),
        ("x-jelou-TOKEN", (("x-jelou-TOKEN", token(slug="places")),), ()),
        ("spaces", (("X-Jelou-Token", f"  {token(slug='places')}\t "),), ()),
        ("Authorization", (("Authorization", f"Bearer {token(slug='places')}"),), ()),
        ("authorization", (("authorization", f"BEARER  {token(slug='places')}"),), ()),
        ("X-Api-Key", (("X-Api-Key", token(slug="places")),), ()),
        (
            "two places",
            (
                ("X-Api-Key", token(slug="places")),
                ("Authorization", f"Bearer {token(slug='places')}"),
            ),
            (),
        ),
        (
            "one place, own Authorization",
            (("X-Jelou-Token", token(slug="places")), ("Authorization", "Basic eA==")),
            (("authorization", "Basic eA=="),),
        ),
    )
]

CASES: list[Case] = [
    *_SPELLINGS,
    *_REMOVED,
    *_KEPT,
    *_JOINED,
    *_IDS,
    *_LOOPS,
    *_UPSTREAM,
    *_TRUSTED,
    *_TOKEN_PLACES,
]
