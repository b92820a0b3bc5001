"""Every rule about header fields, once: what is dropped, reserved, replaced and refused. Pure."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from edge.message import Headers, only, split_list
from mcp_bridge.fields import fold
from tokens.secret import contains_token

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"proxy-authenticate",
        b"proxy-authorization",
    }
)
"""Fields of one connection (RFC 9110 §7.6.1); `Trailer` too, since request trailers end here."""

FRAMING = frozenset({b"content-length", b"transfer-encoding", b"expect"})
"""What says where a body is and when it comes: the edge's own, on either side of it."""

REPLACED = frozenset({b"forwarded", b"x-real-ip", b"x-request-id"})
"""Folded names that the edge sets itself, or that only a trusted proxy may say."""

RESERVED = frozenset(
    b"x-jelou-" + name
    for name in (
        b"token",
        b"function",
        b"deployment",
        b"trigger",
        b"cron",
        b"bot-id",
        b"mcp",
        b"error-source",
    )
)
RESERVED_PREFIXES = (b"x-jelou-token-", b"x-jelou-cron-", b"x-forwarded-")

UNTOUCHABLE = frozenset({b"host", b"content-length", b"authorization", b"x-jelou-token"})
"""Names that `Connection` may not list: dropping them would change who asks or for what."""

EXPOSED = (
    b"X-Request-Id, Retry-After, WWW-Authenticate, Mcp-Session-Id, RateLimit, RateLimit-Policy"
)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_PROTO = re.compile(rb"https?", re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
_HOST = re.compile(rb"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{0,5})?")

USUAL_NAME = 64
"""Bytes of a field name whose verdict is remembered; more would let callers fill the memory."""

LONGEST_AUTHORITY = 300
"""Bytes; host names have 253 at most (RFC 1035 §2.3.4)."""

Networks = tuple[IPv4Network | IPv6Network, ...]


def is_reserved(name: bytes) -> bool:
    """Whether a field is the edge's to say, in any spelling."""
    return _is_reserved(fold(name))


def _is_reserved(folded: bytes) -> bool:
    return folded in RESERVED or folded in REPLACED or folded.startswith(RESERVED_PREFIXES)


def may_go_on(name: bytes, replaced: frozenset[bytes] = frozenset()) -> bool:
    """Whether a caller's field with this name (lower case) is the caller's to say to a function.

    Args:
        replaced: folded names that the edge sets in this request, which go in any spelling too.
    """
    judge = _may_go_on if len(name) <= USUAL_NAME else _may_go_on.__wrapped__
    return judge(name, replaced)


@lru_cache(maxsize=2048)
def _may_go_on(name: bytes, replaced: frozenset[bytes]) -> bool:
    folded = fold(name)
    return not (name in HOP_BY_HOP or folded in replaced or _is_reserved(folded))


def connection_options(headers: Headers) -> frozenset[bytes]:
    """The names listed in `Connection`, in lower case."""
    return frozenset([option.lower() for option in split_list(headers, b"connection")])


def end_to_end(headers: Headers) -> Headers:
    """The fields that are not of this connection alone (RFC 9110 §7.6.1)."""
    dropped = HOP_BY_HOP | connection_options(headers)
    return tuple(pair for pair in headers if pair[0] not in dropped)


def without_callers_claims(headers: Headers, replaced: frozenset[bytes] = frozenset()) -> Headers:
    """What may go on to a function: no reserved name, no runtime token in any value."""
    return tuple(
        [
            (name, value)
            for name, value in headers
            if may_go_on(name, replaced) and not contains_token(value)
        ]
    )


def request_id(headers: Headers) -> bytes | None:
    """The caller's `X-Request-Id`, if it is one, well-formed and no token."""
    return _one(headers, b"x-request-id", _REQUEST_ID)


def traceparent(headers: Headers) -> bytes | None:
    """The caller's `traceparent` (W3C Trace Context §3.2), if it is one and valid."""
    return _one(headers, b"traceparent", _TRACEPARENT)


def proxied_proto(headers: Headers) -> bytes | None:
    """A trusted proxy's single valid `X-Forwarded-Proto`, or None."""
    return _one(headers, b"x-forwarded-proto", _PROTO)


def proxied_host(headers: Headers) -> bytes | None:
    """A trusted proxy's single valid `X-Forwarded-Host`, or None."""
    return _one(headers, b"x-forwarded-host", _HOST)


def _one(headers: Headers, name: bytes, allowed: re.Pattern[bytes]) -> bytes | None:
    """The value of a field that is sent once and well-formed; a token is neither."""
    sent = only(headers, name)
    if sent is None or allowed.fullmatch(sent) is None or contains_token(sent):
        return None
    return sent


def valid_authority(authority: bytes) -> bool:
    """Whether a `Host` value is a host with an optional port and nothing else (RFC 9110 §7.2)."""
    return len(authority) <= LONGEST_AUTHORITY and _valid_authority(authority)


@lru_cache(maxsize=1024)
def _valid_authority(authority: bytes) -> bool:
    return _HOST.fullmatch(authority) is not None


@lru_cache(maxsize=1024)
def host_of(authority: bytes) -> str:
    """The host of an authority: lower case, without port and one trailing dot."""
    text = authority.decode("ascii").lower()
    host = text[: text.index("]") + 1] if text.startswith("[") else text.partition(":")[0]
    return host.removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether a host names this machine (RFC 6761 §6.3 for `localhost`)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_trusted(address: str, networks: Networks) -> bool:
    """Whether a peer is one of `trusted_proxies`."""
    if not networks:
        return False
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it, some with the port that they saw; IPv4 in IPv6 is IPv4."""
    with_port = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def forwarded_for(headers: Headers, peer: str, networks: Networks) -> tuple[str, ...]:
    """The addresses for `X-Forwarded-For`, the peer last; an untrusted peer is not believed."""
    if not is_trusted(peer, networks):
        return (peer,) if peer else ()
    members = split_list(headers, b"x-forwarded-for")
    said = [member.decode("latin-1") for member in members if not contains_token(member)]
    return (*said, peer)


def source_of(chain: tuple[str, ...], networks: Networks) -> str:
    """Whom a request is laid to: the client's address, of IPv6 its /64, which one subscriber has.

    Where a proxy names no address, it is the proxy.
    """
    return network_of(client_of(chain, networks)) or network_of(chain[-1] if chain else "")


@lru_cache(maxsize=4096)
def network_of(text: str) -> str:
    """An address, or the /64 of one of IPv6; empty for what is no address."""
    address = _address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return "" if address is None else str(address)


def client_of(chain: tuple[str, ...], networks: Networks) -> str:
    """The client in such a chain: the right-most address that is no trusted proxy's.

    What is no address (`unknown`, RFC 7239 §6.2) ends the search: the client is the last before it.
    """
    if len(chain) < 2:
        return chain[0] if chain else ""
    client = ""
    for text in reversed(chain):
        address = _address(text)
        if address is None:
            return client or text
        client = str(address)
        if not is_trusted(client, networks):
            break
    return client
