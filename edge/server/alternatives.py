"""Where else the edge is to be found, as answers say it (RFC 7838). Pure."""

from functools import lru_cache
from urllib.parse import urlsplit

from edge.message import Headers

SECONDS = 86_400
"""How long a client may go on knowing it."""


def port_of(public_url: str | None, bound: int) -> int:
    """The port at which clients see an address: that of `public_url`, if there is one."""
    public = urlsplit(public_url or "")
    if public.scheme != "https":
        return bound
    return public.port or 443


@lru_cache(maxsize=64)
def alternative(port: int) -> Headers:
    """The fields that tell of HTTP/3 on a port of the same host."""
    return ((b"alt-svc", b'h3=":%d"; ma=%d' % (port, SECONDS)),)
