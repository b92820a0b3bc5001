"""A relay that adds one header field to every request, for clients that cannot send any.

All else passes byte for byte as it comes, in both directions, and so do closes: it is no proxy
that a client could notice. HTTP/1.1 (RFC 9112) in the clear, on loopback. Where tools have a prefix
that the client does not know, it is put before their names, and taken away, here.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tests.conformance.prefix import Prefix

PIECE = 65_536
LINGER_NOT = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s; close() resets the connection


class Shim:
    """Listens on a free port of 127.0.0.1 until closed."""

    def __init__(self, to: tuple[str, int], field: bytes, prefix: Prefix | None = None) -> None:
        """Args: field: `Name: value`, without a line end."""
        self._to = to
        self._prefix = prefix
        self._field = field + b"\r\n"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, with every connection."""
        for each in (self._listener, *list(self._open)):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=[client], daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._to) as server:
            pair = {client, server}
            for each in pair:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= pair
            shown = self._prefix.shown() if self._prefix is not None else bytes
            back = threading.Thread(target=_copy, args=[server, client, shown], daemon=True)
            back.start()
            with client.makefile("rb") as requests:
                _until_the_end(lambda: self._request(requests, server), server, client)
            back.join()
            self._open -= pair

    def _request(self, requests: BinaryIO, server: socket.socket) -> bool:
        """Pass one request on; False at the end of them."""
        line = requests.readline()
        if not line:
            return False
        lines = [line, self._field]
        while (line := requests.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        named = [field.lower().partition(b":") for field in lines[2:]]
        fields = {name.strip(): value.strip() for name, _, value in named}
        size = int(fields.get(b"content-length", b"0"))
        if self._prefix is not None:
            server.sendall(self._prefix.asked([*lines, line], requests.read(size)))
            return True
        server.sendall(b"".join([*lines, line]))
        if fields.get(b"transfer-encoding") == b"chunked":
            _chunks(requests, server)
        else:
            _bytes(requests, server, size)
        return True


def _bytes(source: BinaryIO, to: socket.socket, left: int) -> None:
    while left and (piece := source.read(min(left, PIECE))):
        to.sendall(piece)
        left -= len(piece)


def _chunks(source: BinaryIO, to: socket.socket) -> None:
    """A chunked body (RFC 9112 §7.1), as it is cut."""
    while line := source.readline():
        to.sendall(line)
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            break
        _bytes(source, to, size + 2)
    while (line := source.readline()) not in {b"\r\n", b""}:
        to.sendall(line)
    to.sendall(line)


def _copy(source: socket.socket, to: socket.socket, shown: Callable[[bytes], bytes]) -> None:
    def piece() -> bool:
        data = source.recv(PIECE)
        to.sendall(shown(data))
        return bool(data)

    _until_the_end(piece, to, source)


def _until_the_end(step: Callable[[], bool], to: socket.socket, source: socket.socket) -> None:
    """Repeat a step while it says so; then close one way as it was closed, or reset both."""
    try:
        while step():
            pass
        to.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (to, source):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def shim(address: str, field: str, prefix: Prefix | None = None) -> Iterator[str]:
    """Relay to `http://HOST:PORT` with a field added; yield the address to use instead."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    running = Shim((host, int(port)), field.encode("ascii"), prefix)
    try:
        yield running.address
    finally:
        running.close()
