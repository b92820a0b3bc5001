"""Datagrams that came to one process and are another's.

A kernel gives a datagram to a socket by the addresses that are on it; those of one connection come
to another worker once its client has a new address, or once a worker has given its place to
another. Every process that has connections listens at a Unix socket, named by what its connection
ids begin with, and is sent there what is its own. Not here: what is whose (`quic_endpoint`).
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

DIRECTORY = "quic"
"""In the data directory, 0700."""

_MOST = 64 * 1024
_AT_ONCE = 64
_HEAD = 2

Received = Callable[[bytes, Any], None]
"""Told of a datagram and the address that it came from."""


class Relay:
    """This process's socket, and the way to those of the others.

    Attributes:
        prefix: what this process's connection ids begin with; no other's that is there do.
    """

    def __init__(self, data_dir: Path, size: int, received: Received) -> None:
        """Listen. `size` is bytes of a prefix. Raises OSError."""
        directory = data_dir / DIRECTORY
        directory.mkdir(mode=0o700, exist_ok=True)
        # A path of any length is a short one by way of its directory's descriptor (unix(7)).
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._received = received
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.prefix = self._bind(size)
        self._clear(directory)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._remove(self.prefix)
        os.close(self._directory)

    def forward(self, prefix: bytes, data: bytes, address: Any) -> bool:
        """Send a datagram to the process that has a prefix; whether there is one.

        It may be lost there, as anywhere else.
        """
        head = json.dumps(address).encode()
        try:
            self._socket.sendto(len(head).to_bytes(_HEAD) + head + data, self._path(prefix))
        except BlockingIOError:
            return True
        except ConnectionRefusedError:
            self._remove(prefix)  # its process was killed
            return False
        except OSError:
            return False
        return True

    def _bind(self, size: int) -> bytes:
        mask = os.umask(0o177)
        try:
            while True:
                prefix = os.urandom(size)
                try:
                    self._socket.bind(self._path(prefix))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                else:
                    return prefix
        finally:
            os.umask(mask)

    def _clear(self, directory: Path) -> None:
        """Remove the sockets of processes that were killed."""
        for file in directory.iterdir():
            with suppress(OSError, ValueError):
                prefix = bytes.fromhex(file.name)
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
                    try:
                        probe.connect(self._path(prefix))
                    except ConnectionRefusedError:
                        self._remove(prefix)

    def _path(self, prefix: bytes) -> str:
        return f"/proc/self/fd/{self._directory}/{prefix.hex()}"

    def _remove(self, prefix: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(prefix.hex(), dir_fd=self._directory)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message = self._socket.recv(_MOST)
            except OSError:
                return
            size = int.from_bytes(message[:_HEAD])
            with suppress(ValueError):
                address = tuple(json.loads(message[_HEAD : _HEAD + size]))
                self._received(message[_HEAD + size :], address)
