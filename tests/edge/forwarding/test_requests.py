"""Request bodies over real sockets: streamed, exact, and never ended as if whole when cut."""

import asyncio
import gc
import socket
import struct

import pytest

from edge.forwarding.wire import BodyMismatch, UpstreamFailure
from edge.functions import Upstream
from edge.message import Body
from tests.support import origin
from tests.support.origin import serving
from tests.support.upstream_calls import HURRIED, PATIENT, call, pieces, pooled, read, until

PIECE = b"x" * 65536


@pytest.mark.parametrize(
    ("body", "length", "framing"),
    [
        ([b"he", b"llo"], 5, b"content-length"),
        ([b"he", b"", b"llo"], None, b"transfer-encoding"),
        ([b"x" * 200_000], None, b"transfer-encoding"),
        ([b"x" * 200_000], 200_000, b"content-length"),
        ([], None, b"transfer-encoding"),
        ([], 0, b"content-length"),
    ],
)
async def test_a_body_in_pieces_arrives_whole_and_framed_as_asked(
    body: list[bytes], length: int | None, framing: bytes
) -> None:
    async with serving(origin.echoes) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, b"POST", pieces(*body), length)
            assert await read(found) == b"".join(body)
        assert len(server.seen[0].values(framing)) == 1
        assert server.visits == 1


@pytest.mark.parametrize("size", [0, 5, 65536, 1_000_000])
async def test_a_body_in_memory_arrives_whole(size: int) -> None:
    async with serving(origin.echoes) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, b"PUT", b"x" * size)
            assert await read(found) == b"x" * size
        assert server.seen[0].values(b"content-length") == [b"%d" % size]
        assert server.visits == 1


@pytest.mark.parametrize(
    ("body", "length"), [([b"hell"], 5), ([b"hello", b"!"], 5), ([], 1), ([b"x"], 0)]
)
async def test_a_body_of_another_length_than_declared_aborts_the_request(
    body: list[bytes], length: int
) -> None:
    async with serving(origin.echoes) as server, pooled() as pool:
        with pytest.raises(BodyMismatch):
            await call(pool, server.upstream, b"POST", pieces(*body), length)
        await until(lambda: pool.open_count == 0)
        assert not any(seen.whole for seen in server.seen if length)


@pytest.mark.parametrize("content", [b"hello", b""])
async def test_a_body_that_has_its_length_is_whole_though_its_iterator_has_not_ended(
    content: bytes,
) -> None:
    async def unended() -> Body:
        if content:
            yield content
        await asyncio.Event().wait()

    async with serving(origin.echoes) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, b"POST", unended(), len(content))
            assert await read(found) == content
        assert server.visits == 1
    async with serving(origin.silent_after(b"")) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, b"POST", unended(), len(content), HURRIED)
        assert caught.value.kind == "timeout"


async def records_what_came(visit: origin.Visit) -> None:
    """Notes all bytes after the head until the peer leaves."""
    seen = await visit.head()
    seen.body = await visit.gone()


class ClientGoneError(Exception):
    """What a door raises when its client leaves within the body."""


async def test_a_body_that_fails_aborts_the_request_and_its_error_is_raised() -> None:
    async def failing() -> Body:
        yield b"hello"
        raise ClientGoneError

    async with serving(records_what_came) as server, pooled() as pool:
        with pytest.raises(ClientGoneError):
            await call(pool, server.upstream, b"POST", failing())
        await server.departures.acquire()
        assert server.seen[0].body in (b"5\r\nhello\r\n", b"")


async def test_a_body_that_fails_within_the_answer_ends_the_answer_with_its_error() -> None:
    fail = asyncio.Event()

    async def failing() -> Body:
        yield b"hello"
        await fail.wait()
        raise ClientGoneError

    async with serving(origin.mirrors) as server, pooled() as pool:
        found = await call(pool, server.upstream, b"POST", failing())
        assert await anext(aiter(found.body)) == b"hello"
        fail.set()
        with pytest.raises(ClientGoneError):
            await read(found)
        assert not found.complete


async def test_a_caller_that_is_cancelled_aborts_the_request() -> None:
    started = asyncio.Event()

    async def endless() -> Body:
        yield b"hello"
        started.set()
        await asyncio.Event().wait()

    async with serving(records_what_came) as server, pooled() as pool:
        for body in (endless(), None):
            task = asyncio.create_task(call(pool, server.upstream, b"POST", body))
            await (started.wait() if body else until(lambda: len(server.seen) == 2))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.departures.acquire()
        assert server.seen[0].body in (b"5\r\nhello\r\n", b"")


async def test_leaving_an_answer_aborts_the_request() -> None:
    behaviour = origin.silent_after(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhe")
    async with serving(behaviour) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        await found.aclose()
        await server.departures.acquire()


async def test_leaving_an_answer_that_was_not_read_but_has_come_whole_keeps_the_connection() -> (
    None
):
    async with serving(origin.answering(origin.OK)) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream)
            await found.aclose()
        assert server.visits == 1


async def test_an_early_answer_is_delivered_at_once_and_the_rest_of_the_body_abandoned() -> None:
    closed = asyncio.Event()

    async def endless() -> Body:
        try:
            yield b"hello"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with serving(origin.answers_early) as server, pooled() as pool:
        found = await call(pool, server.upstream, b"POST", endless())
        assert await read(found) == b"ok"
        assert closed.is_set()
        await server.departures.acquire()
        assert pool.open_count == 0
        await (await call(pool, server.upstream)).aclose()
        assert server.visits == 2


async def test_an_answer_that_comes_with_the_body_is_read_while_the_body_is_sent() -> None:
    heard = asyncio.Event()

    async def conversation() -> Body:
        yield b"one"
        await heard.wait()
        yield b"two"

    async with serving(origin.mirrors) as server, pooled() as pool:
        found = await call(pool, server.upstream, b"POST", conversation())
        answer = aiter(found.body)
        assert await anext(answer) == b"one"
        heard.set()
        assert await anext(answer) == b"two"
        assert [piece async for piece in answer] == []


async def test_an_answer_that_refuses_the_body_survives_the_reset_that_follows() -> None:
    async def large() -> Body:
        for _ in range(200):
            yield PIECE

    async with serving(origin.refuses_the_body) as server, pooled() as pool:
        for _ in range(10):
            found = await call(pool, server.upstream, b"POST", large())
            assert (found.status, await read(found)) == (413, b"big")


async def test_an_answer_whose_reset_is_met_before_it_is_read_is_delivered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def met_by_a_reset() -> Body:
            yield b"x"
            peer, _ = await asyncio.to_thread(listener.accept)
            # From here on the loop has no chance to read before it writes.
            peer.sendall(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            yield PIECE

        async with pooled() as pool:
            upstream = Upstream("http", "127.0.0.1", listener.getsockname()[1])
            found = await call(pool, upstream, b"POST", met_by_a_reset())
            assert (found.status, await read(found)) == (413, b"big")


async def test_the_time_for_the_answer_counts_from_the_last_byte_of_the_body() -> None:
    async def slow() -> Body:
        for _ in range(4):
            await asyncio.sleep(0.06)
            yield b"x"

    async with serving(origin.echoes) as server, pooled() as pool:
        found = await call(pool, server.upstream, b"POST", slow(), timeouts=HURRIED)
        assert await read(found) == b"xxxx"
    async with serving(origin.silent_after(b"")) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, b"POST", slow(), timeouts=HURRIED)
        assert caught.value.kind == "timeout"


async def test_an_upstream_that_does_not_take_the_body_times_out_and_is_not_fed_on() -> None:
    asked = 0

    async def endless() -> Body:
        nonlocal asked
        while True:
            asked += 1
            yield PIECE

    async with serving(origin.never_reads_the_body) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, b"POST", endless(), timeouts=HURRIED)
        assert caught.value.kind == "timeout"
    assert asked < 200  # what the kernel's buffers take, and little more


async def test_an_upload_of_64_mib_holds_little_at_a_time() -> None:
    async def large() -> Body:
        for _ in range(1024):
            yield PIECE

    most = 0

    async def slow(visit: origin.Visit) -> None:
        nonlocal most
        await visit.head()
        taken = 0
        while taken < len(PIECE) * 1024:
            taken += len(await visit.reader.read(65536))
            most = max(most, pool.unsent)
        await visit.send(origin.OK)

    async with serving(slow) as server, pooled() as pool:
        found = await call(pool, server.upstream, b"POST", large(), length=1024 * len(PIECE))
        assert await read(found) == b"ok"
    assert 0 < most <= 256 * 1024


async def test_a_download_of_64_mib_through_a_slow_consumer_holds_little_at_a_time() -> None:
    sent = 0

    async def large(visit: origin.Visit) -> None:
        nonlocal sent
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1024 * len(PIECE)))
        for _ in range(1024):
            await visit.send(PIECE)
            sent += len(PIECE)

    async with serving(large) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        await until(lambda: found.held > 128 * 1024)
        taken = most = longest = 0
        async for piece in found.body:
            taken += len(piece)
            longest = max(longest, len(piece))
            for _ in range(3):
                await asyncio.sleep(0)
            most = max(most, found.held)
            assert sent - taken < 16 * 1024 * 1024  # the kernel's buffers, not ours
        assert taken == 1024 * len(PIECE)
    assert longest <= 65536
    assert most <= 256 * 1024


async def test_a_consumer_that_takes_its_time_is_not_taken_for_a_silent_upstream() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000
    async with serving(origin.answering(answer)) as server, pooled() as pool:
        found = await call(pool, server.upstream, timeouts=HURRIED)
        await until(lambda: found.held > 128 * 1024)
        await asyncio.sleep(0.3)
        assert len(await read(found)) == 1_000_000


async def test_nothing_is_left_behind_when_a_body_never_ends() -> None:
    async def endless() -> Body:
        while True:
            yield b"x"
            await asyncio.sleep(0)

    before = asyncio.all_tasks()
    async with serving(origin.answers_early) as server, pooled() as pool:
        found = await call(pool, server.upstream, b"POST", endless(), timeouts=PATIENT)
        assert await read(found) == b"ok"
    await until(lambda: asyncio.all_tasks() <= before)
    gc.collect()
