"""The sockets over which workers tell one another: a mailbox per slot, which outlives its worker.

Pairs of Unix datagram sockets without a name: nothing lies in the file system, and a datagram comes
whole. Not here: what the messages say (`edge/state/peers.py`).
"""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from edge.state.peers import LONGEST_MESSAGE, Peers, Post

QUEUE = 1024 * 1024
"""Bytes asked of the system for what waits in a mailbox: at least some hundred messages. By default
macOS takes 2 KiB, less than the longest message."""

READ_AT_ONCE = 64
"""Messages taken per wake-up; the rest wait until others had their turn."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The mailbox of a slot, as the supervisor holds it open for every worker."""

    reading: socket.socket
    writing: socket.socket

    @classmethod
    def open(cls) -> "Mailbox":
        """A new one. Raises OSError."""
        reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE)
        for sock in (reading, writing):
            sock.setblocking(False)
        return cls(reading, writing)

    def close(self) -> None:
        """Close both ends."""
        self.reading.close()
        self.writing.close()


def peers_over(slot: int, writing: Sequence[socket.socket]) -> Peers:
    """The peers of the worker in a slot, over the writing ends of all slots' mailboxes."""
    return Peers(slot, {to: _post(sock) for to, sock in enumerate(writing) if to != slot})


@contextmanager
def delivered(reading: socket.socket, peers: Peers) -> Iterator[None]:
    """Have the running loop deliver what comes to a mailbox for as long as the block lasts."""
    loop = asyncio.get_running_loop()
    loop.add_reader(reading, _read, reading, peers.heard)
    try:
        yield
    finally:
        loop.remove_reader(reading)


def _post(sock: socket.socket) -> Post:
    def post(message: bytes) -> None:
        with suppress(OSError):  # the mailbox is full
            sock.send(message)

    return post


def _read(sock: socket.socket, heard: Callable[[bytes], None]) -> None:
    for _ in range(READ_AT_ONCE):
        try:
            message = sock.recv(LONGEST_MESSAGE + 1)
        except OSError:
            return  # nothing more has come
        heard(message)
