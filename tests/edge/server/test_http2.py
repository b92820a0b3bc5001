"""HTTP/2 over real sockets: one stream's misfortune is no other's."""

import asyncio
from contextlib import suppress
from pathlib import Path

import anyio
import h2.events
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import PingFrame

from tests.support.edge_server import running
from tests.support.http2 import Http2Client


async def test_requests_are_answered_and_targets_are_raw(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        first, second = client.ask("/target?"), client.ask("/target/%2f//x", "PURGE")
        assert await client.body(first) == b"GET /target?"
        assert await client.body(second) == b"PURGE /target/%2f//x"
        client.close()


@pytest.mark.parametrize("path", ["/abort", "/crash", "/abort?length"])
async def test_a_broken_off_answer_is_reset_and_other_streams_go_on(
    tmp_path: Path, path: str
) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        other = client.ask("/slow?0.3")
        await client.until(h2.events.DataReceived, other)
        broken = client.ask(path)
        reset = await client.until(h2.events.StreamReset, broken)
        assert reset.error_code == ErrorCodes.INTERNAL_ERROR
        assert await client.body(other) == b"begun done"
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 65535, 65536, 300_000])
async def test_answers_of_any_size_come_whole_on_streams_side_by_side(
    tmp_path: Path, size: int
) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        for stream in [client.ask(f"/bytes?{size}") for _ in range(5)]:
            assert await client.body(stream) == b"x" * size
        client.close()


async def test_what_an_app_says_at_once_comes_in_one_frame(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        stream = client.ask("/bytes?100")
        frame = await client.until(h2.events.DataReceived, stream)
        assert (frame.data, frame.stream_ended is not None) == (b"x" * 100, True)
        client.close()


async def test_an_end_is_told_to_a_client_whose_window_is_used_up(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        client.acknowledges = False
        assert await client.body(client.ask("/bytes?65535")) == b"x" * 65535
        assert await client.body(client.ask("/bytes?0")) == b""
        client.close()


async def test_an_answer_goes_on_when_its_client_opens_the_window(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        client.acknowledges = False
        stream = client.ask("/bytes?100000")
        received = 0
        while received < 65535:
            event = await client.until(h2.events.DataReceived, stream)
            client.events.remove(event)
            received += event.flow_controlled_length
        client.acknowledges = True
        client.connection.increment_flow_control_window(65535)
        client.connection.increment_flow_control_window(65535, stream)
        client.flush()
        assert received + len(await client.body(stream)) == 100_000
        client.close()


async def test_priorities_do_no_harm_however_many(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        for stream in range(1, 4001, 2):
            client.connection.prioritize(stream, weight=7, depends_on=stream + 2)
        client.flush()
        assert await client.body(client.ask("/bytes?70000")) == b"x" * 70000
        client.close()


async def test_a_client_that_reads_nothing_is_no_longer_read_itself(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        pings = PingFrame(0, b"12345678").serialize() * 4096
        with anyio.move_on_after(1), suppress(ConnectionError):
            while True:
                client.writer.write(pings)
                await client.writer.drain()
        assert all(connection.unsent < 256 * 1024 for connection in edge.server.connections)
        client.close()


async def test_what_was_written_before_an_answer_broke_off_arrives(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        broken = client.ask("/abort")
        assert (await client.until(h2.events.DataReceived, broken)).data == b"half"
        client.close()


async def test_an_early_answer_stops_the_upload_and_the_connection_survives(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        stream = client.ask("/early", "POST", end=False)
        client.send(stream, b"x" * 16384)
        assert await client.body(stream) == b"no thanks"
        reset = await client.until(h2.events.StreamReset, stream)
        assert reset.error_code == ErrorCodes.NO_ERROR
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_data_on_its_way_when_an_answer_ends_does_no_harm(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        for _ in range(20):
            stream = client.ask("/early", "POST", end=False)
            for _ in range(3):
                client.send(stream, b"x" * 16384)
            await client.until(h2.events.StreamReset, stream)
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_an_upload_that_its_app_does_not_read_stalls_no_other_stream(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        await client.until(h2.events.RemoteSettingsChanged)
        stalled = client.ask("/slow?1", "POST", end=False)
        for _ in range(4):
            client.send(stalled, b"x" * 16384)
        with anyio.fail_after(0.9):
            assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_a_large_upload_is_taken_as_fast_as_the_app_reads(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        stream = client.ask("/body", "POST", end=False)
        left = 3 * 2**20
        with anyio.fail_after(10):
            while left:
                window = client.connection.local_flow_control_window(stream)
                size = min(left, window, 16384)
                if size:
                    left -= size
                    client.send(stream, b"x" * size, end=not left)
                else:
                    await client._read()
        assert await client.body(stream) == str(3 * 2**20).encode()
        client.close()


async def test_a_stream_that_is_reset_by_its_client_ends_its_request(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        stuck = client.ask("/stuck")
        await client.until(h2.events.DataReceived, stuck)
        client.connection.reset_stream(stuck)
        client.flush()
        await edge.until(lambda: edge.small.left == 1)
        assert await client.body(client.ask("/target")) == b"GET /target"
        client.close()


async def test_a_client_that_leaves_ends_all_its_requests(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        for _ in range(5):
            await client.until(h2.events.DataReceived, client.ask("/stuck"))
        client.close()
        await edge.until(lambda: edge.small.left == 5)
        await edge.until(lambda: not edge.server.connections)


async def test_a_stream_whose_client_takes_nothing_is_reset_alone(tmp_path: Path) -> None:
    async with running(tmp_path, slow_reader=0.3) as edge:
        client = await Http2Client.connect(edge.port)
        client.acknowledges = False
        flood = client.ask("/flood")
        reset = await client.until(h2.events.StreamReset, flood)
        assert reset.error_code == ErrorCodes.INTERNAL_ERROR
        await edge.until(lambda: edge.small.left == 1)
        client.close()


async def test_streams_opened_and_reset_in_haste_do_not_pile_up(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        before = len(asyncio.all_tasks())
        client = await Http2Client.connect(edge.port)
        for _ in range(1000):
            client.connection.reset_stream(client.ask("/slow?60"))
        client.flush()
        await edge.until(lambda: len(asyncio.all_tasks()) < before + 300)
        client.close()
        await edge.until(lambda: not edge.server.connections)
        await edge.until(lambda: len(asyncio.all_tasks()) <= before)


@pytest.mark.parametrize("method", ["CONNECT", "OPTIONS"])
async def test_targets_without_a_path_reach_the_app(tmp_path: Path, method: str) -> None:
    async with running(tmp_path) as edge:
        client = await Http2Client.connect(edge.port)
        stream = client.connection.get_next_available_stream_id()
        head = [(":method", method), (":authority", "x:443")]
        if method == "OPTIONS":
            head += [(":scheme", "http"), (":path", "*")]
        client.connection.send_headers(stream, head, end_stream=method == "OPTIONS")
        client.flush()
        answer = await client.until(h2.events.ResponseReceived, stream)
        assert (b":status", b"404") in answer.headers
        client.close()


async def test_an_idle_connection_is_told_goodbye(tmp_path: Path) -> None:
    async with running(tmp_path, keep_alive=0.2) as edge:
        client = await Http2Client.connect(edge.port)
        await client.body(client.ask("/target"))
        goodbye = await client.until(h2.events.ConnectionTerminated)
        assert goodbye.error_code == ErrorCodes.NO_ERROR
        client.close()


async def test_draining_announces_the_end_and_finishes_streams(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout=5.0) as edge:
        client = await Http2Client.connect(edge.port)
        stream = client.ask("/slow?0.4")
        await client.until(h2.events.DataReceived, stream)
        draining = asyncio.create_task(edge.server.drain())
        goodbye = await client.until(h2.events.ConnectionTerminated)
        assert (goodbye.error_code, goodbye.last_stream_id) == (ErrorCodes.NO_ERROR, stream)
        rest = await client.reader.read()
        assert b" done" in rest
        with anyio.fail_after(5):
            await draining
        client.close()
