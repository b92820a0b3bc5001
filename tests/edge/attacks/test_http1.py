"""Attacks over HTTP/1.1 that cost the server more than the client, on either lane."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, function
from tests.support.whole_processes import memory

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def origin() -> Iterator[Function]:
    with function() as running:
        yield running


@pytest.fixture(scope="module", params=["--fast-lane", "--no-fast-lane"])
def edge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, origin: Function
) -> Iterator[Edge]:
    limits = ("--head-timeout", "1", "--body-idle", "1", "--slow-reader", "1")
    with serving(tmp_path_factory.mktemp("edge") / "data", request.param, *limits) as edge:
        edge.deploy("shop", origin.url, public=True)
        yield edge


def attack(edge: Edge, data: bytes, seconds: float = 8) -> bytes:
    """Send it all, as far as it is taken; what comes back until the connection ends."""
    got = bytearray()
    with socket.create_connection(("127.0.0.1", edge.port), seconds) as sock:

        def send() -> None:
            try:
                sock.sendall(data)
            except OSError:
                return

        sending = threading.Thread(target=send)
        sending.start()
        try:
            while piece := sock.recv(65536):
                got += piece
        except ConnectionError:
            pass
        sending.join(seconds)
    return bytes(got)


HEAD = b"POST /shop/hold HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
MOST = 16 * MIB
FLOODS = {
    "a head without end": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000, b"431"),
    "a field without end": (b"GET / HTTP/1.1\r\na: " + b"b" * MIB, b"431"),
    "a line without end": (b"GET /" + b"b" * MIB, b"414"),
    "empty lines": (b"\r\n" * 100_000, b"400"),
    "a head that stops": (b"GET / HTTP/1.1\r\nhost: x\r\n", b"408"),
    "an extension without end": (HEAD + b"1;" + b"x" * MIB, b"400"),
    "a length without end": (HEAD + b"0" * MIB, b"400"),
    "extensions on tiny chunks": (HEAD + (b"1;" + b"x" * 200 + b"\r\na\r\n") * 20_000, b"408"),
    "a body that stops": (HEAD + b"10\r\nhalf", b"408"),
    "trailers without end": (HEAD + b"0\r\n" + b"a: b\r\n" * 20_000, b"4"),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_each_gets_a_clear_answer_or_a_close_and_takes_little_memory(
    edge: Edge, flood: str
) -> None:
    data, status = FLOODS[flood]
    (worker,) = edge.workers
    before = memory(worker)[0]
    answer = attack(edge, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert memory(worker)[0] - before < MOST
    assert edge.caller().ask("/shop/hello").status == 200
    assert edge.workers == [worker]


def test_many_requests_sent_at_once_are_answered_in_turn_and_held_within_bounds(
    edge: Edge,
) -> None:
    (worker,) = edge.workers
    before = memory(worker)[0]
    data = b"GET /__edge/live HTTP/1.1\r\nhost: x\r\n\r\n" * 3000
    last = b"GET /__edge/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = attack(edge, data + last, 30)
    assert answer.count(b"HTTP/1.1 200 ") == 3001
    assert memory(worker)[1] - before < MOST
