"""The shim adds one field and changes nothing else, so that it hides no fault of the edge."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.conformance.shim import shim

HEAD = b"POST /a%2Fb?c HTTP/1.1\r\n"
REST = b"Host: one.example\r\nMcp-Method:  tools/call \r\n"
ADDED = b"X-Jelou-Token: secret\r\n"
SECONDS = 10


@dataclass
class Server:
    """Takes one connection, which the test holds."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def accept(self) -> socket.socket:
        self.listener.settimeout(SECONDS)
        connection, _ = self.listener.accept()
        connection.settimeout(SECONDS)
        return connection


@dataclass
class Pair:
    """A client of the shim, and the server's end of the same connection."""

    client: socket.socket
    server: socket.socket


@pytest.fixture
def pair() -> Iterator[Pair]:
    server = Server()
    port = server.listener.getsockname()[1]
    with server.listener, shim(f"http://127.0.0.1:{port}", "X-Jelou-Token: secret") as address:
        port = int(address.rpartition(":")[2])
        client = socket.create_connection(("127.0.0.1", port), SECONDS)
        with client, server.accept() as accepted:
            yield Pair(client, accepted)


def exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes."""
    received = b""
    while len(received) < count and (piece := connection.recv(count - len(received))):
        received += piece
    return received


@pytest.mark.parametrize(
    ("field", "body"),
    [
        (b"", b""),
        (b"Content-Length: 5\r\n", b"a\r\n\r\n"),
        (b"content-length:0\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b"3;x=y\r\na\r\n\r\n00\r\nTrailer: z\r\n\r\n"),
    ],
)
def test_every_request_of_a_connection_gets_the_field_and_no_byte_is_changed(
    pair: Pair, field: bytes, body: bytes
) -> None:
    for _ in range(3):
        pair.client.sendall(HEAD + REST + field + b"\r\n" + body)
        expected = HEAD + ADDED + REST + field + b"\r\n" + body

        assert exactly(pair.server, len(expected)) == expected


def test_an_answer_comes_through_piece_by_piece_as_it_is(pair: Pair) -> None:
    for piece in (b"HTTP/1.1 200 OK\r\nX:  y\r\n\r\n", b"data: 1\n\n", b": \r\r\n", b"\0" * 9):
        pair.server.sendall(piece)

        assert exactly(pair.client, len(piece)) == piece


def test_a_server_that_closes_early_is_seen_to_close(pair: Pair) -> None:
    pair.server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    pair.server.close()

    assert pair.client.recv(1000).endswith(b"half")
    assert pair.client.recv(1) == b""


def test_a_client_that_leaves_is_seen_to_leave(pair: Pair) -> None:
    pair.client.sendall(HEAD + REST + b"Content-Length: 9\r\n\r\nhalf")
    pair.client.close()

    assert exactly(pair.server, 1000).endswith(b"half")


def test_a_client_that_takes_no_more_of_an_answer_ends_it(pair: Pair) -> None:
    ended = threading.Event()

    def pour() -> None:
        try:
            while True:
                pair.server.sendall(b"data: more\n\n" * 1000)
        except OSError:
            ended.set()

    pouring = threading.Thread(target=pour, daemon=True)
    pouring.start()
    assert pair.client.recv(10)
    pair.client.close()

    assert ended.wait(SECONDS)
    pouring.join(SECONDS)
