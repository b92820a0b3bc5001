"""Header fields that no argument and no forwarding rule of a tool may set. Pure.

The edge drops and sets reserved fields of every request; this keeps a tool from even offering them.
"""

import re

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_NOT_ALPHANUMERIC = re.compile(rb"[^a-z0-9]")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_OF_THE_MESSAGE = frozenset(
    {
        "host",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "proxy-authenticate",
        "proxy-authorization",
        "expect",
        "via",
        "forwarded",
        "x-real-ip",
        "x-request-id",
        "traceparent",
        "tracestate",
    }
)
_PREFIXES = ("x-jelou-", "x-forwarded-", "mcp-")
_OF_THE_DOCUMENT = frozenset({"accept", "content-type", "authorization"})
"""Named as header parameters, OpenAPI says they are ignored (OpenAPI 3.1 §4.8.12.2.1)."""


def fold(name: bytes) -> bytes:
    """A field name as the loosest upstream reads it: CGI and WSGI make `_` and `-` one."""
    return _NOT_ALPHANUMERIC.sub(b"-", name.lower())


def is_token(name: str) -> bool:
    """Whether this is a field name (RFC 9110 §5.1)."""
    return _TOKEN.fullmatch(name) is not None


def is_forwardable(name: str) -> bool:
    """Whether a field of the caller may be carried on to a function, in any spelling of its name.

    Not framing, hop-by-hop fields or those that the edge says itself; nor what the bridge decides.
    """
    if not is_token(name):
        return False
    folded = fold(name.encode("ascii")).decode("ascii")
    return (
        folded not in _OF_THE_MESSAGE
        and folded not in {"accept", "content-type"}
        and not folded.startswith(_PREFIXES)
    )


def is_settable(name: str) -> bool:
    """Whether an argument may set this header field."""
    return is_forwardable(name) and name.lower() not in _OF_THE_DOCUMENT


def is_safe_value(value: str) -> bool:
    """Whether a field value holds no CR, LF, NUL or other control but tab (RFC 9110 §5.5)."""
    return _FORBIDDEN_IN_VALUE.search(value) is None
