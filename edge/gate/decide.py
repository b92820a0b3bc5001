"""The gate: one pure decision in front of everything, in the contract's order.

What a lane does with a decision is its own business; no lane decides anything itself. There is no
I/O and no clock here: `now` is an argument, and a token that is not in memory is asked for with
`Lookup` and decided again.
"""

from dataclasses import replace
from typing import Literal

from edge import cors, headers
from edge.errors import Errors, Refusal, body_too_large, refusal, unauthorized
from edge.functions import Function, Route, allows
from edge.gate import edge_wide, target
from edge.gate.credentials import NotGood, authenticate
from edge.gate.decisions import (
    Answer,
    Bridge,
    Decision,
    Forward,
    GateSettings,
    Lookup,
    Open,
    Place,
    Refuse,
    Status,
    View,
)
from edge.gate.malformed import malformed
from edge.gate.origin import is_known, origin_allowed
from edge.gate.publicity import is_public, route_for
from edge.limits import applying
from edge.message import Head, first
from mcp_bridge.tools import ToolRequest
from tokens.model import Principal, Scopes, Token
from tokens.paths import PathTemplate, is_plain

_DISCOVERY = tuple(
    b"/.well-known/" + name
    for name in (
        b"oauth-protected-resource",
        b"oauth-authorization-server",
        b"openid-configuration",
    )
)


def decide(view: View, head: Head, now: float, settings: GateSettings) -> Decision:
    """Decide about one request.

    Args:
        view: what the worker knows; already caught up with the store's generation.
        head: the request head as it came.
        now: Unix time in seconds, by the clock that never runs back.
    """
    fault = malformed(head, settings)
    return decide_sound(view, head, now, settings) if fault is None else Refuse(fault)


def decide_sound(view: View, head: Head, now: float, settings: GateSettings) -> Decision:
    """As `decide`, for a head that was judged when it was read (`malformed.unsound`)."""
    if head.method == "TRACE":
        return Refuse(_not_allowed(cors.EVERY_METHOD))
    authority, path_form = target.split(head)
    place = _locate(view, authority, path_form, settings)
    if not isinstance(place, Place):
        if place == "edge" and path_form.partition(b"?")[0] == b"/mcp":
            return edge_wide.decide(view, head, authority, now, settings)
        return _without_function(head, path_form, place)
    return _for_function(view, head, place, now, settings)


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
            return Answer(204, ((b"allow", cors.EVERY_METHOD),))
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
    route = route_for(place, head.method)
    public = is_public(head, place, route)
    verdict = authenticate(view, head, place.function, now, settings)
    if isinstance(verdict, Lookup):
        return verdict
    if isinstance(verdict, NotGood) and not public:
        refused = unauthorized(place.function.slug, verdict.reason)
        return Refuse(refused, place, ended=verdict.ended)
    if isinstance(verdict, NotGood):
        return _admit(head, place, route, None, settings, public=public)
    decision = _admit(head, place, route, verdict, settings, public=public)
    return replace(decision, by=verdict.id) if isinstance(decision, Refuse) else decision


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
        return _admit_mcp(head, place, token, settings, public=public)
    document = _document_at(place.path)
    if document is not None:
        if head.websocket:
            return Refuse(refusal(Errors.NOT_FOUND), place)
        if head.method not in ("GET", "HEAD"):
            return Refuse(_not_allowed(b"GET, HEAD"), place)
        return Open(document, place, checked=not public)
    allowed = _methods(place, route)
    if not allows(allowed, head.method):
        return Refuse(_not_allowed(_allow(allowed)), place)
    if not place.function.config.path.matches(place.path):
        return Refuse(refusal(Errors.NOT_FOUND), place)
    return _limit(head, place) or _forward(place, token, route, settings, checked=not public)


def _admit_mcp(
    head: Head, place: Place, token: Token | None, settings: GateSettings, *, public: bool
) -> Decision:
    mcp = place.function.config.mcp
    known = is_known(head, place.authority, settings.public_host, told=not place.prefix)
    if not origin_allowed(head, place.authority, mcp.origins, known=known):
        message = "This Origin may not use the MCP endpoint; see config.mcp.origins."
        return Refuse(refusal(Errors.FORBIDDEN, message), place)
    if not mcp.enabled:
        return Refuse(refusal(Errors.NOT_FOUND, "MCP is turned off for this function."), place)
    if head.websocket:
        return Refuse(_not_allowed(b"POST, DELETE"), place)
    principal, until = _caller(token)
    limits = applying(principal, place.function)
    return Bridge(place, principal, not public, until, limits)


def _limit(head: Head, place: Place) -> Refuse | None:
    length = first(head.headers, b"content-length")
    refused = _over_limit(place.function, int(length)) if length is not None else None
    return None if refused is None else Refuse(refused, place)


def _over_limit(function: Function, size: int) -> Refusal | None:
    limit = function.config.body_limit
    return body_too_large(limit) if limit is not None and size > limit else None


def refuse_call(function: Function, call: ToolRequest) -> Refusal | None:
    """What is wrong with a request that the bridge built for a tool, by the rules for any caller.

    Host, token and scope were judged when the tool was found; method, route and size are here.
    """
    config = function.config
    allowed = call.tool.methods or config.methods
    if not allows(allowed, call.method):
        return _not_allowed(_allow(allowed))
    if not _in_path(config.path, call):
        return refusal(Errors.NOT_FOUND)
    return _over_limit(function, len(call.body or b""))


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
    limits = applying(principal, place.function)
    name = route.tool if route is not None else ""
    return Forward(place, principal, checked, until, timeout, limits, name)


def _caller(token: Token | None) -> tuple[Principal | None, float | None]:
    return (None, None) if token is None else (token.principal, token.expires)


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


def _methods(place: Place, route: Route | None) -> tuple[str, ...]:
    """What is allowed here: where tools name methods of their own, what no tool takes is not."""
    if route is not None:
        return route.methods or place.function.config.methods
    here = [route for route in place.function.live.routes if route.template.matches(place.path)]
    if all(route.methods is None for route in here):
        return place.function.config.methods
    return tuple(dict.fromkeys(m for route in here for m in route.methods or (route.method,)))


def _in_scope(head: Head, place: Place, scopes: Scopes, *, mcp: bool) -> bool:
    return scopes.opens_mcp if mcp else scopes.http(head.method, place.path)


def _allow(methods: tuple[str, ...]) -> bytes:
    names = list(methods)
    if "GET" in names and "HEAD" not in names:
        names.insert(names.index("GET") + 1, "HEAD")
    return ", ".join(names).encode()


def _not_allowed(allow: bytes) -> Refusal:
    return refusal(Errors.METHOD_NOT_ALLOWED, headers=((b"allow", allow),))
