"""Which pages may speak MCP: `Origin` as the MCP transports want it judged. Pure."""

from edge import headers
from edge.message import Head, values


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
