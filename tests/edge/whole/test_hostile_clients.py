"""Clients that lie: no request reaches a function that its caller was not let in for, or half."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import anyio
import h2.exceptions
import pytest

from tests.support.calling import TOKEN, Caller
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Fields, request
from tests.support.origin import Origin, Visit, serving

SMUGGLED = "GET /smuggled HTTP/1.1"
LIES: dict[str, tuple[str, str, Fields]] = {
    "line break in a value": ("GET", "/", [("x", f"a\r\n\r\n{SMUGGLED}")]),
    "line feed in a value": ("GET", "/", [("x", "a\nx-jelou-function: forged")]),
    "carriage return in a value": ("GET", "/", [("x", "a\rb")]),
    "NUL in a value": ("GET", "/", [("x", "a\0b")]),
    "line break in a name": ("GET", "/", [("x: a\r\nx-forged", "b")]),
    "colon in a name": ("GET", "/", [("x-jelou-function:", "forged")]),
    "space in a name": ("GET", "/", [("x jelou", "forged")]),
    "empty name": ("GET", "/", [("", "forged")]),
    "method with a target": (f"{SMUGGLED}\r\nx: ", "/", []),
    "method with a space": ("GET /smuggled", "/", []),
    "empty method": ("", "/", []),
    "target with a line break": ("GET", f"/ HTTP/1.1\r\nx: y\r\n\r\n{SMUGGLED}", []),
    "target with a space": ("GET", "/smuggled HTTP/1.1", []),
    "target with a tab": ("GET", "/\tx", []),
    "target without a slash": ("GET", "smuggled", []),
    "target of another host": ("GET", "@evil.example/", []),
    "empty target": ("GET", "", []),
    "transfer-encoding": ("POST", "/", [("transfer-encoding", "chunked")]),
    "both framings": (
        "POST",
        "/",
        [("content-length", "0"), ("transfer-encoding", "chunked")],
    ),
    "two lengths": ("POST", "/", [("content-length", "0"), ("content-length", "5")]),
    "length that is none": ("POST", "/", [("content-length", "0x0")]),
    "negative length": ("POST", "/", [("content-length", "-1")]),
    "connection": ("GET", "/", [("connection", "x-jelou-token")]),
    "upgrade": ("GET", "/", [("upgrade", "websocket")]),
    "another host": ("GET", "/", [("host", "other.fn.localhost")]),
}


@pytest.mark.parametrize(("method", "target", "fields"), LIES.values(), ids=LIES.keys())
async def test_what_http2_can_say_and_http1_cannot_reaches_no_function_as_more_than_one_request(
    edge: EdgeInProcess, origin: Origin, method: str, target: str, fields: Fields
) -> None:
    edge.deploy(origin.upstream)
    edge.deploy(origin.upstream, "other")
    async with edge.http2() as client:
        client.protocol.config.validate_outbound_headers = False
        client.protocol.config.normalize_outbound_headers = False
        stream = await client.begin(target, method, [(TOKEN, edge.token), *fields])
        try:
            answer = await client.answer(stream)
        except KeyError:  # the connection or the stream was refused outright
            answer = None
        if answer is not None and answer.status == 200:
            assert fields in ([("upgrade", "websocket")], [("content-length", "0")])
    for seen in origin.seen:
        assert b"smuggled" not in seen.raw
        assert b"forged" not in seen.raw
        assert seen.values(b"x-jelou-function") == [b"shop"]
    assert (await Caller(edge, "2").ask()).status == 200


async def test_a_length_that_is_a_lie_over_http2_is_no_whole_request(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    for said, body in (("10", b"short"), ("3", b"too long")):
        async with edge.http2() as client:
            sent = [(TOKEN, edge.token), ("content-length", said)]
            stream = await client.begin("/", "POST", sent, end=False)
            await client.send(stream, body, end=True)
            with contextlib.suppress(KeyError):  # the connection may be ended without an answer
                assert (await client.answer(stream)).status != 200
    assert not [seen for seen in origin.seen if seen.whole]


BROKEN_CHUNKS = [
    b"5\r\nhelloXX\r\n0\r\n\r\n",
    b"zz\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    b"FFFFFFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("body", BROKEN_CHUNKS)
async def test_a_chunked_body_that_is_none_is_no_whole_request_and_ends_the_connection(
    edge: EdgeInProcess, origin: Origin, body: bytes
) -> None:
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token), ("transfer-encoding", "chunked")]
    async with edge.http1() as client:
        await client.send(request("/", "POST", sent) + body + request("/smuggled", fields=sent[:1]))
        answer = await client.answer()
        assert (answer.status, answer.json["code"]) == (400, "bad_request")
        assert await client.ending() in ("closed", "reset")
    assert not [seen for seen in origin.seen if seen.whole]


@pytest.mark.parametrize("fields", [[("content-length", "10")], [("transfer-encoding", "chunked")]])
async def test_a_body_whose_sender_stops_midway_is_no_whole_request(
    edge: EdgeInProcess, origin: Origin, fields: Fields
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(request("/", "POST", [(TOKEN, edge.token), *fields]))
        await client.send(b"4\r\nhalf\r\n")
        client.writer.write_eof()
        with anyio.fail_after(10):
            rest = await client.reader.read()
        assert not rest.startswith(b"HTTP/1.1 2")
    assert not [seen for seen in origin.seen if seen.whole]


async def test_the_second_of_two_pipelined_requests_is_judged_by_its_own_token(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(request(fields=[(TOKEN, edge.token)]) + request("/second"))
        assert (await client.answer()).status == 200
        assert (await client.answer()).status == 401
    assert [seen.target for seen in origin.seen] == [b"/"]


async def test_a_request_pipelined_behind_a_body_that_is_not_read_yet_waits_for_its_turn(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def answers_early_and_goes_on(visit: Visit) -> None:
        while True:
            await visit.head()
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    origin.behaviour = answers_early_and_goes_on
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token)]
    async with edge.http1() as client:
        body = request("/body-taken-for-a-request", fields=sent)
        await client.send(request("/", "POST", [*sent, ("content-length", str(len(body)))]))
        assert (await client.answer()).status == 200
        await client.send(body)
        with anyio.fail_after(5):
            assert await client.reader.read() == b""
    assert b"/body-taken-for-a-request" not in [seen.target for seen in origin.seen]


# Backpressure.


async def _stands_still(count: Callable[[], int]) -> None:
    """Wait until a count has not moved for a while."""
    with anyio.fail_after(15):
        last = -1
        while count() != last:
            last = count()
            await anyio.sleep(0.3)


async def test_a_client_that_does_not_read_makes_the_function_wait(
    edge: EdgeInProcess, origin: Origin
) -> None:
    emitted = 0

    async def floods(visit: Visit) -> None:
        nonlocal emitted
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 500000000\r\n\r\n")
        while True:
            await visit.send(b"x" * 65536)
            emitted += 65536

    origin.behaviour = floods
    edge.deploy(origin.upstream)
    async with edge.http2() as client:
        # No window is given back: only what fits the first may come.
        client.protocol.acknowledge_received_data = lambda *_: None
        stream = await client.begin(fields=[(TOKEN, edge.token)])
        await client.until(stream, 65_535)
        await _stands_still(lambda: emitted)
        assert emitted < 32 * 1024 * 1024


async def test_a_function_that_does_not_read_makes_the_client_wait(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def takes_nothing(visit: Visit) -> None:
        await visit.head()
        visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await anyio.sleep_forever()

    origin.behaviour = takes_nothing
    edge.deploy(origin.upstream, limits={"body": None})
    sent = 0
    async with edge.http1() as client:
        fields = [(TOKEN, edge.token), ("content-length", "500000000")]
        await client.send(request("/", "POST", fields))
        async with anyio.create_task_group() as tasks:

            async def upload() -> None:
                nonlocal sent
                while True:
                    await client.send(b"x" * 65536)
                    sent += 65536

            tasks.start_soon(upload)
            await _stands_still(lambda: sent)
            tasks.cancel_scope.cancel()
    assert sent < 32 * 1024 * 1024


async def test_one_http2_stream_that_stands_still_does_not_hold_up_the_others(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def by_target(visit: Visit) -> None:
        seen = await visit.head()
        if seen.target == b"/stuck":
            visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await anyio.sleep_forever()
        body = await visit.body(seen)
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    origin.behaviour = by_target
    edge.deploy(origin.upstream, limits={"body": None})
    sent = [(TOKEN, edge.token)]
    with anyio.fail_after(20):
        async with edge.http2() as client, anyio.create_task_group() as tasks:
            stuck = await client.begin("/stuck", "POST", sent, end=False)
            tasks.start_soon(client.send, stuck, b"x" * 16_000_000)
            await _stands_still(lambda: client.protocol.local_flow_control_window(stuck))
            body = b"y" * 1_000_000
            answer = await client.ask("/", "POST", sent, body)
            assert (answer.status, answer.whole) == (200, True)
            assert answer.body == body
            tasks.cancel_scope.cancel()


async def test_a_client_that_takes_nothing_for_too_long_is_cut_off(
    tmp_path: Path,
) -> None:
    async def floods(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 500000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                await visit.send(b"x" * 65536)
        visit.origin.departures.release()

    async with serving(floods) as origin, running(tmp_path, slow_reader=0.3) as edge:
        edge.deploy(origin.upstream)
        async with edge.http2() as client:
            client.protocol.acknowledge_received_data = lambda *_: None  # type: ignore[method-assign]
            stream = await client.begin(fields=[(TOKEN, edge.token)])
            assert not (await client.answer(stream)).whole
            with anyio.fail_after(5):
                await origin.departures.acquire()
        async with edge.http1() as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await raw.send(request(fields=[(TOKEN, edge.token)]))
            with anyio.fail_after(10):
                await origin.departures.acquire()


async def test_a_client_that_reads_slowly_but_reads_gets_all(tmp_path: Path) -> None:
    size = 3_000_000

    async def sends(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        await visit.send(b"x" * size)
        await visit.gone()

    async with serving(sends) as origin, running(tmp_path, slow_reader=0.5) as edge:
        edge.deploy(origin.upstream, timeout=200)
        async with edge.http1() as raw:
            await raw.send(request(fields=[(TOKEN, edge.token)]))
            answer = await raw.head()
            left = size
            with anyio.fail_after(15):
                while left:
                    left -= len(await raw.reader.read(200_000))
                    await anyio.sleep(0.01)
            assert answer.status == 200


# Slow heads, and connections that say nothing.


async def test_a_flood_of_streams_that_are_reset_at_once_does_no_harm(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token)]
    async with edge.http2() as client:
        for _ in range(300):
            if client.gone:
                break
            with contextlib.suppress(h2.exceptions.ProtocolError):
                await client.leave(await client.begin(fields=sent))
    with anyio.fail_after(10):
        assert (await Caller(edge, "2").ask()).status == 200
        assert (await Caller(edge, "1.1").ask()).status == 200
