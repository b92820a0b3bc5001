"""Attacks over WebSocket on either lane: what waits for a function that reads not is bounded."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.support.calling import TOKEN
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.origin import Origin, echoes, serving
from tests.support.websockets import Socket, connected, speaks

MASK = b"\0\0\0\0"
MIB = 1024 * 1024
FLOODS = {
    "empty messages": b"\x82\x80" + MASK,
    "messages of a byte": b"\x82\x81" + MASK + b"x",
    "pings": b"\x89\x80" + MASK,
    "a message without end": b"\x02\xfe\xff\xff" + MASK + b"x" * 65535,
}
"""One frame of each (RFC 6455 §5.2); the one without end goes on in continuations."""


@pytest.fixture(params=["fast", "asgi"])
async def edge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EdgeInProcess]:
    async with running(tmp_path, fast_lane=request.param == "fast") as started:
        yield started


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """An origin that echoes; a test may set another `behaviour`."""
    async with serving(echoes) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_held_back_or_ended_and_takes_little_memory(
    edge: EdgeInProcess, origin: Origin, flood: str
) -> None:
    async def reads_nothing(socket: Socket) -> None:
        socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await anyio.sleep_forever()

    origin.behaviour = speaks(reads_nothing)
    edge.deploy(origin.upstream)
    frame = FLOODS[flood]
    piece = frame * max(1, 65536 // len(frame))
    async with connected(edge, [(TOKEN, edge.token)]) as client:
        before = peak()
        try:
            async with asyncio.timeout(4):
                for number in range(160 * MIB // len(piece)):
                    again = b"\x00" + piece[1:] if number and flood.endswith("end") else piece
                    await client.send_raw(again)
        except (TimeoutError, OSError):
            pass
        # A message of up to 16 MiB is gathered on one lane, with its copies on the way.
        assert peak() - before < 64 * MIB
        client.writer.transport.abort()


def peak() -> int:
    """The most memory that this process has had, bytes: edge, function and client are in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
