"""Requests that are let in: every method, target and framing that RFC 9112 knows. Data only."""

from tests.support.http1_client import request
from tests.support.lanes_case import Act, Case, Pairs, token
from tests.support.lanes_expected import received, refused, relayed, unauthorized

TOKEN = ("X-Jelou-Token", token())
CHUNKED = ("Transfer-Encoding", "chunked")
EVERY = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEAD_OK = Act((b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",))


def ask(
    target: str = "/",
    method: str = "GET",
    fields: Pairs = (),
    body: bytes | None = None,
    *,
    tokens: Pairs = (TOKEN,),
    host: str = "shop.fn.localhost",
    version: str = "1.1",
) -> bytes:
    """A request with the token."""
    return request(target, method, (*tokens, *fields), body, host=host, version=version)


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    """A body in these chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + last


def simple(name: str, sent: bytes, *seen: object, **more: object) -> Case:
    """A request that is relayed as it is, and answered `ok`."""
    return Case(name=name, sent=sent, answers=(relayed(),), received=seen, **more)  # type: ignore[arg-type]


_METHODS = [
    Case(
        name=f"method {method}",
        sent=ask("/m", method),
        answers=(relayed(b"" if method == "HEAD" else b"ok", how=how, length=2),),  # type: ignore[arg-type]
        received=(received(method, "/m"),),
        acts=(HEAD_OK,) if method == "HEAD" else (),
    )
    for method, how in (
        ("GET", "length"),
        ("HEAD", "none"),
        ("POST", "length"),
        ("PUT", "length"),
        ("PATCH", "length"),
        ("DELETE", "length"),
        ("OPTIONS", "length"),
        ("BREW", "length"),
        ("M-SEARCH", "length"),
    )
]

_TARGETS = [
    simple(f"target {target}", ask(target), received(target=target))
    for target in (
        "/",
        "/?",
        "/?a=1&b=%20&c",
        "/?a=b?c=d",
        "/?//",
        "/a/b/c.d~e_f-g",
        "/a%2Fb",
        "/a%2fb%5C%00",
        "//",
        "//host/x",
        "/../x",
        "/./",
        "/a/%2e%2E/b",
        "/a;b=c,d",
        "/!$&'()*+,;=:@",
        '/"<>[]^`{|}',
        "/\\",
        "/mcp/",
        "/MCP",
        "/mcpx",
        "/__health/",
        "/openapi.json/",
        "/__edge/live",
        "/" + "a" * 8000,
        "/%",
        "/%zz",
        "/?" + "q" * 7000,
        "/http://x/",
        "/.well-known/other",
    )
]

_FORMS = [
    simple(
        "absolute form",
        ask("http://shop.fn.localhost/x?y"),
        received(target="/x?y"),
    ),
    simple(
        "absolute form whose authority replaces another Host",
        ask("http://shop.fn.localhost/x", host="nowhere.fn.localhost"),
        received(target="/x"),
    ),
    simple(
        "absolute form with a port",
        ask("HTTP://SHOP.fn.localhost:81/x", host="x"),
        received(target="/x", authority="SHOP.fn.localhost:81"),
    ),
    simple("absolute form without a path", ask("http://shop.fn.localhost"), received()),
    simple(
        "absolute form with a query alone",
        ask("http://shop.fn.localhost?a"),
        received(target="/?a"),
    ),
    simple("absolute https form", ask("https://shop.fn.localhost/x"), received(target="/x")),
    simple("OPTIONS *", ask("*", "OPTIONS"), received("OPTIONS", "*")),
    *(
        simple(
            f"host {host}",
            ask("/h", host=host),
            received(target="/h", authority=host),
        )
        for host in (
            "shop.fn.localhost.",
            "SHOP.FN.LOCALHOST",
            "shop.fn.localhost:80",
            "shop.fn.localhost:",
            "shop.fn.localhost.:65535",
        )
    ),
    *(
        simple(
            f"path form {target}",
            ask(target, host="localhost"),
            received(target=seen, authority="localhost", prefix="/shop"),
        )
        for target, seen in (
            ("/shop/", "/"),
            ("/shop", "/"),
            ("/shop?a", "/?a"),
            ("/shop/a/b?c", "/a/b?c"),
            ("/shop//", "//"),
            ("/shop/../x", "/../x"),
            ("/shop/shop/", "/shop/"),
        )
    ),
    simple(
        "path form on an address",
        ask("/shop/x", host="127.0.0.1:8080"),
        received(target="/x", authority="127.0.0.1:8080", prefix="/shop"),
    ),
    simple(
        "path form on an IPv6 address",
        ask("/shop/x", host="[::1]:8080"),
        received(target="/x", authority="[::1]:8080", prefix="/shop"),
    ),
    simple(
        "custom host",
        ask("/x", host="API.shop.example:8443", tokens=(("x-jelou-token", token(slug="hosted")),)),
        received(target="/x", slug="hosted", authority="API.shop.example:8443"),
    ),
    simple(
        "OPTIONS that is no preflight",
        ask("/", "OPTIONS", (("origin", "https://a.example"),)),
        received("OPTIONS", fields=(("origin", "https://a.example"),)),
    ),
]


def _framed(
    name: str, fields: Pairs, wire: bytes, body: bytes, method: str = "POST", **more: object
) -> Case:
    how = "chunked" if CHUNKED[0].lower() in {n.lower() for n, _ in fields} else None
    return simple(
        f"body: {name}",
        ask("/b", method, fields) + wire,
        received(method, "/b", body=body, how=how),  # type: ignore[arg-type]
        **more,
    )


BINARY = bytes(range(256)) * 8
_BODIES = [
    _framed("none with a length of 0", (("Content-Length", "0"),), b"", b""),
    _framed("length", (("Content-Length", "5"),), b"hello", b"hello"),
    _framed("length with leading zeros", (("Content-Length", "0005"),), b"hello", b"hello"),
    _framed("length in spaces", (("Content-Length", "  5 \t"),), b"hello", b"hello"),
    _framed("every byte", (("Content-Length", str(len(BINARY))),), BINARY, BINARY),
    _framed("of a GET", (("Content-Length", "5"),), b"hello", b"hello", "GET"),
    _framed("of a DELETE", (("Content-Length", "5"),), b"hello", b"hello", "DELETE"),
    _framed("of an unknown method", (("Content-Length", "5"),), b"hello", b"hello", "BREW"),
    _framed("100 KB", (("Content-Length", "100000"),), b"x" * 100_000, b"x" * 100_000),
    _framed("chunked", (CHUNKED,), chunked(b"hello"), b"hello"),
    _framed("chunked, in capitals", (("TRANSFER-ENCODING", "Chunked"),), chunked(b"a"), b"a"),
    _framed("chunked of a GET", (CHUNKED,), chunked(b"hello"), b"hello", "GET"),
    _framed("many chunks", (CHUNKED,), chunked(*[b"ab"] * 200), b"ab" * 200),
    _framed("one large chunk", (CHUNKED,), chunked(b"x" * 70_000), b"x" * 70_000),
    _framed("size in capitals", (CHUNKED,), b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    _framed("size with zeros", (CHUNKED,), b"0003\r\nabc\r\n000\r\n\r\n", b"abc"),
    _framed("chunk extension", (CHUNKED,), b"3;a=b\r\nabc\r\n0;end\r\n\r\n", b"abc"),
    _framed("quoted extension", (CHUNKED,), b'3;a="b;c"\r\nabc\r\n0\r\n\r\n', b"abc"),
    _framed("trailers", (CHUNKED,), chunked(b"abc", last=b"0\r\nx-sum: 1\r\n\r\n"), b"abc"),
    _framed(
        "trailers that would be reserved",
        (CHUNKED,),
        chunked(b"abc", last=b"0\r\nX-Jelou-Function: no\r\n\r\n"),
        b"abc",
    ),
    _framed(
        "that looks like a request",
        (("Content-Length", "18"),),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ),
    simple(
        "chunked but empty",
        ask("/b", "POST", (CHUNKED,)) + b"0\r\n\r\n",
        received("POST", "/b", how="chunked"),
    ),
]

_SEQUENCES = [
    Case(
        name="two on one connection",
        sent=(ask("/1"), ask("/2")),
        answers=(relayed(), relayed()),
        received=(received(target="/1"), received(target="/2")),
    ),
    Case(
        name="pipelined twice",
        sent=ask("/1") + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received(target="/1"), received(target="/2")),
    ),
    Case(
        name="pipelined a hundred times",
        sent=b"".join(ask(f"/{n}", "POST", (), b"%d" % n) for n in range(100)),
        answers=(relayed(),) * 100,
        received=tuple(received("POST", f"/{n}", body=b"%d" % n) for n in range(100)),
    ),
    Case(
        name="pipelined: bodies of each kind",
        sent=ask("/1", "POST", (), b"GET /no HTTP/1.1\r\n\r\n")
        + ask("/2", "POST", (CHUNKED,))
        + chunked(b"GET /no HTTP/1.1\r\n\r\n", b"b")
        + ask("/3"),
        answers=(relayed(),) * 3,
        received=(
            received("POST", "/1", body=b"GET /no HTTP/1.1\r\n\r\n"),
            received("POST", "/2", body=b"GET /no HTTP/1.1\r\n\r\nb", how="chunked"),
            received(target="/3"),
        ),
    ),
    Case(
        name="pipelined: refused ones between",
        sent=ask("/1") + ask("/2", tokens=()) + ask("/3") + ask("/4", "TRACE") + ask("/5"),
        answers=(
            relayed(),
            unauthorized(),
            relayed(),
            refused(405, "method_not_allowed", (("allow", EVERY),)),
            relayed(),
        ),
        received=tuple(received(target=f"/{n}") for n in (1, 3, 5)),
    ),
    Case(
        name="pipelined: one by path, one by host, another function",
        sent=ask("/shop/1", host="localhost") + ask("/2", host="open.fn.localhost", tokens=()),
        answers=(relayed(), relayed(checked=False)),
        received=(
            received(target="/1", authority="localhost", prefix="/shop"),
            received(target="/2", slug="open", token=None, authority="open.fn.localhost"),
        ),
    ),
    Case(
        name="Connection: close",
        sent=ask(fields=(("Connection", "close"),)),
        answers=(relayed(closes=True),),
        received=(received(),),
        after="closed",
    ),
    Case(
        name="Connection: Close among others",
        sent=ask(fields=(("Connection", "x-a , CLOSE"), ("x-a", "1"), ("x-b", "2"))),
        answers=(relayed(closes=True),),
        received=(received(fields=(("x-b", "2"),)),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="Connection: keep-alive",
        sent=ask(fields=(("Connection", "keep-alive"), ("Keep-Alive", "timeout=5"))),
        answers=(relayed(),),
        received=(received(),),
    ),
    Case(
        name="a client that has said all",
        sent=ask("/1"),
        eof=True,
        answers=(relayed(closes=True),),
        received=(received(target="/1"),),
        after="closed",
        lane="either",
    ),
    Case(
        name="empty lines before the request",
        sent=b"\r\n" + ask("/1"),
        answers=(relayed(),),
        received=(received(target="/1"),),
    ),
    Case(
        name="an empty line between requests",
        sent=ask("/1") + b"\r\n" + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received(target="/1"), received(target="/2")),
    ),
    Case(
        name="an empty line behind a body",
        sent=ask("/1", "POST", (), b"x") + b"\r\n" + ask("/2"),
        answers=(relayed(), relayed()),
        received=(received("POST", "/1", body=b"x"), received(target="/2")),
    ),
]

_OLD = [
    Case(
        name="HTTP/1.0",
        sent=ask("/1", version="1.0"),
        answers=(relayed(closes=True),),
        received=(received(target="/1"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0 in path form without Host",
        sent=ask("/shop/1", version="1.0", host=""),
        answers=(relayed(closes=True),),
        received=(received(target="/1", authority="localhost", prefix="/shop"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0 with a body",
        sent=ask("/1", "POST", (), b"hello", version="1.0"),
        answers=(relayed(closes=True),),
        received=(received("POST", "/1", body=b"hello"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="HTTP/1.0 before an answer without a length",
        sent=ask("/1", version="1.0"),
        acts=(Act((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"ok"),)),),
        answers=(relayed(how="close", closes=True),),
        received=(received(target="/1"),),
        after="closed",
        lane="asgi",
    ),
    Case(
        name="Expect: 100-continue",
        sent=(ask("/1", "POST", (("Expect", "100-continue"), ("Content-Length", "5"))), b"hello"),
        answers=(relayed(interim=(100,)),),
        received=(received("POST", "/1", body=b"hello"),),
        lane="asgi",
    ),
    Case(
        name="Expect: 100-Continue, chunked",
        sent=(ask("/1", "POST", (("expect", "100-Continue"), CHUNKED)), chunked(b"hello")),
        answers=(relayed(interim=(100,)),),
        received=(received("POST", "/1", body=b"hello", how="chunked"),),
        lane="asgi",
    ),
    Case(
        name="Expect before a refusal",
        sent=ask("/1", "POST", (("Expect", "100-continue"), ("Content-Length", "5")), tokens=()),
        answers=(unauthorized(closes=True),),
        after="closed",
        lane="asgi",
    ),
    simple(
        "Upgrade that is no WebSocket",
        ask(
            "/1",
            fields=(
                ("Connection", "Upgrade, HTTP2-Settings"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ),
        ),
        received(target="/1"),
        lane="asgi",
    ),
]

CASES: list[Case] = [*_METHODS, *_TARGETS, *_FORMS, *_BODIES, *_SEQUENCES, *_OLD]
