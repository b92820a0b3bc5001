"""Load where wrk is not installed: closed-loop connections on one event loop, in its own process.

Run as `python -m tests.benchmarks.load.plain PORT CONNECTIONS SECONDS EXPECTED_CLASS`, with the
requests on stdin as JSON (latin-1). It reads answers that have a length; a chunked one it takes to
end with its last chunk.
"""

import asyncio
import json
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.benchmarks.figures import percentile
from tests.benchmarks.load.result import Load, LoadError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def whole(data: bytes) -> tuple[bytes, bytes] | None:
    """Head and content of an answer that has come to its end; None if it has not."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    length = _LENGTH.search(head)
    if length is None:
        ended = data.endswith(b"\r\n0\r\n\r\n")
        return (head, unchunked(data[end + 4 :])) if ended else None
    if len(data) < end + 4 + int(length[1]):
        return None
    return head, data[end + 4 :]


def closes(head: bytes) -> bool:
    """Whether the server ends the connection after this answer."""
    return _CLOSE.search(head) is not None


def unchunked(data: bytes) -> bytes:
    """The content of a chunked body that has come whole (RFC 9112 §7.1)."""
    content: list[bytes] = []
    at = 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end].partition(b";")[0], 16)
        if size == 0:
            return b"".join(content)
        content.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size


@dataclass(slots=True)
class Tally:
    """What all connections have counted."""

    deadline: float
    expected: int
    requests: Sequence[bytes]
    sent: int = 0
    bad: int = 0
    latencies: list[float] = field(default_factory=list)


class Caller(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last has come."""

    def __init__(self, tally: Tally, ended: asyncio.Future[None]) -> None:
        self._tally = tally
        self.ended = ended
        self._answer = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; amid an answer that is a broken one."""
        if not self.ended.done():
            self._tally.bad += self._answer != b"" or self._since > 0
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Count an answer that is whole."""
        self._answer += data
        found = whole(self._answer)
        if found is not None:
            self._count(found[0])

    def _count(self, head: bytes) -> None:
        tally = self._tally
        tally.latencies.append((time.perf_counter() - self._since) * 1e6)
        tally.bad += head[9:10] != b"%d" % tally.expected
        self._answer, self._since = b"", 0.0
        if closes(head) or time.perf_counter() >= tally.deadline:
            self._transport.close()
            self.ended.set_result(None)
        else:
            self._send()

    def _send(self) -> None:
        tally = self._tally
        self._since = time.perf_counter()
        self._transport.write(tally.requests[tally.sent % len(tally.requests)])
        tally.sent += 1


async def drive(port: int, connections: int, tally: Tally, *, tls: bool) -> Load:
    """Keep so many connections busy until the deadline."""
    context = ssl._create_unverified_context() if tls else None
    loop = asyncio.get_running_loop()
    began = time.perf_counter()

    async def one() -> None:
        while time.perf_counter() < tally.deadline:
            ended = loop.create_future()
            await loop.create_connection(
                lambda ended=ended: Caller(tally, ended), "127.0.0.1", port, ssl=context
            )
            await ended

    await asyncio.gather(*(one() for _ in range(connections)))
    seconds, done = time.perf_counter() - began, tally.latencies
    return Load(len(done), tally.bad, seconds, percentile(done, 50), percentile(done, 99))


@dataclass(frozen=True, slots=True)
class Plain:
    """This module as a load tool."""

    def run(
        self,
        port: int,
        requests: Sequence[bytes],
        connections: int,
        seconds: float,
        *,
        expected: int,
        tls: bool,
    ) -> Load:
        """Run it in a process of its own. Raises LoadError if it fails."""
        numbers = [str(port), str(connections), str(seconds), str(expected), str(int(tls))]
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.load.plain", *numbers],
            input=json.dumps([each.decode("latin-1") for each in requests]),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
        if done.returncode:
            raise LoadError(f"the load generator: {done.stderr.strip()}")
        return Load(**json.loads(done.stdout))


def main(arguments: Sequence[str]) -> None:
    """The process: prints its `Load` as JSON."""
    port, connections, seconds, expected, tls = arguments
    requests = [each.encode("latin-1") for each in json.load(sys.stdin)]
    tally = Tally(time.perf_counter() + float(seconds), int(expected), requests)
    load = asyncio.run(drive(int(port), int(connections), tally, tls=bool(int(tls))))
    sys.stdout.write(json.dumps(asdict(load)))


if __name__ == "__main__":
    main(sys.argv[1:])
