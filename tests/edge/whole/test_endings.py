"""How answers end, whole or not, and what becomes of request bodies that nobody wants."""

import asyncio
import contextlib
from pathlib import Path

import anyio
import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import request
from tests.support.http2_client import Http2Client
from tests.support.origin import (
    EMPTY,
    OK,
    Behaviour,
    Origin,
    Visit,
    answering,
    closing_after,
    echoes,
    hangs,
    refuses_the_body,
    resetting_after,
    serving,
    silent_after,
)

LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"
UNENDED = CHUNKED + b"0\r\n"
GARBLED = CHUNKED + b"zz\r\n"
TO_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhalf"
CUTS: dict[str, Behaviour] = {
    "length, closed": closing_after(LENGTH),
    "length, reset": resetting_after(LENGTH),
    "chunked, closed": closing_after(CHUNKED),
    "chunked, reset": resetting_after(CHUNKED),
    "chunked, no end of trailers": closing_after(UNENDED),
    "chunked, garbled": closing_after(GARBLED),
    "close-delimited, reset": resetting_after(TO_CLOSE),
    "1.0, reset": resetting_after(TO_CLOSE.replace(b"1.1", b"1.0")),
}


@pytest.mark.parametrize("behaviour", CUTS.values(), ids=CUTS.keys())
async def test_a_cut_answer_never_looks_whole(
    edge: EdgeInProcess, origin: Origin, caller: Caller, behaviour: Behaviour
) -> None:
    origin.behaviour = behaviour
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    # A reset that overtakes its head is an upstream that gave no answer at all.
    assert answer.status in (200, 502)
    assert answer.whole is (answer.status == 502)
    if caller.version == "2" and answer.status == 200:
        assert answer.reset == 2


async def test_a_silent_answer_is_broken_off(tmp_path: Path) -> None:
    async with running(tmp_path, answer_idle=0.1) as edge:
        for sent in (LENGTH, CHUNKED, TO_CLOSE):
            async with serving(silent_after(sent)) as origin:
                edge.deploy(origin.upstream)
                for version in ("1.0", "1.1", "2"):
                    answer = await Caller(edge, version).ask()
                    assert (answer.status, answer.body, answer.whole) == (200, b"half", False)


async def test_a_close_delimited_answer_goes_out_chunked(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = closing_after(b"HTTP/1.1 200 OK\r\n\r\nthe whole")
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    assert (answer.status, answer.body, answer.whole) == (200, b"the whole", True)
    expected = {"1.0": "close", "1.1": "chunked", "2": "none"}
    assert answer.how == expected[caller.version]


async def test_a_broken_stream_leaves_the_others_of_its_connection_alone(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def by_target(visit: Visit) -> None:
        seen = await visit.request()
        await visit.send(LENGTH if seen.target == b"/cut" else OK)
        visit.close()

    origin.behaviour = by_target
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token)]
    async with edge.http2() as client:
        assert not (await client.ask("/cut", fields=sent)).whole
        assert (await client.ask("/", fields=sent)).whole


# Bodies that nobody reads.


SMUGGLED = request("/smuggled", host="shop.fn.localhost")


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_small_unread_body_is_dropped_and_the_connection_goes_on(
    edge: EdgeInProcess, origin: Origin, framing: str
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        for _ in range(3):
            await client.send(_with_body(SMUGGLED, framing))
            answer = await client.answer()
            assert (answer.status, answer.whole) == (401, True)
            assert not answer.all("connection")
        assert (await client.ask(fields=[(TOKEN, edge.token)])).status == 200
    assert [seen.target for seen in origin.seen] == [b"/"]


async def test_a_body_that_follows_its_401_slowly_is_not_taken_for_a_request(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    body = SMUGGLED + request("/smuggled", fields=[(TOKEN, edge.token)])
    async with edge.http1() as client:
        await client.send(request("/", "POST", [("content-length", str(len(body)))]))
        await asyncio.sleep(0.05)
        await client.send(body)
        answer = await client.answer()
        assert (answer.status, answer.whole) == (401, True)
        assert (await client.ask("/real", fields=[(TOKEN, edge.token)])).status == 200
    assert [seen.target for seen in origin.seen] == [b"/real"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_unread_body_ends_the_connection_and_the_answer_arrives(
    edge: EdgeInProcess, origin: Origin, framing: str
) -> None:
    edge.deploy(origin.upstream)
    body = request("/smuggled", fields=[(TOKEN, edge.token)]) * 20_000
    assert len(body) > 1_000_000
    async with edge.http1() as client, anyio.create_task_group() as tasks:

        async def upload() -> None:
            try:
                await client.send(_with_body(body, framing))
            except OSError:
                return

        tasks.start_soon(upload)
        answer = await client.answer()
        assert (answer.status, answer.whole) == (401, True)
        assert answer.one("connection") == "close"
        assert await client.ending() in ("closed", "reset")
    assert not origin.seen


async def test_an_unread_body_that_does_not_come_ends_the_connection_in_a_second(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        with anyio.fail_after(4):
            answer = await client.ask("/", "POST", [("content-length", "10")])
            assert (answer.status, answer.one("connection")) == (401, "close")
            assert await client.ending() == "closed"


async def test_http2_is_told_to_stop_sending_a_body_that_nobody_reads(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http2() as client:
        stream = await client.begin("/", "POST", end=False)
        await client.send(stream, b"x" * 1000)
        answer = await client.answer(stream)
        assert answer.status == 401
        assert answer.reset in (None, 0)
        assert (await client.ask(fields=[(TOKEN, edge.token)])).status == 200


def _with_body(body: bytes, framing: str) -> bytes:
    if framing == "length":
        return request("/", "POST", body=body)
    size = 8192
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request("/", "POST", [("transfer-encoding", "chunked")]) + framed + b"0\r\n\r\n"


# Early answers.


async def test_an_early_answer_is_relayed_at_once(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = refuses_the_body
    edge.deploy(origin.upstream)
    with anyio.fail_after(5):
        if caller.version == "2":
            async with edge.http2() as client:
                sent = [(TOKEN, edge.token), ("content-length", "500000")]
                stream = await client.begin("/", "POST", sent, end=False)
                answer = await client.answer(stream)
        else:
            async with edge.http1() as raw:
                sent = [(TOKEN, edge.token), ("content-length", "500000")]
                await raw.send(request("/", "POST", sent, version=caller.version))
                answer = await raw.answer()
                assert answer.one("connection") == "close"
                assert await raw.ending() == "closed"
    assert (answer.status, answer.body) == (413, b"big")
    if caller.version != "2":
        assert answer.whole


# Bodies over the limit, and bodies that do not come.


async def test_a_length_over_the_limit_is_413_before_anything_is_sent(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, limits={"body": 10})
    answer = await caller.ask("/", "POST", [("content-length", "11")], b"x" * 11)
    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
    assert "10 bytes" in answer.json["message"]
    assert not origin.seen
    assert (await caller.ask("/", "POST", body=b"x" * 10)).status == 200


async def test_a_chunked_body_over_the_limit_is_413_on_its_way(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = hangs
    edge.deploy(origin.upstream, limits={"body": 10})
    sent = [(TOKEN, edge.token), ("transfer-encoding", "chunked")]
    async with edge.http1() as client:
        await client.send(request("/", "POST", sent) + b"8\r\n12345678\r\n")
        await until(lambda: origin.visits)
        await client.send(b"8\r\n12345678\r\n")
        answer = await client.answer()
    assert (answer.status, answer.json["code"], answer.whole) == (413, "body_too_large", True)
    async with edge.http2() as http2:
        stream = await http2.begin("/", "POST", [(TOKEN, edge.token)], end=False)
        await http2.send(stream, b"x" * 11)
        answer = await http2.answer(stream)
    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
    with anyio.fail_after(5):
        for _ in range(2):
            await origin.departures.acquire()


async def test_a_body_that_stands_still_is_408(tmp_path: Path) -> None:

    async with serving(hangs) as origin, running(tmp_path, body_idle=0.2) as edge:
        edge.deploy(origin.upstream)
        sent = [(TOKEN, edge.token), ("content-length", "10")]
        async with edge.http1() as client:
            await client.send(request("/", "POST", sent) + b"half")
            answer = await client.answer()
            assert (answer.status, answer.json["code"]) == (408, "request_timeout")
            assert answer.one("connection") == "close"
            assert await client.ending() == "closed"
        async with edge.http2() as http2:
            stream = await http2.begin("/", "POST", sent, end=False)
            await http2.send(stream, b"half")
            answer = await http2.answer(stream)
            assert (answer.status, answer.json["code"]) == (408, "request_timeout")


async def test_a_body_that_drips_is_408_and_one_that_is_slow_but_keeps_up_is_not(
    tmp_path: Path,
) -> None:
    async with (
        serving(echoes) as origin,
        running(tmp_path, body_idle=0.3, body_rate=1000) as edge,
    ):
        edge.deploy(origin.upstream)
        for piece, status in ((1, 408), (200, 200)):
            sent = [(TOKEN, edge.token), ("content-length", str(20 * piece))]
            async with edge.http1() as client:
                await client.send(request("/", "POST", sent))
                for _ in range(20):
                    await anyio.sleep(0.05)
                    with contextlib.suppress(OSError):
                        await client.send(b"x" * piece)
                answer = await client.answer()
            assert answer.status == status


# Clients that leave.


@pytest.mark.parametrize("sent", [b"", LENGTH, CHUNKED, TO_CLOSE])
@pytest.mark.parametrize("how", ["closed", "reset", "stream", "connection"])
async def test_a_client_that_leaves_aborts_the_functions_request(
    edge: EdgeInProcess, origin: Origin, how: str, sent: bytes
) -> None:
    origin.behaviour = silent_after(sent)
    edge.deploy(origin.upstream)
    fields = [(TOKEN, edge.token)]
    with anyio.fail_after(5):
        if how in ("stream", "connection"):
            async with edge.http2() as client:
                stream = await client.begin(fields=fields)
                await _come(client, stream, origin, sent)
                if how == "stream":
                    await client.leave(stream)
                    await origin.departures.acquire()
        else:
            async with edge.http1() as raw:
                await raw.send(request(fields=fields))
                if sent:
                    await raw.head()
                else:
                    await until(lambda: origin.visits)
                if how == "reset":
                    raw.reset()
        if how != "stream":
            await origin.departures.acquire()


async def test_a_client_that_leaves_amid_its_body_aborts_the_functions_request(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = hangs
    edge.deploy(origin.upstream)
    sent = [(TOKEN, edge.token), ("content-length", "100")]
    with anyio.fail_after(5):
        async with edge.http1() as raw:
            await raw.send(request("/", "POST", sent) + b"half")
            await until(lambda: origin.visits)
        await origin.departures.acquire()
        async with edge.http2() as client:
            stream = await client.begin("/", "POST", sent, end=False)
            await client.send(stream, b"half")
            await client.leave(stream)
            await origin.departures.acquire()


async def _come(client: Http2Client, stream: int, origin: Origin, sent: bytes) -> None:
    if sent:
        await client.until(stream, 4)
    else:
        await until(lambda: origin.seen)


# Connections that go on.


async def test_an_http10_client_may_keep_its_connection(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = answering(EMPTY)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        answer = await client.ask(fields=[(TOKEN, edge.token)], version="1.0")
        assert (answer.status, answer.whole) == (200, True)
        assert await client.ending() == "closed"


async def test_a_client_that_asks_to_close_is_obeyed(edge: EdgeInProcess, origin: Origin) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        answer = await client.ask(fields=[(TOKEN, edge.token), ("connection", "close")])
        assert (answer.status, answer.whole) == (200, True)
        assert answer.one("connection") == "close"
        assert await client.ending() == "closed"
