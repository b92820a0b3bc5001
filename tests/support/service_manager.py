"""What systemd is to a service: passes listening sockets to it, and hears what it says of itself.

As a program (`python -m tests.support.service_manager ADDRESS… -- COMMAND…`) it listens and becomes
the command, as sd_listen_fds(3) has it. An address is `host:port`, or the path of a Unix socket.
"""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FIRST = 3
SECONDS = 20.0


def activating(*addresses: str) -> list[str]:
    """The words in front of a command that has these listened on for it."""
    return [sys.executable, "-m", "tests.support.service_manager", *addresses, "--"]


class Told:
    """What a service has said, message by message."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self._sock = sock
        self.variables = {"NOTIFY_SOCKET": address}

    def next(self) -> dict[str, str]:
        """The next message, waited for; signs of life do not count."""
        while True:
            lines = self._sock.recv(4096).decode().splitlines()
            said = dict(line.split("=", 1) for line in lines)
            if said != {"WATCHDOG": "1"}:
                return said

    def sign_of_life(self) -> None:
        """Wait until the service shows that it lives."""
        while self._sock.recv(4096) != b"WATCHDOG=1":
            continue


@contextmanager
def hearing(address: str | Path) -> Iterator[Told]:
    """Listen at a path, or at an abstract name (`@…`), to what a service says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SECONDS)
        name = str(address)
        sock.bind("\0" + name[1:] if name.startswith("@") else name)
        yield Told(sock, name)


def main(arguments: Sequence[str]) -> None:
    """Listen, and become the command."""
    split = arguments.index("--")
    kept = [_listening(address) for address in arguments[:split]]
    for number, sock in enumerate(kept, FIRST):
        moved = os.dup2(sock.fileno(), number)
        os.set_inheritable(moved, True)
    command = arguments[split + 1 :]
    variables = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(kept))}
    os.execve(command[0], command, {**os.environ, **variables})


def _listening(address: str) -> socket.socket:
    """On a descriptor beyond those that are passed."""
    if address.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(address)
    else:
        host, _, port = address.rpartition(":")
        sock = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host.strip("[]"), int(port)))
    sock.listen()
    return socket.socket(fileno=_far(sock.detach()))


def _far(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(descriptor)
    return moved


if __name__ == "__main__":
    main(sys.argv[1:])
