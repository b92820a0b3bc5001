"""What the contract says that comes back, and that the function sees: written down once, by hand.

Nothing here is taken from the edge: a rule that both lanes break alike is still broken.
"""

from collections.abc import Iterable

from tests.support.lanes_case import Answered, How, Pairs, Received

EXPOSED = "X-Request-Id, Retry-After, WWW-Authenticate, Mcp-Session-Id, RateLimit, RateLimit-Policy"
CORS: Pairs = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", EXPOSED),
)
UNAUTHORIZED = b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
CLOSE = ("connection", "close")


def by_name(fields: Iterable[tuple[str, str]]) -> Pairs:
    """Fields in the order in which they are compared; those of one name keep theirs."""
    return tuple(sorted(fields, key=lambda pair: pair[0]))


def relayed(
    body: bytes = b"ok",
    status: int = 200,
    fields: Pairs = (),
    *,
    how: How = "length",
    length: int | None = None,
    checked: bool = True,
    cors: Pairs = CORS,
    closes: bool = False,
    request_id: str = "<uuid>",
    dated: bool = True,
    whole: bool = True,
    interim: tuple[int, ...] = (),
) -> Answered:
    """A function's answer as its caller gets it.

    Args:
        fields: the function's own, framing apart.
        how: how it is framed on the way to the client.
        length: the value of Content-Length where it is not the body's.
        checked: whether a token was demanded.
        cors: what the edge adds, which is nothing if the function set any.
        closes: whether the connection is said to end.
        dated: whether the edge adds `Date`, which it does unless the function set it.
    """
    ours = [*fields, ("x-request-id", request_id), *cors]
    ours += [("date", "<date>")] if dated else []
    if checked:
        ours.append(("vary", "X-Jelou-Token"))
        if not any(name == "cache-control" for name, _ in fields):
            ours.append(("cache-control", "private"))
    if how == "length" or length is not None:
        ours.append(("content-length", str(len(body) if length is None else length)))
    if how == "chunked":
        ours.append(("transfer-encoding", "chunked"))
    if closes:
        ours.append(CLOSE)
    return Answered(status, by_name(ours), body, how, whole, interim)


def refused(
    status: int,
    code: str,
    fields: Pairs = (),
    *,
    cors: Pairs = CORS,
    closes: bool = False,
    request_id: str = "<uuid>",
    head: bool = False,
    content_type: str = "application/json",
    interim: tuple[int, ...] = (),
) -> Answered:
    """An error of the edge's own; its text is not fixed, so only its code is compared."""
    ours = [
        ("content-type", content_type),
        ("x-request-id", request_id),
        ("x-jelou-error-source", "edge"),
        ("cache-control", "no-store"),
        ("date", "<date>"),
        *fields,
        *cors,
    ]
    if closes:
        ours.append(CLOSE)
    how: How = "none" if head else "length"
    return Answered(status, by_name(ours), b"" if head else code.encode(), how, interim=interim)


def bad_request() -> Answered:
    """What a malformed head gets, and the end of its connection."""
    return refused(400, "bad_request", closes=True)


def unauthorized(
    realm: str = "shop",
    *,
    cors: Pairs = CORS,
    closes: bool = False,
    head: bool = False,
    request_id: str = "<uuid>",
) -> Answered:
    """The one 401."""
    ours = [
        ("content-type", "application/json"),
        ("content-length", str(len(UNAUTHORIZED))),
        ("www-authenticate", f'JelouToken realm="{realm}"'),
        ("x-request-id", request_id),
        ("x-jelou-error-source", "edge"),
        ("cache-control", "no-store"),
        ("date", "<date>"),
        *cors,
    ]
    if closes:
        ours.append(CLOSE)
    return Answered(401, by_name(ours), b"" if head else UNAUTHORIZED, "none" if head else "length")


def own(
    body: bytes,
    status: int = 200,
    fields: Pairs = (),
    *,
    closes: bool = False,
    head: bool = False,
    length: bool = True,
    request_id: str = "<uuid>",
) -> Answered:
    """Another answer that the edge makes itself; `fields` are all but id, date and length."""
    ours = [*fields, ("x-request-id", request_id), ("date", "<date>")]
    if length:
        ours.append(("content-length", str(len(body))))
    if closes:
        ours.append(CLOSE)
    how: How = "none" if head or not length else "length"
    return Answered(status, by_name(ours), b"" if head else body, how)


def received(
    method: str = "GET",
    target: str = "/",
    fields: Pairs = (),
    body: bytes = b"",
    *,
    how: How | None = None,
    slug: str = "shop",
    token: str | None = "default",
    authority: str = "shop.fn.localhost",
    prefix: str = "",
    host: str = "<upstream>",
    request_id: str = "<uuid>",
    trace: str = "<trace>",
    chain: str = "127.0.0.1",
    client: str = "127.0.0.1",
    proto: str = "http",
) -> Received:
    """A request as the function sees it; `fields` are the caller's that pass."""
    framing: How = how or ("length" if body or method in ("POST", "PUT", "PATCH") else "none")
    ours = [
        *fields,
        ("host", host),
        ("via", "1.1 jelou-edge-<id>"),
        ("x-forwarded-for", chain),
        ("x-real-ip", client),
        ("x-forwarded-host", authority),
        ("x-forwarded-proto", proto),
        ("x-request-id", request_id),
        ("traceparent", trace),
        ("x-jelou-function", slug),
        ("x-jelou-deployment", "<deployment>"),
        ("x-jelou-trigger", "http"),
    ]
    if prefix:
        ours.append(("x-forwarded-prefix", prefix))
    if token is not None:
        ours += [("x-jelou-token-id", "<token-id>"), ("x-jelou-token-name", token)]
    if framing == "length":
        ours.append(("content-length", str(len(body))))
    if framing == "chunked":
        ours.append(("transfer-encoding", "chunked"))
    return Received(method, target, by_name(ours), body, framing)
