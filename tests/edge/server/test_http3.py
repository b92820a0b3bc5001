"""HTTP/3 over real sockets: one stream's misfortune is no other's."""

import asyncio
from pathlib import Path

import anyio
import pytest
from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import DataReceived
from aioquic.quic.events import StopSendingReceived, StreamReset
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.server.quic_connection import configured
from tests.support.http3 import Http3Client
from tests.support.http3_server import http3_config, http3_running


async def test_requests_are_answered_and_targets_are_raw(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        first, second = client.ask("/target?"), client.ask("/target/%2f//x", "PURGE")
        assert await client.body(first) == b"GET /target?"
        assert await client.body(second) == b"PURGE /target/%2f//x"
        client.close()


@pytest.mark.parametrize("path", ["/abort", "/crash", "/abort?length"])
async def test_a_broken_off_answer_is_reset_and_other_streams_go_on(
    tmp_path: Path, path: str
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        other = client.ask("/slow?0.3")
        await client.until(DataReceived, other)
        broken = client.ask(path)
        reset = await client.until(StreamReset, broken)
        assert reset.error_code == ErrorCode.H3_INTERNAL_ERROR
        assert client.bodies[broken] == b"half"
        assert await client.body(other) == b"begun done"
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 65536, 300_000])
async def test_answers_of_any_size_come_whole_on_streams_side_by_side(
    tmp_path: Path, size: int
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        for stream in [client.ask(f"/bytes?{size}") for _ in range(3)]:
            assert await client.body(stream) == b"x" * size
        client.close()


async def test_trailers_come_to_who_asks_for_them(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/trailers", fields=[("te", "trailers")])
        assert await client.body(stream) == b"said"
        assert client.heads(stream)[1:] == [[(b"sum", b"4")]]
        without = client.ask("/trailers")
        assert await client.body(without) == b"said"
        assert client.heads(without)[1:] == []
        client.close()


async def test_a_head_that_cannot_be_said_is_no_answer(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        assert await client.body(client.ask("/field?60000")) == b"said"
        reset = await client.until(StreamReset, client.ask("/field?70000"))
        assert reset.error_code == ErrorCode.H3_INTERNAL_ERROR
        client.close()


async def test_an_early_answer_stops_the_upload_and_the_connection_survives(
    tmp_path: Path,
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/early", "POST", end=False)
        client.send(stream, b"x" * 16384)
        assert await client.body(stream) == b"no thanks"
        stop = await client.until(StopSendingReceived, stream)
        assert stop.error_code == ErrorCode.H3_NO_ERROR
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_an_upload_that_its_app_does_not_read_stalls_no_other_stream(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stalled = client.ask("/slow?1", "POST", end=False)
        client.send(stalled, b"x" * 300_000)
        with anyio.fail_after(0.9):
            assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_a_large_upload_is_taken_as_fast_as_the_app_reads(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/body", "POST", end=False)
        client.send(stream, b"x" * 2**21, end=True)
        assert await client.body(stream, 20) == str(2**21).encode()
        client.close()


@pytest.mark.parametrize("how", ["both", "reset", "stop"])
async def test_a_request_that_its_client_gives_up_ends(tmp_path: Path, how: str) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stuck = client.ask("/stuck", "POST", end=False)
        await client.until(DataReceived, stuck)
        if how != "stop":
            client.quic.reset_stream(stuck, ErrorCode.H3_REQUEST_CANCELLED)
        if how != "reset":
            client.quic.stop_stream(stuck, ErrorCode.H3_REQUEST_CANCELLED)
        client.flush()
        await edge.until(lambda: edge.small.left == 1)
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_a_client_that_leaves_ends_all_its_requests(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        for _ in range(5):
            await client.until(DataReceived, client.ask("/stuck"))
        client.close()
        await edge.until(lambda: edge.small.left == 5)
        await edge.until(lambda: not edge.server.connections)


async def test_a_client_that_has_moved_goes_on(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        slow = client.ask("/slow?0.3")
        await client.until(DataReceived, slow)
        await client.move()
        assert await client.body(client.ask("/target")) == b"GET /target"
        assert await client.body(slow) == b"begun done"
        client.close()


@pytest.mark.parametrize("method", ["CONNECT", "OPTIONS"])
async def test_targets_without_a_path_reach_the_app(tmp_path: Path, method: str) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        head = [(":method", method), (":authority", "x:443")]
        if method == "OPTIONS":
            head += [(":scheme", "https"), (":path", "*")]
        stream = client.ask_raw(head, end=method == "OPTIONS")
        assert await client.status(stream) == 404
        client.close()


async def test_an_answer_to_head_has_no_body(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/bytes?5", "HEAD")
        assert await client.body(stream) == b""
        assert await client.status(stream) == 200
        client.close()


async def test_an_idle_connection_is_told_goodbye(tmp_path: Path) -> None:
    async with http3_running(tmp_path, keep_alive=0.2) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/target")
        await client.body(stream)
        assert (await client.until_closed()).error_code == ErrorCode.H3_NO_ERROR
        assert await client.goaways() == [stream + 4]
        client.vanish()


async def test_draining_announces_the_end_and_finishes_streams(tmp_path: Path) -> None:
    async with http3_running(tmp_path, drain_timeout=5.0) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/slow?0.4")
        await client.until(DataReceived, stream)
        draining = asyncio.create_task(edge.server.drain())
        assert await client.goaways() == [stream + 4]
        late = client.ask("/target")
        refused = await client.until(StreamReset, late)
        assert refused.error_code == ErrorCode.H3_REQUEST_REJECTED
        assert await client.body(stream) == b"begun done"
        assert (await client.until_closed()).error_code == ErrorCode.H3_NO_ERROR
        with anyio.fail_after(5):
            await draining
        client.vanish()


async def test_an_edge_with_a_successor_answers_what_still_comes(tmp_path: Path) -> None:
    async with http3_running(tmp_path, drain_timeout=5.0) as edge:
        client = await Http3Client.connect(edge.port)
        await client.body(client.ask("/target"))
        draining = asyncio.create_task(edge.server.drain(succeeded=True))
        assert await client.goaways() == [2**62 - 4]
        client.vanish()
        with anyio.fail_after(5):
            await draining


async def test_a_drain_whose_time_is_over_leaves_no_answer_that_looks_whole(
    tmp_path: Path,
) -> None:
    async with http3_running(tmp_path, drain_timeout=0.2) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/slow?30")
        await client.until(DataReceived, stream)
        await edge.server.drain()
        assert (await client.until_closed()).error_code == ErrorCode.H3_INTERNAL_ERROR
        assert not client.is_whole(stream)
        client.vanish()


def test_a_key_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    config = http3_config(tmp_path)
    config.keyfile.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(ValueError, match="not with secp521r1"):
        configured(str(config.certfile), str(config.keyfile), 30)
