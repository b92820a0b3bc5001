"""Request targets (RFC 9112 §3.2): their form, their authority, and the slug in path form. Pure.

Nothing is decoded, merged or normalised; `lenient_readings` alone imagines what a careless
function might make of a path, and serves to demand a token, never to let anything in.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from edge.headers import valid_authority
from edge.message import Head, values
from tokens.paths import PathTemplate
from tokens.secret import contains_token

_UNENCODED = re.compile(rb"[^!-~]|#")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


def fault(head: Head) -> str:
    """What is wrong with the target or the host, or an empty string."""
    target = head.target
    absolute = None if target.startswith(b"/") else _ABSOLUTE.fullmatch(target)
    if head.method == "CONNECT" and not head.websocket:
        return "CONNECT is not served here."
    if target == b"*":
        if head.method != "OPTIONS":
            return "The target * is for OPTIONS alone."
    elif absolute is None and not target.startswith(b"/"):
        return "The request target must be a path or an absolute URL."
    if _UNENCODED.search(target):
        return "The request target holds a character that must be percent-encoded."
    return _host_fault(head, absolute[1] if absolute is not None else None)


def _host_fault(head: Head, authority: bytes | None) -> str:
    hosts = values(head.headers, b"host")
    if len(hosts) > 1 or (not hosts and head.version != "1.0"):
        return "Exactly one Host is needed."
    named = [host for host in hosts if host or head.version != "1.0"]
    if authority is not None:
        named.append(authority)
    if not all(valid_authority(host) for host in named):
        return "Host must be a host name or address with an optional port."
    if any(contains_token(host) for host in named):
        return "Host may not hold a token: functions and logs are told it."
    return ""


def split(head: Head) -> tuple[bytes, bytes]:
    """The authority asked for and the target in origin form (or `*`).

    An absolute-form target's authority replaces `Host` (RFC 9112 §3.2.2); HTTP/1.0 may leave both
    out.
    """
    absolute = None if head.target.startswith(b"/") else _ABSOLUTE.fullmatch(head.target)
    if absolute is not None:
        authority, tail = absolute.groups()
        return authority, tail if tail.startswith(b"/") else b"/" + tail
    hosts = values(head.headers, b"host")
    return next(filter(None, hosts), b"localhost"), head.target


def split_slug(target: bytes) -> tuple[str, bytes]:
    """The first segment, and the target behind it as the function sees it.

    `/my-function` is `/my-function/`. The segment is empty if it cannot be a slug.
    """
    path, query, rest = target.partition(b"?")
    segment, _, behind = path[1:].partition(b"/")
    if not segment or not segment.isascii():
        return "", target
    return segment.decode(), b"/" + behind + query + rest


def lenient_readings(path: bytes) -> set[bytes]:
    """What a path may become, in lower case, in a function that decodes, trims or folds it."""
    readings = {path}
    decoded = unquote_to_bytes(path)
    readings |= {decoded, unquote_to_bytes(decoded)}
    readings |= {b"/".join(s.partition(b";")[0] for s in r.split(b"/")) for r in set(readings)}
    readings |= {r.rstrip(b"/") or b"/" for r in set(readings)}
    return {reading.lower() for reading in readings}


@lru_cache(maxsize=4096)
def lenient_templates(text: str) -> tuple[PathTemplate, ...]:
    """What such a function makes of its own templates: `/a` also answers for `/a/` then."""
    readings = lenient_readings(text.encode())
    return tuple(PathTemplate(reading.decode(errors="replace")) for reading in readings)
