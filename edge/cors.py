"""The CORS protocol (Fetch standard §3.2) as the edge answers it for a function. Pure."""

import re

from edge.functions import Cors
from edge.headers import EXPOSED
from edge.message import Head, Headers, first

EVERY_METHOD = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The default for preflights: it must not tell which methods a function has."""

_FIELD_NAMES = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*"
)


def is_preflight(head: Head) -> bool:
    """Whether a browser asks what it may send (Fetch §3.2.2)."""
    return (
        head.method == "OPTIONS"
        and first(head.headers, b"origin") is not None
        and first(head.headers, b"access-control-request-method") is not None
    )


def preflight(cors: Cors, headers: Headers) -> Headers:
    """The answer to a preflight; without CORS fields for an origin that is not allowed."""
    vary = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
    origin = _allowed_origin(cors, headers)
    if origin is None:
        return (vary,)
    methods = ", ".join(cors.methods).encode() if cors.methods else EVERY_METHOD
    fields = [
        vary,
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", methods),
        (b"access-control-max-age", b"%d" % cors.max_age),
    ]
    asked = first(headers, b"access-control-request-headers") or b""
    if cors.headers is not None:
        allowed = ", ".join((*cors.headers, "X-Jelou-Token")).encode()
        fields.append((b"access-control-allow-headers", allowed))
    elif _FIELD_NAMES.fullmatch(asked):
        fields.append((b"access-control-allow-headers", asked))
    if cors.credentials:
        fields.append((b"access-control-allow-credentials", b"true"))
    return tuple(fields)


def answer(cors: Cors | None, headers: Headers) -> Headers:
    """The CORS fields of any other answer, for a request with these headers."""
    if cors is None:
        return ()
    vary: Headers = () if "*" in cors.origins else ((b"vary", b"Origin"),)
    origin = _allowed_origin(cors, headers)
    if origin is None:
        return vary
    fields: Headers = (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
    )
    if cors.credentials:
        fields += ((b"access-control-allow-credentials", b"true"),)
    return vary + fields


def _allowed_origin(cors: Cors, headers: Headers) -> bytes | None:
    """The value of Access-Control-Allow-Origin, or None."""
    if "*" in cors.origins:
        return b"*"
    origin = first(headers, b"origin")
    if origin is None or origin.decode("latin-1") not in cors.origins:
        return None
    return origin
