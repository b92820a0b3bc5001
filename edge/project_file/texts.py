"""What single strings of a project file may be: methods, names, hosts, origins, paths, durations.

Pure. Each check says what is wrong and what to write, or gives None.
"""

import ipaddress
import re
from itertools import pairwise
from urllib.parse import urlsplit

from edge.functions import RESERVED_SLUGS
from edge.project_file.reader import quote
from tokens.paths import PARAMETER, is_plain

MAX_DURATION = 366 * 86400

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_QUERY = re.compile(r"[!$-;=?-~]*")
_PATH_TEXT = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/{}-]|%[0-9A-Fa-f]{2})*")
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_BRACES = re.compile(r"\{[^{}/]+\}")
_DURATION = re.compile(r"([0-9]{1,9})\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)


def wrong_slug(slug: str) -> str | None:
    """Contract, addressing: a DNS label in lower case that the edge does not use itself."""
    if slug in RESERVED_SLUGS:
        return f"{quote(slug)} is reserved; choose another name, such as {quote(f'my-{slug}')}"
    if _SLUG.fullmatch(slug):
        return None
    return (
        f"{quote(slug)} is not a slug; write 1 to 63 of a-z, 0-9 and hyphens, "
        "with a letter or digit at both ends"
    )


def wrong_tool_name(name: str) -> str | None:
    """MCP tool names as every client takes them."""
    if _TOOL_NAME.fullmatch(name):
        return None
    return f"{quote(name)} is not a tool name; write 1 to 64 of a-z, A-Z, 0-9, _ and -"


def wrong_method(method: str) -> str | None:
    """A method is a token, case-sensitive (RFC 9110 §9.1)."""
    if not _TOKEN.fullmatch(method):
        return f'{quote(method)} is not an HTTP method; write one such as "GET"'
    if method.upper() in _KNOWN_METHODS and method != method.upper():
        return f"{quote(method)}: methods are case-sensitive; write {quote(method.upper())}"
    if method in ("CONNECT", "TRACE"):
        return f"{quote(method)} is never forwarded; remove it"
    return None


def wrong_field_name(name: str) -> str | None:
    """A field name is a token (RFC 9110 §5.1)."""
    return None if _TOKEN.fullmatch(name) else f"{quote(name)} is not a header name"


def is_host_name(host: str) -> bool:
    """Whether it is a DNS name in lower case (RFC 1123 §2.1), not an address in digits."""
    labels = host.split(".")
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def is_address(host: str) -> bool:
    """Whether it is an IPv4 or IPv6 address without brackets or zone."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def wrong_host(host: str, domain: str) -> str | None:
    """A host name of a function's own: no port, no wildcard, not one that slugs already have."""
    name = host.lower().removesuffix(".")
    if not is_host_name(name):
        return (
            f"{quote(host)} is not a host name; write it without scheme, port, path or wildcard, "
            'such as "api.shop.example" (other scripts in their xn-- form)'
        )
    if domain and (name == domain or name.endswith(f".{domain}")):
        return f"{quote(host)} is under the edge's own domain {domain}, where slugs are; remove it"
    return None


def wrong_origin(origin: str) -> str | None:
    """An origin as browsers send it (RFC 6454 §6.2)."""
    try:
        parts = urlsplit(origin)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    rebuilt = f"{parts.scheme}://{parts.netloc}" if host else ""
    good = host.isascii() and (is_host_name(host) or is_address(host))
    if good and rebuilt == origin == origin.lower() and "@" not in origin:
        return None
    return (
        f"{quote(origin)} is not an origin; write scheme, host and port alone, in lower case, "
        'such as "https://app.example"'
    )


def wrong_mcp_path(path: str) -> str | None:
    """The path of an MCP endpoint on the upstream, which may have a query."""
    bare, _, query = path.partition("?")
    if _PATH_TEXT.fullmatch(bare) and is_plain(bare.encode()) and _QUERY.fullmatch(query):
        return None
    return f'{quote(path)} is not a path of the upstream; write one such as "/mcp", encoded'


def wrong_template(path: str) -> str | None:
    """A path with parameters in segments, `/users/:id` or `/users/{id}`."""
    if not _PATH_TEXT.fullmatch(path) or not is_plain(path.encode()):
        return (
            f'{quote(path)} is not a path; start with "/" and write it percent-encoded, without '
            'query, dot segments, "//" or %2F'
        )
    if "*" in path:
        return f'{quote(path)}: "*" only stands alone; name a segment as in "/files/:name"'
    if re.search(r"[{}]", _BRACES.sub("", path)):
        return f"{quote(path)}: braces do not match; write a parameter as {{name}}"
    if any(_has_run(segment) for segment in path.split("/")):
        return f"{quote(path)}: one segment takes two parameters at most, apart from each other"
    return None


def _has_run(segment: str) -> bool:
    """Whether matching the segment could take long: many parameters, or two without a border."""
    parameters = list(PARAMETER.finditer(f"/{segment}"))
    touching = any(a.end() == b.start() for a, b in pairwise(parameters))
    return touching or len(parameters) > 2


def is_target(text: str) -> bool:
    """Whether it is a path with an optional query, in origin form (RFC 9112 §3.2.1)."""
    return _TARGET.fullmatch(text) is not None


def seconds(value: object) -> int | None:
    """A duration: seconds as a number, or `30s`, `5m`, `24h`, `90d`; None if it is neither."""
    if type(value) is int:
        total = value
    else:
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return None
        total = int(match[1]) * _SECONDS[match[2]]
    return total if 0 <= total <= MAX_DURATION else None
