"""Big bodies, events and idle connections: what no load tool measures, over blocking sockets."""

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

from tests.benchmarks.load.plain import unchunked
from tests.benchmarks.load.result import LoadError
from tests.benchmarks.traffic import HOST

PIECE = bytes(64 * 1024)
SECONDS = 60.0
STREAMS = 10
EVENTS = 4

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_EVENT = re.compile(rb"data: (\d+)\n\n")


class Line:
    """One connection to a server, and what was read of it beyond the last answer."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._closing = False
        self.sock = self._connected()
        self._buffer = memoryview(bytearray(256 * 1024))

    def _connected(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send_head(self, method: str, target: str, length: int | None = None) -> None:
        """Send a request head, on a new connection if the server has said that it closes this one.

        Args:
            length: that of the body that follows.
        """
        if self._closing:
            self.sock.close()
            self.sock, self._closing = self._connected(), False
        lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}", f"X-Jelou-Token: {self._token}"]
        lines += ["Accept: */*"] + ([] if length is None else [f"Content-Length: {length}"])
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())

    def send_body(self, size: int) -> None:
        """Send so many bytes."""
        while size > 0:
            self.sock.sendall(PIECE[:size])
            size -= len(PIECE)

    def until(self, end: bytes, data: bytes = b"") -> bytes:
        """Read until a text has come; all that was read. Raises LoadError at an early end."""
        while end not in data:
            piece = self.sock.recv(65536)
            if not piece:
                raise LoadError(f"the connection ended amid an answer: {data[:200]!r}")
            data += piece
        return data

    def answer(self) -> int:
        """Read one answer that has to be 200 and is dropped; the size of its body."""
        head, _, body = self.until(b"\r\n\r\n").partition(b"\r\n\r\n")
        if head[9:12] != b"200":
            raise LoadError(f"answered {head[:120]!r}")
        self._closing = _CLOSE.search(head) is not None
        length = _LENGTH.search(head)
        if length is None:
            return len(unchunked(self.until(b"\r\n0\r\n\r\n", b"\r\n" + body)[2:]))
        left = int(length[1]) - len(body)
        while left > 0:
            taken = self.sock.recv_into(self._buffer)
            if not taken:
                raise LoadError(f"the answer ended {left} bytes early")
            left -= taken
        return int(length[1])


@contextmanager
def line(port: int, token: str) -> Iterator[Line]:
    """A connection that is closed at the end."""
    opened = Line(port, token)
    try:
        yield opened
    finally:
        opened.sock.close()


def transfer(port: int, token: str, size: int, times: int, *, up: bool) -> float:
    """Move bodies through a server on one connection; the seconds it took.

    Raises:
        LoadError: an answer is not 200, or not of the size that was asked for.
    """
    with line(port, token) as opened:
        began = time.perf_counter()
        for _ in range(times):
            opened.send_head(*(("POST", "/up", size) if up else ("GET", f"/down/{size}")))
            opened.send_body(up * size)
            came = opened.answer()
            if not up and came != size:
                raise LoadError(f"{came} bytes came of {size}")
        return time.perf_counter() - began


def events(port: int, token: str) -> tuple[float, float]:
    """Microseconds from a request to its first event, and from an event's sending to its coming.

    Medians over some streams; raises LoadError for one that does not come.
    """
    firsts: list[float] = []
    delays: list[float] = []
    for _ in range(STREAMS):
        with line(port, token) as opened:
            firsts.append(_first(opened))
            delays += [_delay(opened) for _ in range(EVENTS)]
    return median(firsts), median(delays)


def _first(opened: Line) -> float:
    began = time.monotonic_ns()
    opened.send_head("GET", "/events")
    opened.until(b"\n\n")
    return (time.monotonic_ns() - began) / 1000


def _delay(opened: Line) -> float:
    data = opened.until(b"\n\n")
    match = _EVENT.search(data)
    if match is None:
        raise LoadError(f"not an event: {data[:80]!r}")
    return (time.monotonic_ns() - int(match[1])) / 1000


@contextmanager
def idle(port: int, tokens: Sequence[str], count: int) -> Iterator[None]:
    """Hold so many connections, of which each has had one answer."""
    with ExitStack() as stack:
        for number in range(count):
            opened = stack.enter_context(line(port, tokens[number % len(tokens)]))
            opened.send_head("POST", "/v1/orders", 2)
            opened.sock.sendall(b"{}")
            opened.answer()
        yield
