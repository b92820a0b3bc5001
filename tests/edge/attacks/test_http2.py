"""Attacks over HTTP/2: frames made by hand, against one worker in a process of its own."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import h2.config
import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from edge.server.calm import BURST
from edge.server.hypercorn_sending import TABLE
from tests.support.edge_server import running
from tests.support.http2 import Http2Client
from tests.support.http2_frames import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Frame,
    frame,
    frames,
    setting,
)
from tests.support.supervised_edge import Supervised, supervised
from tests.support.whole_processes import memory

GET = b"\x82\x86\x84\x41\x01x"
"""GET http://x/ in HPACK (RFC 7541): three of the static table, and an authority."""

MIB = 1024 * 1024


def post(path: bytes) -> bytes:
    """The head of a POST, its body still to come."""
    block = b"\x83\x86\x41\x01x" + b"\x04" + bytes([len(path)]) + path
    return frame(HEADERS, 1, block, 4)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Supervised]:
    with supervised(tmp_path) as served:
        yield served


async def attack(edge: Supervised, *pieces: bytes) -> list[Frame]:
    """Send all of it; the frames that came back until the connection ended or fell silent."""
    port = int(edge.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = bytearray()

    async def read() -> None:
        while data := await reader.read(65536):
            got.extend(data)

    reading = asyncio.create_task(read())
    try:
        writer.write(PREFACE + frame(SETTINGS, 0))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    with anyio.move_on_after(3):
        with suppress(ConnectionError):
            await asyncio.shield(reading)
    writer.transport.abort()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return list(frames(bytes(got)))


def goodbyes(answer: list[Frame]) -> list[int]:
    """The codes of every GOAWAY."""
    return [int.from_bytes(said.payload[4:8]) for said in answer if said.kind == GOAWAY]


RESETS = b"".join(
    frame(HEADERS, stream, GET, 5) + frame(RST_STREAM, stream, b"\0\0\0\x08")
    for stream in range(1, 2 * BURST + 200, 2)
)
FLOODS = {
    "rapid reset": RESETS,
    "pings": frame(PING, 0, b"12345678") * (BURST + 100),
    "settings": frame(SETTINGS, 0, setting(3, 100)) * (BURST + 100),
    "empty DATA": post(b"/slow?20") + frame(DATA, 1) * (BURST + 100),
    "a head bomb": frame(
        HEADERS, 1, GET + b"\x40\x01a\x7f\xc1\x1e" + b"x" * 4000 + b"\xbe" * 12000, 5
    ),
}
CALM = int(ErrorCodes.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("flood", FLOODS)
async def test_who_floods_is_told_to_calm_down_and_others_are_served(
    edge: Supervised, flood: str
) -> None:
    (worker,) = edge.workers()
    before = memory(worker)[0]
    assert goodbyes(await attack(edge, FLOODS[flood])) == [CALM]
    assert await anyio.to_thread.run_sync(edge.get, "/ready") == "ready"
    assert memory(worker)[0] - before < 16 * MIB
    assert edge.workers() == {worker}


async def test_a_head_without_end_is_broken_off(edge: Supervised) -> None:
    (worker,) = edge.workers()
    before = memory(worker)[0]
    piece = b"\x40\x01a\x01b" * 3000
    flood = frame(HEADERS, 1, GET, 1) + frame(CONTINUATION, 1, piece) * 1000
    assert goodbyes(await attack(edge, flood)) == [int(ErrorCodes.PROTOCOL_ERROR)]
    assert memory(worker)[1] - before < 16 * MIB


async def test_more_streams_than_are_allowed_end_the_connection(edge: Supervised) -> None:
    block = b"\x82\x86\x41\x01x\x04\x08/slow?20"
    flood = b"".join(frame(HEADERS, stream, block, 5) for stream in range(1, 2 * 200, 2))
    assert goodbyes(await attack(edge, flood)) == [int(ErrorCodes.PROTOCOL_ERROR)]
    tasks = int(await anyio.to_thread.run_sync(edge.get, "/tasks"))
    assert tasks < 20


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 64])
async def test_a_body_in_tiny_pieces_that_nobody_reads_takes_little_memory(
    edge: Supervised, size: int
) -> None:
    (worker,) = edge.workers()
    await anyio.to_thread.run_sync(edge.get, "/ready")
    before = memory(worker)[0]
    count = 60_000 // size
    piece = frame(DATA, 1, b"x" * size) * (count // 10)
    await attack(edge, post(b"/slow?20"), *[piece] * 10)
    assert memory(worker)[1] - before < 12 * MIB


async def test_a_client_cannot_have_the_server_keep_a_large_table(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        client.connection.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**20})
        client.flush()
        await client.until(h2.events.SettingsAcknowledged)
        for _ in range(3):
            assert await client.body(client.ask("/target")) == b"GET /target"
        assert client.connection.decoder.header_table_size <= TABLE
        client.close()


@pytest.mark.slow
async def test_a_client_that_means_well_is_not_bounded(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        for _ in range(300):
            client.connection.ping(b"12345678")
            client.connection.reset_stream(client.ask("/stuck"))
            assert await client.body(client.ask("/target")) == b"GET /target"
            client.events.clear()
        client.close()
