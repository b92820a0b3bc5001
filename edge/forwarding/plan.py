"""What is sent to a function and what of its answer goes back: the header work. Pure.

The order is the contract's: the token is read (by the gate), hop-by-hop fields and those named in
`Connection` go, then reserved ones, then ours are set.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from edge import cors, headers
from edge.functions import Function, Project, Upstream
from edge.message import Head, Headers, Ids, first, split_list, values
from mcp_bridge.fields import fold
from tokens.model import Principal

Trigger = Literal["http", "mcp", "cron"]

_COOKIE_ATTRIBUTE = re.compile(rb"(;[ \t]*)(path|domain)[ \t]*=[ \t]*([^;]*)", re.IGNORECASE)
_ABSOLUTE = re.compile(rb"(?:(https?):)?//([^/?#]*)([^#]*.*)", re.IGNORECASE)


OWN_IN_ANSWERS = frozenset({b"x-request-id", b"x-jelou-error-source"})
"""Fields of an answer that only the edge may say."""

REWRITTEN = frozenset({b"location", b"content-location", b"set-cookie"})
"""Fields of an answer in which an address may stand."""


def ids(sent: Headers, fresh: bytes, sample: float | None = None) -> Ids:
    """The caller's ids, or new ones.

    Args:
        fresh: 40 random bytes.
        sample: the share of new traces that are recorded, or None where none is. Of a caller's
            trace the caller says whether it is (W3C Trace Context §3.2.2.5.1).
    """
    trace = headers.traceparent(sent)
    request_id = headers.request_id(sent) or uuid4(fresh[:16])
    if sample is not None:
        return _traced(request_id, trace, fresh, sample)
    return Ids(request_id, trace or _trace(fresh[16:]), trace is not None)


def ids_of_call(asked: Ids, trace: bytes | None) -> Ids:
    """The ids of a tool's call, a span of its own where its request is traced.

    Args:
        trace: the `traceparent` that the call itself carries, whose trace it then belongs to.
    """
    parent = trace or asked.traceparent
    continued = trace is not None or asked.continued
    if not asked.traced:
        return Ids(asked.request_id, parent, continued)
    number = int(asked.traceparent[36:52], 16) + 1  # unlike any other, as the request's is
    own = b"%016x" % (number % 2**64 or 1)
    return Ids(asked.request_id, _spanned(parent, own), continued, True, parent[36:52])


def _traced(request_id: bytes, trace: bytes | None, fresh: bytes, sample: float) -> Ids:
    own = fresh[32:40].hex().encode()
    if trace is None:
        new = _trace(fresh[16:])
        if int.from_bytes(fresh[24:32]) >= sample * 2**64:
            return Ids(request_id, new, continued=False)
        return Ids(request_id, _spanned(new, own), continued=False, traced=True)
    if not int(trace[53:55], 16) & 1:
        return Ids(request_id, trace, continued=True)
    return Ids(request_id, _spanned(trace, own), True, True, trace[36:52])


def _spanned(trace: bytes, span: bytes) -> bytes:
    """A `traceparent` of the same trace, recorded, with a span as the parent of what follows."""
    return b"00" + trace[2:36] + span + b"-01"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked, and by which address: what a function is told about it.

    Attributes:
        authority: host (and port) asked for.
        prefix: `/slug` in path form, else empty.
        chain: addresses for `X-Forwarded-For`, the nearest last; may be empty.
        client: the right-most untrusted of them.
        proto: `http` or `https`, as the client spoke it.
    """

    authority: bytes
    prefix: bytes
    chain: tuple[str, ...]
    client: str
    proto: bytes

    @property
    def base(self) -> bytes:
        """The address at which the caller sees the function, without a trailing slash."""
        return self.proto + b"://" + self.authority + self.prefix


def caller(head: Head, authority: bytes, prefix: bytes, networks: headers.Networks) -> Caller:
    """Read who is calling from a head.

    Args:
        networks: `trusted_proxies`; what other peers say of themselves is not believed.
    """
    chain = headers.forwarded_for(head.headers, head.peer.address, networks)
    proto, host = head.peer.scheme.encode(), authority
    if headers.is_trusted(head.peer.address, networks):
        proto = (headers.proxied_proto(head.headers) or proto).lower()
        host = headers.proxied_host(head.headers) or host
    return Caller(
        authority=host,
        prefix=prefix,
        chain=chain,
        client=headers.client_of(chain, networks),
        proto=proto,
    )


def uuid4(random: bytes) -> bytes:
    """A version 4 UUID (RFC 9562 §5.4) from 16 random bytes."""
    text = random.hex()
    variant = "89ab"[random[8] & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}".encode()


def _trace(random: bytes) -> bytes:
    """A new trace, not sampled: the edge itself records none (W3C Trace Context §3.2)."""
    drawn = random[:24].hex()
    return f"00-{drawn[:32]}-{drawn[32:]}-00".encode()


def loops(fields: Headers, edge_id: str) -> bool:
    """Whether the request has been through this edge (RFC 9110 §7.6.3)."""
    own = f"jelou-edge-{edge_id}".encode()
    return any(own in via.split() for via in split_list(fields, b"via"))


def request_headers(
    sent: Headers,
    named: Ids,
    who: Caller,
    function: Function,
    upstream: Upstream,
    principal: Principal | None,
    trigger: Trigger,
    edge_id: str,
    *,
    upgrade: bool = False,
) -> Headers:
    """The fields of the request to the function, framing apart.

    Args:
        upgrade: whether it opens a WebSocket; any other upgrade ends here.
    """
    lasting = lasting_fields(who, function, upstream, principal, trigger, edge_id)
    kept = headers.without_callers_claims(
        headers.end_to_end(sent), replaced_names(lasting, continued=named.continued)
    )
    return (
        *joined_cookies(kept),
        *lasting,
        (b"x-request-id", named.request_id),
        (b"traceparent", named.traceparent),
        *_te(sent),
        *(((b"connection", b"upgrade"), (b"upgrade", b"websocket")) if upgrade else ()),
    )


def lasting_fields(
    who: Caller,
    function: Function,
    upstream: Upstream,
    principal: Principal | None,
    trigger: Trigger,
    edge_id: str,
) -> Headers:
    """What the edge says alike in every request of one caller by one address to one upstream."""
    project = function.live.project
    return (
        _host(project, upstream, who),
        *_forwarded(who),
        (b"via", f"1.1 jelou-edge-{edge_id}".encode()),
        *_identity(function, principal, trigger),
        *((name.lower().encode(), value.encode()) for name, value in project.headers),
    )


def replaced_names(lasting: Headers, *, continued: bool) -> frozenset[bytes]:
    """The folded names that callers may not say, since the edge says them.

    Args:
        continued: whether the trace is the caller's, whose `tracestate` then goes on.
    """
    return _folded(tuple([name for name, _ in lasting]), continued)


@lru_cache(maxsize=512)
def _folded(names: tuple[bytes, ...], continued: bool) -> frozenset[bytes]:
    """The edge's own names are few, and the same in every request."""
    said = {fold(name) for name in names} - {b"via"}
    trace = {b"traceparent"} if continued else {b"traceparent", b"tracestate"}
    return frozenset(said | trace | headers.FRAMING)


def _host(project: Project, upstream: Upstream, who: Caller) -> tuple[bytes, bytes]:
    return (b"host", who.authority if project.preserve_host else upstream.authority.encode())


def _forwarded(who: Caller) -> Headers:
    fields: Headers = (
        (b"x-forwarded-proto", who.proto),
        (b"x-forwarded-host", who.authority),
    )
    if who.chain:
        fields += (
            (b"x-forwarded-for", ", ".join(who.chain).encode("latin-1")),
            (b"x-real-ip", who.client.encode("latin-1")),
        )
    if who.prefix:
        fields += ((b"x-forwarded-prefix", who.prefix),)
    return fields


def _identity(function: Function, principal: Principal | None, trigger: Trigger) -> Headers:
    fields: Headers = (
        (b"x-jelou-function", function.slug.encode()),
        (b"x-jelou-deployment", function.live.id.encode()),
        (b"x-jelou-trigger", trigger.encode()),
    )
    if principal is not None:
        fields += (
            (b"x-jelou-token-id", principal.token_id.encode()),
            (b"x-jelou-token-name", principal.token_name.encode()),
        )
    return fields


def _te(sent: Headers) -> Headers:
    """`TE: trailers` is kept, and named in `Connection` as it must be (RFC 9110 §10.1.4)."""
    asked = {member.lower() for member in split_list(sent, b"te")}
    return ((b"te", b"trailers"), (b"connection", b"te")) if b"trailers" in asked else ()


def joined_cookies(fields: Headers) -> Headers:
    """One `Cookie` field: HTTP/2 may have split it (RFC 9113 §8.2.3)."""
    cookies = values(fields, b"cookie")
    if len(cookies) < 2:
        return fields
    rest = tuple(pair for pair in fields if pair[0] != b"cookie")
    return (*rest, (b"cookie", b"; ".join(cookies)))


def answer_headers(
    sent: Headers,
    answered: Headers,
    request_id: bytes,
    who: Caller,
    function: Function,
    upstream: Upstream,
    *,
    checked: bool,
) -> Headers:
    """The fields of the answer to the caller, framing apart (`Content-Length` stays).

    Args:
        sent: the request's fields, for CORS.
        answered: the function's.
        checked: whether a token was demanded.
    """
    kept = _own_answer(headers.end_to_end(answered))
    if function.live.project.rewrite:
        kept = tuple(rewritten(pair, who, upstream) for pair in kept)
    kept += ((b"x-request-id", request_id),)
    if not any(name.startswith(b"access-control-") for name, _ in kept):
        kept += cors.answer(function.config.cors, sent)
    return kept + (guarded(kept) if checked else ())


def _own_answer(fields: Headers) -> Headers:
    """Without what only the edge may say of itself."""
    return tuple(pair for pair in fields if pair[0] not in OWN_IN_ANSWERS)


def guarded(fields_so_far: Headers) -> Headers:
    """What a token-checked answer says besides: it differs by token, and no shared cache keeps it.

    RFC 9111 §3.5; what the answer itself says of caches stands.
    """
    fields: Headers = ((b"vary", b"X-Jelou-Token"),)
    if first(fields_so_far, b"cache-control") is None:
        fields += ((b"cache-control", b"private"),)
    return fields


def rewritten(pair: tuple[bytes, bytes], who: Caller, upstream: Upstream) -> tuple[bytes, bytes]:
    """A field of an answer with the upstream's address turned into the caller's."""
    name, value = pair
    if name not in REWRITTEN:
        return pair
    rewrite = rewrite_cookie if name == b"set-cookie" else rewrite_location
    return name, rewrite(value, who, upstream)


def rewrite_location(value: bytes, who: Caller, upstream: Upstream) -> bytes:
    """An address of the upstream as the caller's; any other is kept."""
    base = upstream.base.encode()
    absolute = _ABSOLUTE.fullmatch(value)
    if absolute is not None:
        scheme, authority, rest = absolute.groups()
        if not _names(upstream, scheme, authority):
            return value
        below = _below(rest if rest.startswith(b"/") else b"/" + rest, base)
        return value if below is None else who.base + below
    if value.startswith(b"/") and (who.prefix or base):
        below = _below(value, base)
        return value if below is None else who.prefix + below
    return value


def _names(upstream: Upstream, scheme: bytes | None, authority: bytes) -> bool:
    """Whether an address is the upstream's, as a function makes it from the `Host` that it sees.

    A port of its own, or a socket, is the upstream's whatever the scheme: behind TLS many
    frameworks write `https`, which is what `X-Forwarded-Proto` says.
    """
    spoken = b"https" if upstream.scheme == "https" else b"http"
    said = (scheme or spoken).lower()
    own = upstream.authority.lower().encode()
    if authority.lower().removesuffix(b":443" if said == b"https" else b":80") != own:
        return False
    return said == spoken or upstream.scheme == "unix" or own.rpartition(b"]")[2].count(b":") > 0


def rewrite_cookie(value: bytes, who: Caller, upstream: Upstream) -> bytes:
    """`Path` and `Domain` of a Set-Cookie (RFC 6265 §4.1.2) as the caller's.

    A `__Host-` cookie, in any case (RFC 6265bis §5.7), is kept as it is: its path must be `/`.
    """
    if value[:7].lower() == b"__host-":
        return value
    host = headers.host_of(who.authority).encode()
    base = upstream.base.encode()

    def attribute(match: re.Match[bytes]) -> bytes:
        lead, name, said = match.group(1), match.group(2), match.group(3).strip()
        if name.lower() == b"domain":
            own = said.lstrip(b".").lower() == upstream.host.encode().lower()
            return lead + name + b"=" + (host if own else said)
        below = _cookie_path(said, base) if said.startswith(b"/") else None
        return lead + name + b"=" + (said if below is None else who.prefix + below)

    return _COOKIE_ATTRIBUTE.sub(attribute, value)


def _cookie_path(path: bytes, base: bytes) -> bytes | None:
    """As `_below`; a path above the base covers all of the function, and must not cover more."""
    covers = base.startswith(path.rstrip(b"/") + b"/")
    return b"/" if covers else _below(path, base)


def _below(path: bytes, base: bytes) -> bytes | None:
    """The path behind the upstream's base, or None if it lies outside it."""
    if not base:
        return path
    if path != base and not path.startswith((base + b"/", base + b"?", base + b"#")):
        return None
    rest = path[len(base) :]
    return rest if rest.startswith(b"/") else b"/" + rest
