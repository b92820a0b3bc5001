"""The listening sockets of a running edge, handed over to the one that follows it.

A running edge listens at a Unix socket of its data directory. Who asks there gets every listening
socket (SCM_RIGHTS, unix(7)), works on them too, and says when it is ready; only then does the
first one end. Whoever fails before that has changed nothing. Not here: what the two do with their
workers (`supervisor`).
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge.config import Config
from edge.server.service_manager import Manager
from edge.server.sockets import Bound

SOCKET = "serve.sock"
"""In the data directory, 0600: who may open it may have the addresses."""

_NEW = "serve.new"
_READY = b"ready"
_AT_ONCE = 200
"""Descriptors in one message; the system takes 253 (SCM_MAX_FD)."""

_PATIENCE = 10.0
"""Seconds that the one which gives waits for the other to take."""

_LONGEST = 60.0
"""Seconds that the one which asks waits: the edge that runs may still be taking over itself."""

_SIZE = 4


class HandoverError(Exception):
    """The edge that runs does not hand over; the text says why and what to do."""


@dataclass(slots=True)
class Predecessor:
    """The edge that ran before.

    Attributes:
        sockets: what it gave, by the setting that each was bound for.
        turn: its own; see `Config.turn`.
        passed: the settings among them whose sockets a service manager passed.
        manager: whom it tells of itself.
    """

    turn: int
    sockets: dict[str, list[socket.socket]]
    passed: list[str]
    manager: Manager
    _connection: socket.socket

    @classmethod
    def ask(cls, data_dir: Path) -> "Predecessor | None":
        """Ask the edge that runs on a data directory; None if none does. Raises HandoverError."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_LONGEST)
        try:
            connection.connect(str(data_dir / SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        except OSError as error:
            raise HandoverError(f"{data_dir / SOCKET} cannot be opened: {error}.") from error
        try:
            return cls._received(connection)
        except (OSError, ValueError, KeyError) as error:
            raise HandoverError(f"The edge on {data_dir} does not hand over: {error}.") from error

    @classmethod
    def _received(cls, connection: socket.socket) -> "Predecessor":
        size = int.from_bytes(_exactly(connection, _SIZE))
        offer = json.loads(_exactly(connection, size))
        if "refused" in offer:
            raise HandoverError(offer["refused"])
        found: dict[str, list[socket.socket]] = {}
        waiting = list(offer["asked"])
        while waiting:
            _, descriptors, _, _ = socket.recv_fds(connection, 1, _AT_ONCE)
            if not descriptors:
                raise ConnectionError("it has closed the connection")
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
                found.setdefault(waiting.pop(0), []).append(socket.socket(fileno=descriptor))
        manager = Manager(*offer["manager"])
        return cls(offer["turn"], found, offer["passed"], manager, connection)

    def succeed(self) -> None:
        """Tell it that this edge is ready, and that it may end. Raises HandoverError if it has."""
        try:
            self._connection.sendall(_READY)
        except OSError as error:
            raise HandoverError("The edge before this one has ended by itself.") from error
        self._connection.setblocking(False)

    async def ended(self) -> None:
        """Wait until it has ended."""
        with suppress(OSError):
            await asyncio.get_running_loop().sock_recv(self._connection, 1)
        self._connection.close()


class Offer:
    """What a running edge gives to the one that asks."""

    def __init__(
        self,
        config: Config,
        bound: Bound,
        manager: Manager,
        refusal: Callable[[], str],
    ) -> None:
        """Listen nowhere yet.

        Args:
            bound: what is given.
            manager: whom this edge tells of itself, and the next one will.
            refusal: why nothing is given now; empty if something is.
        """
        self._path = config.data_dir / SOCKET
        self._turn = config.turn
        self._sockets = bound.asked
        self._said = {"passed": bound.passed, "manager": [manager.address, manager.patience]}
        self._refusal = refusal
        self._listener = socket.socket(socket.AF_UNIX)
        self._successor: socket.socket | None = None

    @contextmanager
    def at_hand(self) -> Iterator[Self]:
        """Listen, in place of the edge before; the socket goes, unless it is a successor's.

        Raises:
            OSError: it cannot be bound.
        """
        new = self._path.with_name(_NEW)
        new.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(new))
        finally:
            os.umask(before)
        self._listener.listen(4)
        self._listener.setblocking(False)
        new.rename(self._path)
        try:
            yield self
        finally:
            self._listener.close()
            if self._successor is None:
                self._path.unlink(missing_ok=True)

    async def taken(self) -> int:
        """The process id of another edge, once it has taken everything and is ready.

        Its connection stays open until this process ends: so it knows.
        """
        loop = asyncio.get_running_loop()
        while self._successor is None:
            connection, _ = await loop.sock_accept(self._listener)
            if await self._taken_by(connection):
                self._successor = connection
            else:
                connection.close()
        return _process_at(self._successor)

    async def _taken_by(self, connection: socket.socket) -> bool:
        connection.settimeout(_PATIENCE)
        try:
            await asyncio.to_thread(self._give, connection)
            connection.setblocking(False)
            return await asyncio.get_running_loop().sock_recv(connection, len(_READY)) == _READY
        except OSError:  # it has left; everything stays as it is
            return False

    def _give(self, connection: socket.socket) -> None:
        refused = self._refusal()
        asked = [asked for asked, _ in self._sockets]
        given = {"asked": asked, "turn": self._turn, **self._said}
        offer = {"refused": refused} if refused else given
        said = json.dumps(offer).encode()
        connection.sendall(len(said).to_bytes(_SIZE) + said)
        descriptors = [] if refused else [sock.fileno() for _, sock in self._sockets]
        for first in range(0, len(descriptors), _AT_ONCE):
            socket.send_fds(connection, [b"."], descriptors[first : first + _AT_ONCE])


def _process_at(connection: socket.socket) -> int:
    """The process at the other end (unix(7), SO_PEERCRED); 0 where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, _, _ = struct.unpack("3i", credentials)
    return int(pid)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("it has closed the connection")
        data += piece
    return data
