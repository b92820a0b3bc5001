"""Which pages may speak MCP: `Origin` as the MCP transports want it judged. Pure."""

from edge import headers
from edge.message import Head, values


def origin_allowed(head: Head, authority: bytes, allowed: tuple[str, ...], *, known: bool) -> bool:
    """Whether a page of this `Origin` may speak MCP here (MCP transports, DNS rebinding).

    Args:
        known: whether the host asked for is the edge's beyond doubt; see `is_known`.
    """
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
        return known
    return headers.is_loopback(headers.host_of(authority)) and headers.is_loopback(
        headers.host_of(rest.encode())
    )


def is_known(head: Head, authority: bytes, public_host: str, *, told: bool) -> bool:
    """Whether the host that was asked for cannot be a stranger's name for this machine.

    A page can have its own name resolved to the loopback address of whoever reads it (DNS
    rebinding); its `Origin` is then the request's own. Host form and custom hosts are names that
    the edge was told, an address is no name, and callers from elsewhere did resolve the name.

    Args:
        public_host: of `public_url`, or empty.
        told: whether the host is a custom host or one of host form.
    """
    host = headers.host_of(authority)
    is_address = host.startswith("[") or host.rpartition(".")[2].isdigit()
    own = told or host == public_host or headers.is_loopback(host)
    return own or is_address or not headers.is_loopback(head.peer.address)
