"""The gate: one pure decision in front of everything, in the contract's order.

What a lane does with a decision is its own business; no lane decides anything itself. There is no
I/O and no clock here: `now` is an argument, and a token that is not in memory is asked for with
`Lookup` and decided again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from edge import cors, headers, target
from edge.errors import Errors, Refusal, refusal
from edge.functions import Function, Route, TokenPlace
from edge.message import Head, Headers, first, values
from mcp_bridge.tools import ToolRequest
from tokens import secret
from tokens.model import Principal, Refused, Scopes, Token, judge
from tokens.paths import PathTemplate, is_plain

UNAUTHORIZED_BODY = b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
EVERY_METHOD = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_CONTROL = re.compile(rb"[\0\r\n]")
_DISCOVERY = tuple(
    b"/.well-known/" + name
    for name in (
        b"oauth-protected-resource",
        b"oauth-authorization-server",
        b"openid-configuration",
    )
)


class View(Protocol):
    """What a worker knows, in memory: the gate asks it and nothing else."""

    def by_host(self, host: str) -> Function | None:
        """The function with this custom host."""
        ...

    def by_slug(self, slug: str) -> Function | None:
        """The live function with this slug."""
        ...

    def token(self, digest: bytes) -> Token | None:
        """The token with this SHA-256 digest; None if there is none.

        Raises:
            KeyError: not known in memory; a `Lookup` is needed.
        """
        ...


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The settings of the edge that decisions depend on.

    Attributes:
        edge_id: names this edge in `Via`.
        max_timeout: milliseconds that no function's own timeout exceeds.
        request_line, header_block: bytes.
    """

    domain: str = "fn.localhost"
    path_addressing: bool = True
    accept_tokens_in: tuple[TokenPlace, ...] = ("x-jelou-token",)
    edge_id: str = "edge"
    max_timeout: int = 120_000
    request_line: int = 8 * 1024
    header_block: int = 32 * 1024
    header_fields: int = 128


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request leads: the function, and the target as that function sees it.

    Attributes:
        prefix: what stood in front of the target in path form, such as `/my-function`, else empty.
        path: the target without its query.
        authority: the host (and port) that the caller asked for.
    """

    function: Function
    prefix: bytes
    target: bytes
    path: bytes
    authority: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error of the edge."""

    refusal: Refusal
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer at once, without any function."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Answer for the edge itself: `live` or `ready`."""

    probe: Literal["live", "ready"]


@dataclass(frozen=True, slots=True)
class Open:
    """Answer one of the function's open documents."""

    document: Literal["health", "openapi"]
    place: Place
    checked: bool


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request to the function.

    Attributes:
        checked: whether a token was demanded: such an answer is not for shared caches.
        until: Unix time at which a stream behind it ends with its token, or None.
        timeout: milliseconds to the answer's head.
    """

    place: Place
    principal: Principal | None
    checked: bool
    until: float | None
    timeout: int


@dataclass(frozen=True, slots=True)
class Bridge:
    """Hand the request to the MCP endpoint of the function; attributes as for `Forward`."""

    place: Place
    principal: Principal | None
    checked: bool
    until: float | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Fetch one token row, then decide again."""

    digest: bytes


Decision = Refuse | Answer | Status | Open | Forward | Bridge | Lookup


def decide(view: View, head: Head, now: float, settings: GateSettings) -> Decision:
    """Decide about one request.

    Args:
        view: what the worker knows; already caught up with the store's generation.
        head: the request head as it came.
        now: Unix time in seconds, by the clock that never runs back.
    """
    fault = malformed(head, settings)
    if fault is not None:
        return Refuse(fault)
    if head.method == "TRACE":
        return Refuse(_not_allowed(EVERY_METHOD))
    authority, path_form = target.split(head)
    place = _locate(view, authority, path_form, settings)
    if not isinstance(place, Place):
        return _without_function(head, path_form, place)
    return _for_function(view, head, place, now, settings)


def malformed(head: Head, settings: GateSettings) -> Refusal | None:
    """What makes a head unfit to be acted on, whatever it asks for (RFC 9112 §3.2, §6.3)."""
    if len(head.method) + len(head.target) + len("  HTTP/1.1") > settings.request_line:
        message = f"The request line is over the limit of {settings.request_line} bytes."
        return refusal(Errors.URI_TOO_LONG, message)
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in head.headers)
    if size > settings.header_block:
        message = f"The header block is over the limit of {settings.header_block} bytes."
        return refusal(Errors.HEADERS_TOO_LARGE, message)
    if len(head.headers) > settings.header_fields:
        message = f"There are more than {settings.header_fields} header fields, which is the limit."
        return refusal(Errors.HEADERS_TOO_LARGE, message)
    message = target.fault(head) or _ambiguous(head)
    return refusal(Errors.BAD_REQUEST, message) if message else None


def _ambiguous(head: Head) -> str:
    lengths = values(head.headers, b"content-length")
    codings = values(head.headers, b"transfer-encoding")
    if lengths and codings:
        return "Send either Content-Length or Transfer-Encoding, not both."
    if len(lengths) > 1 or (lengths and not (lengths[0].isdigit() and len(lengths[0]) < 19)):
        return "Content-Length must be one decimal number."
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        return "The only Transfer-Encoding understood is chunked."
    if codings and head.version == "1.0":
        return "Transfer-Encoding needs HTTP/1.1."
    named = headers.connection_options(head.headers) & headers.UNTOUCHABLE
    if named:
        return f"Connection may not name {min(named).decode()}."
    if _CONTROL.search(b" ".join([value for _, value in head.headers])):
        return "A field value holds a control character."
    return ""


def _locate(
    view: View, authority: bytes, path_form: bytes, settings: GateSettings
) -> Place | Literal["nowhere", "edge"]:
    """The function a request is for; `edge` on hosts that are no function's."""
    host = headers.host_of(authority)
    by_host = view.by_host(host)
    suffix = f".{settings.domain}"
    if by_host is None and host.endswith(suffix):
        by_host = view.by_slug(host.removesuffix(suffix))
        if by_host is None:
            return "nowhere"
    if by_host is not None:
        path = path_form.partition(b"?")[0]
        return Place(by_host, b"", path_form, path, authority)
    if not settings.path_addressing:
        return "edge"
    slug, rest = target.split_slug(path_form)
    function = view.by_slug(slug) if slug else None
    if function is None:
        return "edge"
    return Place(function, b"/" + slug.encode(), rest, rest.partition(b"?")[0], authority)


def _without_function(head: Head, path_form: bytes, where: Literal["nowhere", "edge"]) -> Decision:
    if where == "edge":
        if path_form == b"*":
            return Answer(204, ((b"allow", EVERY_METHOD),))
        path = path_form.partition(b"?")[0]
        if path in (b"/__edge/live", b"/__edge/ready"):
            if head.method not in ("GET", "HEAD"):
                return Refuse(_not_allowed(b"GET, HEAD"))
            return Status("live" if path.endswith(b"live") else "ready")
    return Refuse(refusal(Errors.NOT_FOUND))


def _for_function(
    view: View, head: Head, place: Place, now: float, settings: GateSettings
) -> Decision:
    """The contract's order for a request whose function is known, up to the token."""
    config = place.function.config
    if config.cors is not None and cors.is_preflight(head):
        return Answer(204, cors.preflight(config.cors, head.headers), place=place)
    document = _open_document(head, place)
    if document is not None and config.open_routes:
        return Open(document, place, checked=False)
    if place.path.startswith(_DISCOVERY) and _is_discovery(place.path):
        if not config.oauth:
            message = "This function uses X-Jelou-Token, not OAuth."
            return Refuse(refusal(Errors.NOT_FOUND, message), place)
        if head.method in ("GET", "HEAD") and not head.websocket:
            return _limit(head, place) or _forward(place, None, None, settings, checked=False)
    route = _route(place, head.method)
    public = _is_public(head, place, route)
    verdict = _authenticate(view, head, place.function, now, settings)
    if isinstance(verdict, Lookup):
        return verdict
    if isinstance(verdict, str) and not public:
        return Refuse(unauthorized(place.function.slug, verdict), place)
    token = None if isinstance(verdict, str) else verdict
    return _admit(head, place, route, token, settings, public=public)


def _admit(
    head: Head,
    place: Place,
    route: Route | None,
    token: Token | None,
    settings: GateSettings,
    *,
    public: bool,
) -> Decision:
    """The contract's order after the token: scope, origin, method, route, limits."""
    mcp = place.path == b"/mcp"
    if not public and token is not None and not _in_scope(head, place, token.scopes, mcp=mcp):
        return Refuse(refusal(Errors.FORBIDDEN), place)
    if mcp:
        return _admit_mcp(head, place, token, public=public)
    document = _document_at(place.path)
    if document is not None:
        if head.method not in ("GET", "HEAD"):
            return Refuse(_not_allowed(b"GET, HEAD"), place)
        return Open(document, place, checked=not public)
    allowed = _methods(place, route)
    if not _allows(allowed, head.method):
        return Refuse(_not_allowed(_allow(allowed)), place)
    if not place.function.config.path.matches(place.path):
        return Refuse(refusal(Errors.NOT_FOUND), place)
    return _limit(head, place) or _forward(place, token, route, settings, checked=not public)


def _admit_mcp(head: Head, place: Place, token: Token | None, *, public: bool) -> Decision:
    settings = place.function.config.mcp
    if not origin_allowed(head, place.authority, settings.origins):
        message = "This Origin may not use the MCP endpoint; see config.mcp.origins."
        return Refuse(refusal(Errors.FORBIDDEN, message), place)
    if not settings.enabled:
        return Refuse(refusal(Errors.NOT_FOUND, "MCP is turned off for this function."), place)
    if head.websocket:
        return Refuse(_not_allowed(b"POST, DELETE"), place)
    principal, until = _caller(token)
    return Bridge(place, principal, not public, until)


def _limit(head: Head, place: Place) -> Refuse | None:
    length = first(head.headers, b"content-length")
    limit = place.function.config.body_limit
    if limit is not None and length is not None and int(length) > limit:
        return Refuse(body_too_large(limit), place)
    return None


def body_too_large(limit: int) -> Refusal:
    """The 413 for a body over a function's limit in bytes, found at its head or on the way."""
    message = f"The body is over the limit of {limit} bytes; see config.limits.body."
    return refusal(Errors.BODY_TOO_LARGE, message)


def refuse_call(function: Function, call: ToolRequest) -> Refusal | None:
    """What is wrong with a request that the bridge built for a tool, by the rules for any caller.

    Host, token and scope were judged when the tool was found; method, route and size are here.
    """
    config = function.config
    allowed = call.tool.methods or config.methods
    if not _allows(allowed, call.method):
        return _not_allowed(_allow(allowed))
    if not _in_path(config.path, call):
        return refusal(Errors.NOT_FOUND)
    limit = config.body_limit
    return body_too_large(limit) if limit is not None and len(call.body or b"") > limit else None


def _in_path(path: PathTemplate, call: ToolRequest) -> bool:
    """Whether the tool is within `config.path`, whatever its values, or this request of it is.

    Values stay in their segment, so `%2F` in one is no doubt about the route as it is in a
    caller's path.
    """
    target = call.target.partition(b"?")[0]
    template = call.tool.operation.path.encode()
    return path.text == "*" or path.matches(template) or path.matches(target)


def _forward(
    place: Place,
    token: Token | None,
    route: Route | None,
    settings: GateSettings,
    *,
    checked: bool,
) -> Forward:
    own = route.timeout if route is not None else None
    timeout = min(own or place.function.config.timeout, settings.max_timeout)
    principal, until = _caller(token)
    return Forward(place, principal, checked, until, timeout)


def _caller(token: Token | None) -> tuple[Principal | None, float | None]:
    return (None, None) if token is None else (token.principal, token.expires)


def unauthorized(realm: str, reason: str) -> Refusal:
    """The one 401, the same for every cause; `reason` is for the log alone."""
    fields = (
        (b"www-authenticate", b'JelouToken realm="%s"' % realm.encode()),
        (b"cache-control", b"no-store"),
    )
    return refusal(Errors.UNAUTHORIZED, headers=fields, reason=reason)


def origin_allowed(head: Head, authority: bytes, allowed: tuple[str, ...]) -> bool:
    """Whether a page of this `Origin` may speak MCP here (MCP transports, DNS rebinding)."""
    sent = values(head.headers, b"origin")
    if not sent:
        return True
    if len(sent) > 1:
        return False
    origin = sent[0].decode("latin-1").lower()
    if origin in {allow.lower().rstrip("/") for allow in allowed}:
        return True
    scheme, separator, rest = origin.partition("://")
    if not separator or scheme not in ("http", "https"):
        return False
    if not headers.valid_authority(rest.encode("latin-1")):
        return False
    default_port = ":443" if scheme == "https" else ":80"
    own = authority.decode("ascii").lower()
    if rest.removesuffix(default_port) == own.removesuffix(default_port):
        return True
    return headers.is_loopback(headers.host_of(authority)) and headers.is_loopback(
        headers.host_of(rest.encode())
    )


def _open_document(head: Head, place: Place) -> Literal["health", "openapi"] | None:
    if head.method not in ("GET", "HEAD") or head.websocket:
        return None
    return _document_at(place.path)


def _document_at(path: bytes) -> Literal["health", "openapi"] | None:
    if path == b"/__health":
        return "health"
    return "openapi" if path == b"/openapi.json" else None


def _is_discovery(path: bytes) -> bool:
    """Whether a path is a discovery document's (RFC 8414 §3, RFC 9728 §3), beyond doubt."""
    return is_plain(path) and any(
        path == name or path.startswith(name + b"/") for name in _DISCOVERY
    )


def _route(place: Place, method: str) -> Route | None:
    """The tool that this request is for, if it has settings of its own; the first one counts."""
    for route in place.function.live.routes:
        if route.takes(method) and route.template.matches(place.path):
            return route
    return None


def _methods(place: Place, route: Route | None) -> tuple[str, ...]:
    """What is allowed here: where tools name methods of their own, what no tool takes is not."""
    if route is not None:
        return route.methods or place.function.config.methods
    here = [route for route in place.function.live.routes if route.template.matches(place.path)]
    if all(route.methods is None for route in here):
        return place.function.config.methods
    return tuple(dict.fromkeys(m for route in here for m in route.methods or (route.method,)))


def _is_public(head: Head, place: Place, route: Route | None) -> bool:
    """Whether no token is needed, for which the raw path must be beyond doubt."""
    if not is_plain(place.path):
        return False
    default = place.function.config.public
    if place.path == b"/mcp":
        return default
    public = default if route is None or route.public is None else route.public
    return public and not _may_be_protected(head, place)


def _may_be_protected(head: Head, place: Place) -> bool:
    """Whether a lenient function could read this public path as a protected one.

    An escaped letter, a trailing slash, a path parameter or another case must not lead around a
    token: where any reading would need one, this request does.
    """
    routes = place.function.live.routes
    if not routes:
        return False
    takers = [route for route in routes if route.takes(head.method.upper())]
    default = place.function.config.public
    return not all(
        _is_public_reading(reading, takers, default=default)
        for reading in target.lenient_readings(place.path)
    )


def _is_public_reading(reading: bytes, routes: list[Route], *, default: bool) -> bool:
    if not is_plain(reading):
        return False
    for route in routes:
        templates = target.lenient_templates(route.template.text)
        if any(template.matches(reading) for template in templates):
            return default if route.public is None else route.public
    return default


def _in_scope(head: Head, place: Place, scopes: Scopes, *, mcp: bool) -> bool:
    return scopes.opens_mcp if mcp else scopes.http(head.method, place.path)


def _allows(methods: tuple[str, ...], method: str) -> bool:
    return method in methods or (method == "HEAD" and "GET" in methods)


def _allow(methods: tuple[str, ...]) -> bytes:
    names = list(methods)
    if "GET" in names and "HEAD" not in names:
        names.insert(names.index("GET") + 1, "HEAD")
    return ", ".join(names).encode()


def _not_allowed(allow: bytes) -> Refusal:
    return refusal(Errors.METHOD_NOT_ALLOWED, headers=((b"allow", allow),))


def _authenticate(
    view: View, head: Head, function: Function, now: float, settings: GateSettings
) -> Token | Lookup | str:
    """The caller's good token, a row to fetch first, or why it is refused."""
    places = function.config.accept_tokens_in or settings.accept_tokens_in
    sent = _credentials(head.headers, places)
    if isinstance(sent, str):
        return sent
    digest = secret.parse(sent, secret.RUNTIME)
    if digest is None:
        return "malformed"
    try:
        token = view.token(digest)
    except KeyError:
        return Lookup(digest)
    verdict = judge(token, function.slug, now)
    if token is None or isinstance(verdict, Refused):
        return verdict.reason if isinstance(verdict, Refused) else "unknown"
    return token


def _credentials(fields: Headers, places: tuple[TokenPlace, ...]) -> bytes | str:
    """The one token that was sent, or why there is none to judge."""
    if len(values(fields, b"x-jelou-token")) > 1:
        return "sent twice"
    found = {token for place in places for token in _READERS[place](fields)}
    if not found:
        return "missing"
    return found.pop() if len(found) == 1 else "two different tokens"


def _from_header(fields: Headers) -> list[bytes]:
    return values(fields, b"x-jelou-token")


def _from_authorization(fields: Headers) -> list[bytes]:
    """`Bearer jfn_rt_…` (RFC 6750 §2.1); any other Authorization is the function's."""
    found = []
    for value in values(fields, b"authorization"):
        scheme, _, rest = value.partition(b" ")
        if scheme.lower() == b"bearer" and rest.strip().startswith(secret.RUNTIME.encode()):
            found.append(rest.strip())
    return found


def _from_api_key(fields: Headers) -> list[bytes]:
    prefix = secret.RUNTIME.encode()
    return [value for value in values(fields, b"x-api-key") if value.startswith(prefix)]


_READERS: dict[TokenPlace, Callable[[Headers], list[bytes]]] = {
    "x-jelou-token": _from_header,
    "authorization": _from_authorization,
    "x-api-key": _from_api_key,
}
