"""Opening connections: TCP with both address families, TLS, Unix sockets."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Hashable
from ipaddress import ip_address
from typing import TypeVar

from edge.forwarding.connection import Connection, Owner
from edge.forwarding.eyeballs import first_to_connect, taking_turns
from edge.forwarding.names import Names
from edge.forwarding.tls import Session, TlsConnection
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Tls, Upstream

_C = TypeVar("_C", bound=Connection)

CONTEXT_AGE = 300.0
"""Seconds after which certificates and keys are read from their files again."""

SOONEST_AGAIN = 0.002
LATEST_AGAIN = 0.05
"""Seconds between two tries at a Unix socket whose queue is full, at first and at most."""


class Contexts:
    """TLS settings made into contexts, kept for a while: making one reads files."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[Tls, tuple[ssl.SSLContext, float]] = {}

    async def get(self, tls: Tls) -> ssl.SSLContext:
        """The context for these settings.

        Raises:
            OSError: a file cannot be read, or does not hold what it should (`ssl.SSLError`).
        """
        now = asyncio.get_running_loop().time()
        if tls in self._made:
            context, made = self._made[tls]
            if now - made < CONTEXT_AGE:
                return context
        context = await asyncio.to_thread(make_context, tls)
        self._made[tls] = (context, now)
        return context


def make_context(tls: Tls) -> ssl.SSLContext:
    """A client's TLS context: certificate and name are checked unless the settings say not."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context


async def open_connection(
    upstream: Upstream,
    owner: Owner,
    key: Hashable,
    contexts: Contexts,
    names: Names,
    timeout: float,
) -> Connection:
    """A connection to an upstream, its TLS handshake done.

    Args:
        timeout: seconds for all of it.

    Raises:
        UpstreamFailure: `unreachable`.
    """
    try:
        async with asyncio.timeout(timeout):
            if upstream.scheme == "https":
                context = await contexts.get(upstream.tls)
                return await _open_tls(upstream, owner, key, context, names)
            loop = asyncio.get_running_loop()
            return await _dial(upstream, names, lambda: Connection(owner, key, loop))
    except TimeoutError:
        raise UpstreamFailure("unreachable", f"no connection within {timeout:g} s") from None
    except (OSError, ValueError) as error:
        # ValueError: a host name that IDNA refuses, or a Unix path with a NUL or over its limit.
        raise UpstreamFailure("unreachable", _explain(error)) from error


async def _open_tls(
    upstream: Upstream, owner: Owner, key: Hashable, context: ssl.SSLContext, names: Names
) -> Connection:
    loop = asyncio.get_running_loop()
    session = Session(context, upstream.tls.server_name or upstream.host)
    connection = await _dial(upstream, names, lambda: TlsConnection(owner, key, loop, session))
    try:
        await connection.shaken
    except BaseException:
        connection.abort()
        raise
    return connection


async def _dial(upstream: Upstream, names: Names, make: Callable[[], _C]) -> _C:
    loop = asyncio.get_running_loop()
    if upstream.scheme == "unix":
        sock = await _connect_unix(upstream.socket)
        _, connection = await loop.create_unix_connection(make, sock=sock)
        return connection
    if _is_address(upstream.host):
        _, connection = await loop.create_connection(make, upstream.host, upstream.port)
    else:
        found = await names.addresses(upstream.host, upstream.port)
        sock = await first_to_connect(taking_turns(found))
        _, connection = await loop.create_connection(make, sock=sock)
    return connection


async def _connect_unix(path: str) -> socket.socket:
    """A socket connected to a path; while its queue of connections is full, one tries again."""
    sock = socket.socket(socket.AF_UNIX)
    pause = SOONEST_AGAIN
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:  # connect(2), EAGAIN
                await asyncio.sleep(pause)
                pause = min(2 * pause, LATEST_AGAIN)
            else:
                return sock
    except BaseException:
        sock.close()
        raise


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _explain(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
