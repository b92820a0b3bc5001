"""Getting a function's OpenAPI document: from its upstream or a URL, bounded in time and size.

Blocking; standard library only. It says whether a document is there and readable; what its
operations mean is the bridge's business.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin, urlsplit

from edge.functions import Project, Tls, Upstream
from mcp_bridge.document import MAX_DOCUMENT, DocumentError, load

TIMEOUT = 10.0
"""Seconds for everything at one upstream: connecting, redirects, the whole document."""
REDIRECTS = 3
UPSTREAMS_TRIED = 3
"""Of a function with several upstreams, so many are asked until one answers."""
USUAL_PLACES = ("/openapi.json", "/swagger.json", "/v3/api-docs")
"""Where frameworks put their document, the order being that of popularity."""

Outcome = Literal["unreachable", "absent", "broken"]


class NoDocument(Exception):
    """There is no usable document; the text says why, for the one who deploys.

    Attributes:
        outcome: `unreachable` if nothing answered properly, `absent` if the answer was that there
            is none (404, 410), `broken` if what came is no OpenAPI document.
    """

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str | None
    body: bytes


def fetch(project: Project) -> bytes | None:
    """The document of a project whose source is `path` or `url`, checked; None for `none`.

    Raises:
        NoDocument: it cannot be had or read.
    """
    source = project.document
    if source.kind == "none":
        return None
    if source.kind == "url":
        return fetch_url(source.location)
    *others, last = project.upstreams[:UPSTREAMS_TRIED]
    for upstream in others:
        try:
            return fetch_path(upstream, source.location, project.headers)
        except NoDocument as error:
            if error.outcome != "unreachable":
                raise
    return fetch_path(last, source.location, project.headers)


def fetch_url(url: str) -> bytes:
    """The document at an absolute URL; NoDocument if it cannot be had or read."""
    parts = urlsplit(url)
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    port = parts.port or (443 if scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return fetch_path(Upstream(scheme, parts.hostname or "", port), target, ())


def fetch_path(upstream: Upstream, target: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """The document at a path of an upstream; redirects are followed within it only.

    Raises:
        NoDocument: it cannot be had or read.
    """
    where = f"{upstream.url}{target}"
    deadline = time.monotonic() + TIMEOUT
    for _ in range(REDIRECTS + 1):
        answer = _exchange(upstream, upstream.base + target, headers, deadline, where)
        if answer.location is None:
            return _checked(answer, where)
        target = _followed(upstream, target, answer.location, where)
    raise NoDocument("unreachable", f"{where} redirects more than {REDIRECTS} times")


def check(document: bytes, where: str) -> bytes:
    """The document itself if it is an OpenAPI document as far as one can see from outside.

    Raises:
        NoDocument: `broken`, with line and column.
    """
    try:
        load(document)
    except DocumentError as error:
        raise NoDocument("broken", f"{where}, {error}") from None
    return document


def _checked(answer: _Answer, where: str) -> bytes:
    if answer.status in (404, 410):
        raise NoDocument("absent", f"{where} answers {answer.status}")
    if answer.status != 200:
        raise NoDocument("unreachable", f"{where} answers {answer.status}")
    return check(answer.body, where)


def _followed(upstream: Upstream, target: str, location: str, where: str) -> str:
    """The path that a redirect within the same upstream leads to."""
    here = f"http://{upstream.authority}"
    there = urlsplit(urljoin(f"{here}{upstream.base}{target}", location))
    same_scheme = "//" not in location or location.startswith(("//", f"{upstream.scheme}:"))
    path = there.path + (f"?{there.query}" if there.query else "")
    if there.netloc != upstream.authority or not same_scheme or not path.startswith(upstream.base):
        raise NoDocument("unreachable", f"{where} redirects to another address ({location[:200]})")
    return path[len(upstream.base) :]


def _exchange(
    upstream: Upstream,
    target: str,
    headers: tuple[tuple[str, str], ...],
    deadline: float,
    where: str,
) -> _Answer:
    try:
        with _connected(upstream, deadline) as connection:
            connection.request(
                "GET", target, headers={"Host": upstream.authority, **_HEADERS, **dict(headers)}
            )
            with connection.getresponse() as response:
                return _read(response, where)
    except TimeoutError:
        raise NoDocument("unreachable", f"{where} does not answer in {TIMEOUT:.0f} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            message = f"{where} does not answer in {TIMEOUT:.0f} s"
        else:
            message = f"{where} cannot be reached ({_reason(error)})"
        raise NoDocument("unreachable", message) from None


_HEADERS = {"Accept": "application/json", "User-Agent": "jelou-edge", "Connection": "close"}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _read(response: http.client.HTTPResponse, where: str) -> _Answer:
    location = response.getheader("Location") if 300 <= response.status < 400 else None
    body = response.read(MAX_DOCUMENT + 1)
    if len(body) > MAX_DOCUMENT:
        raise NoDocument("broken", f"{where} is over {MAX_DOCUMENT // 1024 // 1024} MiB")
    if response.length:
        raise NoDocument("unreachable", f"{where} broke off in the middle")
    return _Answer(response.status, location, body)


@contextmanager
def _connected(upstream: Upstream, deadline: float) -> Iterator[http.client.HTTPConnection]:
    """A connection that is cut at the deadline, whatever it is waiting for then."""
    left = max(0.1, deadline - time.monotonic())
    # Held here too: http.client lets go of a socket that the answer says it will close.
    held: list[socket.socket] = []
    # A timer, since a socket's timeout starts anew with every byte that a slow origin drips.
    watchdog = threading.Timer(left, _cut, (held,))
    watchdog.daemon = True
    watchdog.start()
    connection = http.client.HTTPConnection(upstream.host or "localhost", upstream.port or 80)
    try:
        held.append(_dial(upstream, left))
        if upstream.scheme == "https":
            secured = _secured(held[0], upstream)
            held[:] = [secured]
            secured.do_handshake()
        connection.sock = held[0]
        yield connection
    finally:
        watchdog.cancel()
        connection.close()
        for sock in held:
            sock.close()


def _dial(upstream: Upstream, timeout: float) -> socket.socket:
    if upstream.scheme != "unix":
        return socket.create_connection((upstream.host, upstream.port), timeout)
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    raw.settimeout(timeout)
    try:
        raw.connect(upstream.socket)
    except OSError:
        raw.close()
        raise
    return raw


def _secured(raw: socket.socket, upstream: Upstream) -> ssl.SSLSocket:
    name = upstream.tls.server_name or upstream.host
    context = _context(upstream.tls)
    return context.wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate_file:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context


def _cut(held: list[socket.socket]) -> None:
    for sock in held:
        with suppress(OSError):
            # The plain method: TLS's own would pull its state from under the reading thread.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
