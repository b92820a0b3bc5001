"""The service manager that started the edge: sockets that it passes, and what it is told.

sd_listen_fds(3) and sd_notify(3), which systemd and others speak, are a few variables and
datagrams: no library is needed for them. Not here: what is done with the sockets (`sockets`), and
when the manager is told what (`supervisor`).
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from edge.settings import Address

VARIABLES = frozenset(
    {
        *("LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID"),
        *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
    }
)
"""What is said to this process alone: no child may take it for its own."""

Passed = Mapping[str, list[socket.socket]]
"""Listening sockets by the address that each is bound to, as settings write it."""

_FIRST = 3
"""The first descriptor passed (SD_LISTEN_FDS_START)."""

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class PassedError(Exception):
    """What was passed cannot be served on; the text says why and what to do."""


def passed_sockets(environ: Mapping[str, str]) -> Passed:
    """The sockets that were passed to this process; empty if none were.

    Raises:
        PassedError: one of them is no socket that listens for connections.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = environ.get("LISTEN_FDS", "")
    if not count.isascii() or not count.isdecimal():
        raise PassedError(f"LISTEN_FDS is no number: {count!r}.")
    found: dict[str, list[socket.socket]] = {}
    for descriptor in range(_FIRST, _FIRST + int(count)):
        sock = _listening(descriptor)
        found.setdefault(address_of(sock), []).append(sock)
    return found


def address_of(sock: socket.socket) -> str:
    """Where a socket is bound, as settings write it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return str(Address(path=name))
    return str(Address(name[0], name[1]))


def _listening(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
        listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        is_named = sock.family != socket.AF_UNIX or str(sock.getsockname()).startswith("/")
    except OSError as error:
        raise PassedError(f"Descriptor {descriptor} is no socket: {error.strerror}.") from error
    if sock.family not in _FAMILIES or not listens or not is_named:
        sock.close()
        raise PassedError(
            f"Descriptor {descriptor} is no TCP or Unix socket with a path that listens: write "
            "ListenStream=, and Accept=no."
        )
    sock.set_inheritable(False)
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@dataclass(frozen=True, slots=True)
class Manager:
    """Whom to tell; what is told without one goes nowhere.

    Attributes:
        address: of its socket, a path or an abstract name (`@…`); empty without one.
        patience: seconds after which it misses a sign of life; 0 if it waits for none.
    """

    address: str = ""
    patience: float = 0.0

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Manager":
        """The one that the environment names."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        patience = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        waits = is_ours and patience.isascii() and patience.isdecimal()
        return cls(address, int(patience) / 1e6 if waits else 0.0)

    def tell(self, *said: str) -> None:
        """Tell it in one message; one that cannot be told is not waited for."""
        if not self.address:
            return
        at = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, suppress(OSError):
            sock.setblocking(False)
            sock.sendto("\n".join(said).encode(), at)

    def tell_reloading(self) -> None:
        """That settings or certificates are taken up; `READY=1` ends it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
