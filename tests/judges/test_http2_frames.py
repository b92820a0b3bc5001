"""HTTP/2 as h2spec judges it: what a client gets wrong is met as RFC 9113 and RFC 7541 say."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import anyio
import hpack
import pytest

from tests.judges.http2_cases_frames import FRAMES, STARTING_AND_FRAMES, STREAMS
from tests.judges.http2_cases_messages import DIFFERENT, HPACK, MESSAGES
from tests.judges.http2_judging import PING_AT_LAST, Case, Seen
from tests.support.http2_frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Frame,
    frame,
    frames,
)
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, function

SECONDS = 5.0
CASES = {**STARTING_AND_FRAMES, **STREAMS, **FRAMES, **MESSAGES, **HPACK, **DIFFERENT}


@pytest.fixture(scope="module")
def origin() -> Iterator[Function]:
    with function() as running:
        yield running


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, origin: Function) -> Iterator[Edge]:
    """An edge before a function that is open to all."""
    with serving(tmp_path_factory.mktemp("edge") / "data") as running:
        running.deploy("shop", origin.url, public=True)
        yield running


class Peer:
    """A connection on which everything that comes is noted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen = Seen()
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._decoder = hpack.Decoder()

    async def send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def read(self) -> None:
        """Note the next frames, or that there are no more."""
        data = b""
        with suppress(ConnectionError):
            data = await self._reader.read(65536)
        self.seen.over = not data
        self._rest += data
        for found in frames(self._rest):
            self._rest = self._rest[9 + len(found.payload) :]
            self._note(found)

    def close(self) -> None:
        self._writer.transport.abort()

    def _note(self, found: Frame) -> None:
        seen = self.seen
        if found.kind in (HEADERS, DATA) and found.flags & END_STREAM:
            seen.ended.add(found.stream)
        if found.kind == HEADERS:
            fields = dict(self._decoder.decode(found.payload))
            seen.statuses.setdefault(found.stream, fields.get(":status", ""))
        elif found.kind == DATA:
            seen.sizes.setdefault(found.stream, []).append(len(found.payload))
        elif found.kind == RST_STREAM:
            seen.resets.setdefault(found.stream, int.from_bytes(found.payload))
        elif found.kind == GOAWAY and seen.goaway is None:
            seen.goaway = int.from_bytes(found.payload[4:8]) or None
        elif found.kind == PING and found.flags & ACK:
            seen.pongs.append(found.payload)
        elif found.kind == SETTINGS and found.flags & ACK:
            seen.acknowledged += 1


async def try_out(port: int, case: Case) -> Seen:
    """What comes back, until it is what is right, nothing more comes, or it takes too long."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
    try:
        await peer.send(PREFACE + frame(SETTINGS, 0) + case.sent)
        with anyio.move_on_after(SECONDS):
            while not (case.after <= 0 or case.after in peer.seen.ended or peer.seen.over):
                await peer.read()
            while case.after < 0 and not peer.seen.sizes and not peer.seen.over:
                await peer.read()
            await peer.send(case.then + PING_AT_LAST)
            while not (case.outcome(peer.seen) or peer.seen.over):
                await peer.read()
    finally:
        peer.close()
    return peer.seen


@pytest.mark.parametrize("name", CASES)
async def test_what_a_client_gets_wrong_is_met_as_the_rfc_says(edge: Edge, name: str) -> None:
    seen = await try_out(edge.port, CASES[name])
    assert CASES[name].outcome(seen), seen


async def test_what_is_no_preface_ends_the_connection(edge: Edge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"INVALID CONNECTION PREFACE\r\n\r\n")
    with anyio.fail_after(SECONDS):
        assert not (await reader.read()).startswith(b"HTTP/1.1 2")
    writer.close()
