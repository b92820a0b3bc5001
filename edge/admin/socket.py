"""The Unix socket of the management API, from the client's side. Linux and macOS.

Whoever may open the socket owns the edge. The client asks the kernel who listens, so that it does
not talk to someone who put a socket of his own there. Binding it is the server's.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 100
"""Bytes of a path that every system's `sockaddr_un` takes (unix(7): 108 on Linux, 104 on BSD)."""


class NotOurs(Exception):
    """The process at the other end belongs to another user; the text says what to do."""


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for `path` that fits in a socket address, good while the context is open."""
    text = str(path)
    if len(os.fsencode(text)) <= _LONGEST or not Path("/proc/self/fd").is_dir():
        yield text
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def connect(path: Path, timeout: float) -> socket.socket:
    """A connection to the edge that listens at `path`.

    Raises:
        NotOurs: the listener belongs to another user.
        OSError: nobody listens, or this user may not connect.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with reachable(path) as name:
            connection.connect(name)
        if peer_user(connection) not in (os.getuid(), 0):
            raise NotOurs(f"the edge on {path.parent} belongs to another user; run as that user")
    except BaseException:
        connection.close()
        raise
    return connection


def peer_user(connection: socket.socket) -> int:
    """The user id of the process at the other end of a Unix socket."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        _, user, _ = struct.unpack("3i", credentials)
        return int(user)
    local_peercred, sol_local, layout = 0x001, 0, "IIh16I"  # <sys/ucred.h> struct xucred
    credentials = connection.getsockopt(sol_local, local_peercred, struct.calcsize(layout))
    return int(struct.unpack(layout, credentials)[1])
