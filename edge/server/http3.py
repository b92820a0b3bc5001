"""HTTP/3, if it was asked for: what it needs is loaded only then."""

import socket
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

from edge.config import Config
from edge.server.acceptor import Acceptor


class Http3Missing(Exception):
    """What HTTP/3 needs is not installed; the text says how to install it."""


class Endpoint(Protocol):
    """The datagram sockets of a worker."""

    def renew(self) -> None:
        """Use the certificate as it is now for new connections."""

    def begin_drain(self, *, succeeded: bool) -> None:
        """Begin no more connections; with a successor, leave the sockets to it."""

    def close(self) -> None:
        """Receive nothing more."""


def check(config: Config) -> None:
    """See that what was asked for can be had. Raises Http3Missing."""
    if config.http3 and find_spec("aioquic") is None:
        raise Http3Missing("http3 needs aioquic: pip install 'jelou-edge[http3]'")


def listen(config: Config, acceptor: Acceptor, sockets: Sequence[socket.socket]) -> Endpoint | None:
    """Serve HTTP/3 on datagram sockets; None where there are none. Raises CertificateError."""
    if not sockets:
        return None
    from edge.server.quic_endpoint import Endpoint as Served  # noqa: PLC0415 — it is optional

    return Served(config, acceptor, sockets)
