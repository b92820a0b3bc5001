"""What a hostile HTTP/3 client may try: nothing of it takes memory, time or another's answer."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import process_time

import anyio
import anyio.lowlevel
import pylsqpack
import pytest
from aioquic.h3.connection import ErrorCode, FrameType
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.events import StreamReset
from aioquic.quic.packet import QuicErrorCode

from edge.events import CutOff, Unread
from edge.server.calm import BURST
from tests.support.edge_server import Running
from tests.support.http3 import Fields, Http3Client
from tests.support.http3_server import http3_running

HEAD = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/target")]


async def alive(edge: Running) -> None:
    """Somebody else is answered, and nothing is left of whoever was here."""
    client = await Http3Client.connect(edge.port)
    assert await client.body(client.ask("/target")) == b"GET /target"
    client.close()
    await edge.until(lambda: not edge.server.connections)


def held(edge: Running) -> int:
    """Bytes that all connections hold of their answers."""
    return sum(
        len(stream.sender._buffer)
        for connection in edge.server.connections
        for stream in connection._quic._streams.values()
    )


# Answers that nobody reads.


async def test_answers_without_credit_wait_in_their_apps(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(
            edge.port, gives_credit=False, max_data=10**9, max_stream_data=20_000
        )
        floods = [client.ask("/flood") for _ in range(100)]
        for stream in floods:
            await client.until(HeadersReceived, stream)
        await anyio.sleep(0.3)
        assert held(edge) < 100 * 100 * 1024
        other = client.ask("/target")
        assert await client.body(other) == b"GET /target"
        client.close()
        await edge.until(lambda: edge.small.left == 100)
        await alive(edge)


async def test_a_connection_without_credit_holds_little(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port, gives_credit=False, max_data=30_000)
        for _ in range(100):
            client.ask("/flood")
        await edge.until(lambda: len(edge.small.seen) == 100)
        await anyio.sleep(0.3)
        assert held(edge) < 100 * 64 * 1024
        client.close()
        await alive(edge)


async def test_an_answer_goes_on_when_its_client_gives_credit(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port, gives_credit=False, max_stream_data=40_000)
        stream = client.ask("/bytes?400000")
        while len(client.bodies[stream]) < 39_000:
            await client.more()
        client.quic.gives_credit = True
        client.flush()
        assert len(await client.body(stream)) == 400_000
        client.close()


async def test_a_stream_whose_client_takes_nothing_is_reset_alone(tmp_path: Path) -> None:
    async with http3_running(tmp_path, slow_reader=0.4) as edge:
        client = await Http3Client.connect(
            edge.port, gives_credit=False, max_data=10**9, max_stream_data=20_000
        )
        slow, flood = client.ask("/slow?1"), client.ask("/flood")
        reset = await client.until(StreamReset, flood)
        assert reset.error_code == ErrorCode.H3_INTERNAL_ERROR
        await edge.until(lambda: edge.small.left == 1)
        assert edge.small.events.count(CutOff("slow_reader")) == 1
        assert held(edge) < 1000
        assert await client.body(slow) == b"begun done"
        client.close()


async def test_a_client_that_is_gone_is_cut_off(tmp_path: Path) -> None:
    async with http3_running(tmp_path, slow_reader=0.4) as edge:
        client = await Http3Client.connect(edge.port)
        await client.until(DataReceived, client.ask("/flood"))
        client.vanish()
        await edge.until(lambda: edge.small.left == 1)
        assert CutOff("slow_reader") in edge.small.events


# Requests that are too much.


@pytest.mark.slow
async def test_bodies_that_no_app_reads_are_bounded_for_all_streams_together(
    tmp_path: Path,
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        for _ in range(60):
            client.send(client.ask("/slow?30", "POST", end=False), b"x" * 200_000)
        await anyio.sleep(0.5)
        (connection,) = edge.server.connections
        kept = sum(stream.exchange._held for stream in connection._streams.values())
        assert kept <= 1024 * 1024
        assert connection._quic._local_max_data.used <= 1024 * 1024 + 64 * 1024
        client.close()
        await alive(edge)


async def test_pieces_out_of_order_are_bounded_like_others(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        for _ in range(50):
            stream = client.ask("/body", "POST", end=False)
            sender = client.quic._streams[stream].sender
            sender.write(b"x" * 120_000)
            sender._pending.subtract(sender._pending[0].start, sender._pending[-1].stop - 10)
        client.flush()
        await anyio.sleep(0.3)
        (connection,) = edge.server.connections
        streams = connection._quic._streams.values()
        assert sum(len(stream.receiver._buffer) for stream in streams) <= 1024 * 1024 + 128 * 1024
        client.close()
        await alive(edge)


async def test_a_stream_in_countless_pieces_ends_its_connection(tmp_path: Path) -> None:
    """Each piece would be looked for among all others."""
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/body", "POST", end=False)
        await edge.until(lambda: edge.small.seen)
        sender = client.quic._streams[stream].sender
        sender.write(b"x" * 2000)
        start, stop = sender._pending[-1].start, sender._pending[-1].stop
        for at in range(start, stop, 2):
            sender._pending.subtract(at, at + 1)
        client.flush()
        closed = await client.until_closed()
        assert closed.error_code == QuicErrorCode.PROTOCOL_VIOLATION
        await alive(edge)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param([("x", "y")] * 300, ErrorCode.H3_EXCESSIVE_LOAD, id="fields"),
        pytest.param([("x", "\\" * 40_000)] * 2, ErrorCode.H3_EXCESSIVE_LOAD, id="bytes"),
        pytest.param([("x", "a" * 50_000)] * 2, ErrorCode.H3_EXCESSIVE_LOAD, id="compressed"),
    ],
)
async def test_heads_that_are_much_too_large_are_refused(
    tmp_path: Path, fields: Fields, code: ErrorCode
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/target", fields=fields)
        assert (await client.until(StreamReset, stream)).error_code == code
        assert edge.small.seen == []
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_a_few_bytes_are_no_large_head(tmp_path: Path) -> None:
    """Each byte of such a block names a field of QPACK's static table that is 75 bytes long."""
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        block = b"\x00\x00" + bytes([0xC0 | 63, 85 - 63]) * 20_000
        stream = client.quic.get_next_available_stream_id()
        began = process_time()
        client.frame(stream, FrameType.HEADERS, block)
        assert (await client.until(StreamReset, stream)).error_code == ErrorCode.H3_EXCESSIVE_LOAD
        assert process_time() - began < 0.5
        client.close()


async def test_no_table_grows(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        encoder = pylsqpack.Encoder()
        client.raw(client.h3._local_encoder_stream_id, encoder.apply_settings(4096, 16))
        assert (await client.until_closed()).error_code == ErrorCode.QPACK_ENCODER_STREAM_ERROR
        client.vanish()
        await alive(edge)


async def test_a_head_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with http3_running(tmp_path, head_timeout=0.4) as edge:
        client = await Http3Client.connect(edge.port)
        await client.body(client.ask("/target"))
        stream = client.opened(b"\x01\x40\xff" + b"x")
        reset = await client.until(StreamReset, stream)
        assert reset.error_code == ErrorCode.H3_REQUEST_INCOMPLETE
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


MALFORMED: dict[str, Fields] = {
    "no method": HEAD[1:],
    "no scheme": [HEAD[0], *HEAD[2:]],
    "no path": HEAD[:3],
    "no authority": [*HEAD[:2], HEAD[3]],
    "empty path": [*HEAD[:3], (":path", "")],
    "empty method": [(":method", ""), *HEAD[1:]],
    "two methods": [HEAD[0], *HEAD],
    "unknown pseudo-header": [*HEAD, (":status", "200")],
    "protocol": [(":method", "CONNECT"), (":protocol", "websocket"), *HEAD[1:]],
    "late pseudo-header": [("x", "y"), *HEAD],
    "connect with a path": [(":method", "CONNECT"), *HEAD[1:]],
    "upper case": [*HEAD, ("X-Up", "y")],
    "connection": [*HEAD, ("connection", "close")],
    "transfer-encoding": [*HEAD, ("transfer-encoding", "chunked")],
    "te": [*HEAD, ("te", "gzip")],
    "line feed": [*HEAD, ("x", "a\nb")],
    "nul": [*HEAD, ("x", "a\0b")],
    "blank at the end": [*HEAD, ("x", "a ")],
    "colon": [*HEAD, ("x:y", "a")],
    "blank in a name": [*HEAD, ("x y", "a")],
    "two hosts": [*HEAD, ("host", "other")],
    "length of nothing": [*HEAD, ("content-length", "5")],
    "length below nothing": [*HEAD, ("content-length", "-1")],
    "no length": [*HEAD, ("content-length", "x")],
    "two lengths": [*HEAD, ("content-length", "0"), ("content-length", "5")],
}


async def test_malformed_requests_end_their_own_streams_alone(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        for name, fields in MALFORMED.items():
            stream = client.ask_raw(fields)
            reset = await client.until(StreamReset, stream)
            assert (name, reset.error_code) == (name, ErrorCode.H3_MESSAGE_ERROR)
        assert edge.small.seen == []
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


@pytest.mark.parametrize(
    ("sent", "said"), [(3, 5), (5, 3)], ids=["less than was said", "more than was said"]
)
async def test_a_body_is_as_long_as_was_said(tmp_path: Path, sent: int, said: int) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stream = client.ask("/stuck", "POST", [("content-length", str(said))], end=False)
        await client.until(DataReceived, stream)
        client.send(stream, b"x" * sent, end=True)
        reset = await client.until(StreamReset, stream)
        assert reset.error_code == ErrorCode.H3_MESSAGE_ERROR
        await edge.until(lambda: edge.small.left == 1)
        client.close()


# Floods.


async def _resets(client: Http3Client) -> None:
    while client.streams_left > 0:
        client.give_up(client.ask("/slow?60"))


async def _empty_data(client: Http3Client) -> None:
    stream = client.ask("/body", "POST", end=False)
    for _ in range(10):
        client.raw(stream, b"\x00\x00" * 500)


async def _unknown_frames(client: Http3Client) -> None:
    stream = client.ask("/body", "POST", end=False)
    for _ in range(10):
        client.raw(stream, b"\x21\x00" * 500)


async def _control_frames(client: Http3Client) -> None:
    for _ in range(10):
        client.raw(client.control_stream, b"\x21\x00" * 500)


async def _push_ids(client: Http3Client) -> None:
    for _ in range(10):
        client.raw(client.control_stream, b"\x0d\x01\x3f" * 500)


async def _stray_streams(client: Http3Client) -> None:
    stream = client.opened(b"\x21x", unidirectional=True)
    client.quic.reset_stream(stream, 0)
    client.flush()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(_resets, marks=pytest.mark.slow),
        _empty_data,
        _unknown_frames,
        _control_frames,
        _push_ids,
        pytest.param(_stray_streams, marks=pytest.mark.slow),
    ],
)
async def test_floods_end_their_connection(
    tmp_path: Path, flood: Callable[[Http3Client], object]
) -> None:
    async with http3_running(tmp_path) as edge:
        before = len(asyncio.all_tasks())
        client = await Http3Client.connect(edge.port)
        with anyio.fail_after(20):
            while client.closed is None:
                await flood(client)
                await anyio.lowlevel.checkpoint()
                if client.closed is None:
                    with anyio.move_on_after(0.05):
                        await client.more()
                assert len(asyncio.all_tasks()) < before + 600
        assert client.closed.error_code == ErrorCode.H3_EXCESSIVE_LOAD
        assert edge.small.events.count(CutOff("flood")) == 1
        client.vanish()
        await alive(edge)
        await edge.until(lambda: len(asyncio.all_tasks()) <= before)


async def test_a_request_that_is_given_up_in_both_directions_counts_once(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        with anyio.fail_after(20):
            for _ in range(BURST * 3 // 4):
                while client.streams_left <= 0:
                    await client.more()
                given_up = client.ask("/slow?60")
                client.give_up(given_up)
        await client.until(StreamReset, given_up)
        assert client.closed is None
        client.close()


# Misuse of streams that are the connection's.

MISUSES: dict[str, tuple[Callable[[Http3Client], object], int]] = {
    "two control streams": (
        lambda c: c.opened(b"\x00\x04\x00", unidirectional=True),
        ErrorCode.H3_STREAM_CREATION_ERROR,
    ),
    "two encoders": (
        lambda c: c.opened(b"\x02", unidirectional=True),
        ErrorCode.H3_STREAM_CREATION_ERROR,
    ),
    "a push": (
        lambda c: c.opened(b"\x01\x00", unidirectional=True),
        ErrorCode.H3_STREAM_CREATION_ERROR,
    ),
    "no control stream any more": (
        lambda c: c.raw(c.control_stream, b"", end=True),
        ErrorCode.H3_CLOSED_CRITICAL_STREAM,
    ),
    "settings again": (
        lambda c: c.frame(c.control_stream, FrameType.SETTINGS),
        ErrorCode.H3_FRAME_UNEXPECTED,
    ),
    "data as control": (
        lambda c: c.frame(c.control_stream, FrameType.DATA, b"x"),
        ErrorCode.H3_FRAME_UNEXPECTED,
    ),
    "a push id of 16 MiB": (
        lambda c: c.raw(c.control_stream, b"\x0d\x81\x00\x00\x00xx"),
        ErrorCode.H3_EXCESSIVE_LOAD,
    ),
    "settings on a request's stream": (
        lambda c: c.opened(b"\x04\x00"),
        ErrorCode.H3_FRAME_UNEXPECTED,
    ),
    "data without a head": (lambda c: c.opened(b"\x00\x01x"), ErrorCode.H3_FRAME_UNEXPECTED),
    "a frame of HTTP/2": (lambda c: c.opened(b"\x06\x00"), ErrorCode.H3_FRAME_UNEXPECTED),
    "a frame of WebTransport": (lambda c: c.opened(b"\x40\x41\x00"), ErrorCode.H3_FRAME_UNEXPECTED),
    "a head that cannot be decoded": (
        lambda c: c.opened(b"\x01\x03\x05\x80\xff"),
        ErrorCode.QPACK_DECOMPRESSION_FAILED,
    ),
    "a decoder's nonsense": (
        lambda c: c.raw(c.h3._local_decoder_stream_id, b"\x80\x80\x80"),
        ErrorCode.QPACK_DECODER_STREAM_ERROR,
    ),
    "too many streams": (
        lambda c: c.raw(4 * 1000, b"\x01"),
        QuicErrorCode.STREAM_LIMIT_ERROR,
    ),
}


@pytest.mark.parametrize("name", MISUSES)
async def test_misuse_ends_the_connection(tmp_path: Path, name: str) -> None:
    misuse, code = MISUSES[name]
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        stuck = client.ask("/stuck")
        await client.until(DataReceived, stuck)
        if name == "too many streams":
            client.quic._remote_max_streams_bidi = 10**6
            client.quic._local_next_stream_id_bidi = 4000
            client.opened(b"\x01")
        else:
            misuse(client)
        assert (await client.until_closed()).error_code == code
        await edge.until(lambda: edge.small.left == 1)
        client.vanish()
        await alive(edge)


async def test_an_address_that_a_client_only_claims_is_not_taken_for_its_own(
    tmp_path: Path,
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        await client.body(client.ask("/target"))
        own = edge.small.clients[0]
        client.deaf = True  # as whoever writes another's address on its datagrams
        await client.move()
        client.ask("/target")
        await edge.until(lambda: len(edge.small.clients) == 2)
        assert edge.small.clients == [own, own]
        client.deaf = False
        with anyio.fail_after(5):
            while edge.small.clients[-1] == own:
                await client.body(client.ask("/target"))
        assert edge.small.clients[-1] == client.transport.get_extra_info("sockname")[1]
        client.close()


@pytest.mark.parametrize("stream", [3, 7, 11], ids=["control", "encoder", "decoder"])
async def test_a_stream_of_the_servers_own_that_is_stopped_ends_the_connection(
    tmp_path: Path, stream: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a request that needs it has come in the same packet, before that."""
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        await client.body(client.ask("/target"))
        asked = client.quic.get_next_available_stream_id()
        client.h3.send_headers(asked, [(n.encode(), v.encode()) for n, v in HEAD], True)
        client.quic.stop_stream(stream, 0)
        client.quic._streams_queue.reverse()
        client.flush()
        closed = await client.until_closed()
        assert closed.error_code == ErrorCode.H3_CLOSED_CRITICAL_STREAM
        await alive(edge)
    assert not caplog.records


# Before the handshake is over.


async def test_noise_takes_nothing(tmp_path: Path) -> None:
    async with http3_running(tmp_path, head_timeout=0.5) as edge:
        client = await Http3Client.connect(edge.port, wait=False)
        initial = client.sent[0]
        for size in (0, 1, 5, 20, 50, 1199, 1200, 1500, 2048):
            client.transport.sendto(os.urandom(size), client.server)
            client.transport.sendto(b"\xc0" + os.urandom(size), client.server)
            client.transport.sendto(initial[:30] + os.urandom(size), client.server)
            client.transport.sendto(b"\x40" + os.urandom(size), client.server)
        client.vanish()
        await alive(edge)


@pytest.mark.slow
async def test_an_unproved_address_gets_no_more_than_three_times_what_it_sent(
    tmp_path: Path,
) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port, wait=False, deaf=True)
        await edge.until(lambda: client.came)
        await anyio.sleep(1)
        assert sum(map(len, client.came)) <= 3 * sum(map(len, client.sent))


async def test_a_handshake_that_stands_still_is_given_up(tmp_path: Path) -> None:
    async with http3_running(tmp_path, head_timeout=0.3) as edge:
        client = await Http3Client.connect(edge.port, wait=False)
        client.vanish()
        await edge.until(lambda: edge.server.connections)
        await edge.until(lambda: not edge.server.connections)


async def test_a_client_that_never_asks_is_given_up(tmp_path: Path) -> None:
    async with http3_running(tmp_path, head_timeout=0.3) as edge:
        client = await Http3Client.connect(edge.port)
        assert (await client.until_closed()).error_code == ErrorCode.H3_NO_ERROR
        client.vanish()


async def test_a_handshake_holds_little(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port, wait=False, deaf=True, far=400_000)
        await edge.until(lambda: client.came)
        client.deaf = False
        client.datagram_received(client.came[0], client.server)
        closed = await client.until_closed()
        assert closed.error_code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED


async def test_there_is_no_early_data(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        await client.body(client.ask("/target"))
        assert client.tickets == []
        client.close()


@pytest.mark.parametrize("alpn", [["hq-interop"], []])
async def test_nothing_but_http3_is_spoken(tmp_path: Path, alpn: list[str]) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port, wait=False, alpn_protocols=alpn)
        await client.until_closed()
        client.vanish()
        await alive(edge)


async def test_another_version_is_told_which_are_spoken(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port, wait=False, deaf=True)
        packet = bytearray(client.sent[0])
        packet[1:5], packet[6:14] = b"\x1a\x2a\x3a\x4a", b"anew-one"
        client.transport.sendto(bytes(packet), client.server)
        client.transport.sendto(bytes(packet[:1000]), client.server)
        await edge.until(lambda: any(data[1:5] == bytes(4) for data in client.came))
        await anyio.sleep(0.1)
        told = [data for data in client.came if data[1:5] == bytes(4)]
        assert [data[-4:] for data in told] == [b"\0\0\0\1"]


async def test_too_many_connections_are_refused(tmp_path: Path) -> None:
    async with http3_running(tmp_path, max_connections=2) as edge:
        clients = [await Http3Client.connect(edge.port) for _ in range(2)]
        third = await Http3Client.connect(edge.port, wait=False)
        assert (await third.until_closed()).error_code == QuicErrorCode.CONNECTION_REFUSED
        assert Unread("overloaded") in edge.small.events
        for client in clients:
            assert await client.body(client.ask("/target")) == b"GET /target"
            client.close()
        third.vanish()


async def test_under_a_flood_of_handshakes_clients_prove_their_address(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        for _ in range(64):
            await Http3Client.connect(edge.port, wait=False, deaf=True)
        await edge.until(lambda: len(edge.server.connections) == 64)
        honest = await Http3Client.connect(edge.port)
        assert honest.quic._retry_count == 1
        assert await honest.body(honest.ask("/target")) == b"GET /target"
        spoofed = await Http3Client.connect(edge.port, wait=False, deaf=True)
        await edge.until(lambda: spoofed.came)
        assert len(edge.server.connections) == 65


async def test_a_connection_that_is_no_more_is_said_to_be_so(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        await client.body(client.ask("/target"))
        client.quic.close(ErrorCode.H3_NO_ERROR)
        client.flush()
        await edge.until(lambda: not edge.server.connections)
        before = len(client.came)
        client.transport.sendto(client.sent[-1], client.server)
        await edge.until(lambda: len(client.came) > before)
        assert client.came[-1][-16:] in client.reset_tokens
        assert len(client.came[-1]) < len(client.sent[-1])
