"""`upstream` in a project file: where a function listens and how it is spoken to. Pure."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from edge.functions import Tls, Upstream
from edge.project_file.fields import wrong_forwarded_name, wrong_value
from edge.project_file.positions import Path
from edge.project_file.reader import Section, quote
from edge.project_file.texts import is_address, is_host_name, wrong_template
from edge.secrets.names import REFERENCE, wrong_reference

UPSTREAM_KEYS = ("url", "headers", "tls", "preserveHost", "rewrite")
TLS_KEYS = ("verify", "caFile", "certFile", "keyFile", "serverName")
MAX_UPSTREAMS = 64

EXAMPLE = '"upstream": "http://127.0.0.1:9000"'

_UNIX_PATH = re.compile(r"/[^\x00-\x1f\x7f]{1,106}")
_FORMS = 'write "http://host:port", "https://host" or "unix:/path.sock"'


class BadUpstream(ValueError):
    """An address that is no upstream; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class UpstreamPart:
    """All that `upstream` says."""

    upstreams: tuple[Upstream, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    preserve_host: bool = False
    rewrite: bool = True


def parse_upstream(url: str) -> Upstream:
    """One address: `http://…`, `https://…` or `unix:/path.sock`.

    Raises:
        BadUpstream: it is something else. The text never repeats a password.
    """
    if url.startswith("unix:"):
        path = url.removeprefix("unix:").removeprefix("//")
        if _UNIX_PATH.fullmatch(path):
            return Upstream("unix", socket=path)
        raise BadUpstream('a Unix socket is written "unix:/absolute/path.sock", 107 bytes at most')
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise BadUpstream(f"is not an address; {_FORMS}") from None
    _check(url, parts, host)
    if port == 0:
        raise BadUpstream("port 0 is no port; write the one that the function listens on")
    base = parts.path.rstrip("/")
    if base and wrong_template(base):
        raise BadUpstream(f"the path {quote(base)} is not plain; write it percent-encoded")
    if parts.scheme == "https":
        return Upstream("https", host, port or 443, base=base)
    return Upstream("http", host, port or 80, base=base)


def _check(url: str, parts: SplitResult, host: str) -> None:
    if "@" in parts.netloc:
        raise BadUpstream('holds a user name or password; put it into "headers" instead')
    if parts.scheme not in ("http", "https"):
        raise BadUpstream(f"{quote(url)} is not an upstream; {_FORMS}")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise BadUpstream(f"{quote(url)}: an upstream has no query or fragment; remove it")
    if not (is_host_name(host) or is_address(host)) or any(c.isspace() for c in url):
        raise BadUpstream(f"{quote(url)} has no valid host; {_FORMS}")


def read_upstream(root: Section) -> UpstreamPart:
    """The key `upstream` of the file."""
    value = root.get("upstream")
    if not isinstance(value, dict):
        return UpstreamPart(_addresses(root, value, ("upstream",)))
    section = root.section("upstream", UPSTREAM_KEYS)
    if "url" not in section:
        section.problem(None, f'"url" is missing; {_FORMS}')
    addresses = _addresses(section, section.get("url"), ("upstream", "url"))
    tls = _read_tls(section, addresses)
    return UpstreamPart(
        tuple(replace(address, tls=tls) for address in addresses),
        _read_headers(section),
        section.boolean("preserveHost", False),
        section.boolean("rewrite", True),
    )


def _addresses(section: Section, value: object, path: Path) -> tuple[Upstream, ...]:
    """One address or a list of them; nothing is noted for an absent value."""
    key = path[-1]
    if value is None and key not in section.value:
        return ()
    if isinstance(value, str):
        return tuple(_one(section, value, path))
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_UPSTREAMS:
        what = f"an address or a list of 1 to {MAX_UPSTREAMS}; {_FORMS}"
        section.findings.problem(path, f"must be {what}")
        return ()
    found: dict[Upstream, None] = {}
    for index, item in enumerate(value):
        found.update(dict.fromkeys(_one(section, item, (*path, index))))
    return tuple(found)


def _one(section: Section, value: object, path: Path) -> list[Upstream]:
    if not isinstance(value, str):
        section.findings.problem(path, f"must be an address; {_FORMS}")
        return []
    try:
        return [parse_upstream(value)]
    except BadUpstream as bad:
        section.findings.problem(path, str(bad))
        return []


def _read_tls(section: Section, addresses: tuple[Upstream, ...]) -> Tls:
    tls = section.section("tls", TLS_KEYS)
    if "tls" in section and addresses and all(each.scheme != "https" for each in addresses):
        section.problem("tls", 'applies to "https://" upstreams alone; remove it')
    if ("certFile" in tls) != ("keyFile" in tls):
        tls.problem(None, 'write "certFile" and "keyFile" together, or neither')
    name = tls.optional_string("serverName")
    if name and not (is_host_name(name.lower()) or is_address(name)):
        tls.expected("serverName", "a host name")
    return Tls(
        verify=tls.boolean("verify", True),
        ca_file=_file(tls, "caFile"),
        certificate_file=_file(tls, "certFile"),
        key_file=_file(tls, "keyFile"),
        server_name=name,
    )


def _file(tls: Section, key: str) -> str | None:
    name = tls.optional_string(key)
    if name is not None and (not posixpath.isabs(name) or "\0" in name):
        tls.expected(key, "the absolute path of a PEM file")
    return name


def _read_headers(section: Section) -> tuple[tuple[str, str], ...]:
    value = section.get("headers")
    if "headers" not in section:
        return ()
    if not isinstance(value, dict):
        section.problem("headers", "must be an object of header names and values")
        return ()
    for name, field_value in value.items():
        wrong = wrong_forwarded_name(name)
        if wrong is None and not isinstance(field_value, str):
            wrong = "must be a string"
        wrong = wrong or _wrong_field(field_value)
        if wrong:
            section.findings.problem((*section.path, "headers", name), wrong)
    return tuple((name, text) for name, text in value.items() if isinstance(text, str))


def _wrong_field(value: str) -> str | None:
    return wrong_reference(value) if value.startswith(REFERENCE) else wrong_value(value)


def anchored(value: Mapping[str, Any], base: str) -> Mapping[str, Any]:
    """The file with its TLS files' paths made absolute, since it is the edge that opens them.

    Args:
        base: the absolute path of the project's directory.
    """
    upstream = value.get("upstream")
    tls = upstream.get("tls") if isinstance(upstream, dict) else None
    if not isinstance(upstream, dict) or not isinstance(tls, dict):
        return value
    files = {
        key: posixpath.normpath(posixpath.join(base, tls[key]))
        for key in ("caFile", "certFile", "keyFile")
        if isinstance(tls.get(key), str) and tls[key]
    }
    return {**value, "upstream": {**upstream, "tls": {**tls, **files}}}
