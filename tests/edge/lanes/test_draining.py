"""A worker that is told to end, on each lane: what has begun finishes, nothing new begins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Answer, Http1Client, request
from tests.support.origin import OK, Behaviour, Origin, Visit, serving, silent_after

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf"
EVENTS = CHUNKED.replace(b"chunked", b"chunked\r\ncontent-type: text/event-stream", 1)


async def waits(visit: Visit) -> None:
    """Answers on cue."""
    while True:
        await visit.request()
        await visit.origin.cue.wait()
        await visit.send(OK)


def halts_after(begun: bytes, rest: bytes) -> Behaviour:
    """Answers in two parts, the second on cue."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(begun)
        await visit.origin.cue.wait()
        await visit.send(rest)
        await visit.gone()

    return behave


@pytest.fixture(params=["asgi", "fast"])
def lane(request: Any) -> bool:
    """Whether there is a fast lane."""
    return bool(request.param == "fast")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """A function that answers on cue."""
    async with serving(waits) as started:
        yield started


@pytest.fixture
async def edge(tmp_path: Path, lane: bool, origin: Origin) -> AsyncIterator[EdgeInProcess]:
    """An edge before it."""
    async with running(tmp_path, fast_lane=lane, drain_timeout=5.0) as started:
        started.deploy(origin.upstream)
        yield started


@asynccontextmanager
async def draining(edge: EdgeInProcess) -> AsyncIterator[None]:
    """The drain has begun; it is over when the block is left."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(edge.server.drain)
        await until(lambda: edge.edge.state.draining)
        yield


def asking(edge: EdgeInProcess, *more: tuple[str, str], method: str = "GET") -> bytes:
    """A request with the token."""
    return request("/x", method, [(TOKEN, edge.token), *more])


def is_draining(answer: Answer) -> None:
    """The contract's answer to who comes too late."""
    assert (answer.status, answer.json["code"]) == (503, "draining")
    assert answer.one("retry-after")
    assert answer.one("x-jelou-error-source") == "edge"
    assert answer.one("connection") == "close"


async def test_requests_that_wait_for_their_answer_get_it_and_their_connections_end(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async with edge.http1() as fresh, edge.http1() as kept:
        assert (await kept.ask("/__edge/live", host="localhost")).status == 200
        for client in (fresh, kept):
            await client.send(asking(edge))
        await until(lambda: len(origin.seen) == 2)
        async with draining(edge):
            origin.cue.set()
            for client in (fresh, kept):
                answer = await client.answer()
                assert (answer.status, bytes(answer.body), answer.whole) == (200, b"ok", True)
                assert answer.one("connection") == "close"
                assert await client.ending() == "closed"


async def test_a_request_whose_body_is_coming_is_carried_out(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.cue.set()
    async with edge.http1() as client:
        await client.send(asking(edge, ("content-length", "8"), method="POST") + b"half")
        await until(lambda: origin.seen)
        async with draining(edge):
            await client.send(b"done")
            answer = await client.answer()
            assert (answer.status, answer.whole) == (200, True)
            assert answer.one("connection") == "close"
            assert await client.ending() == "closed"
    assert [seen.body for seen in origin.seen] == [b"halfdone"]


@pytest.mark.parametrize(
    ("begun", "rest"),
    [(CHUNKED, b"4\r\ndone\r\n0\r\n\r\n"), (LENGTH, b"done")],
    ids=["chunked", "length"],
)
async def test_an_answer_that_has_begun_comes_whole(
    edge: EdgeInProcess, origin: Origin, begun: bytes, rest: bytes
) -> None:
    origin.behaviour = halts_after(begun, rest)
    async with edge.http1() as client:
        await client.send(asking(edge))
        answer = await client.head()
        async with draining(edge):
            origin.cue.set()
            await client.body(answer)
            assert (bytes(answer.body), answer.whole) == (b"halfdone", True)
            assert await client.ending() == "closed"


async def test_idle_connections_are_closed(edge: EdgeInProcess, origin: Origin) -> None:
    origin.cue.set()
    async with edge.http1() as live, edge.http1() as forwarded, edge.http1() as handed_over:
        assert (await live.ask("/__edge/live", host="localhost")).status == 200
        assert (await forwarded.ask(fields=[(TOKEN, edge.token)])).status == 200
        assert (await handed_over.ask(fields=[(TOKEN, edge.token), ("te", "gzip")])).status == 200
        await edge.server.drain()
        for client in (live, forwarded, handed_over):
            assert await client.ending() == "closed"


async def test_connections_that_have_said_nothing_or_half_a_head_do_not_hold_it_up(
    edge: EdgeInProcess,
) -> None:
    async with edge.http1() as silent, edge.http1() as half:
        await half.send(b"GET / HTTP/1.1\r\nhost: x")
        await until(lambda: len(edge.server.connections) == 2)
        with anyio.fail_after(3):
            await edge.server.drain()
        for client in (silent, half):
            assert await client.ending() in ("closed", "reset")


async def test_who_comes_while_others_finish_is_told_so(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async with edge.http1() as busy:
        await busy.send(asking(edge))
        await until(lambda: origin.seen)
        async with draining(edge):
            caller = Caller(edge, "1.1")
            is_draining(await caller.ask())
            is_draining(await caller.ask("/x", "POST", body=b"x"))
            assert (await caller.ask(token=None)).status == 401
            live = await caller.ask("/__edge/live", token=None, host="localhost")
            ready = await caller.ask("/__edge/ready", token=None, host="localhost")
            assert (live.status, ready.status, ready.json) == (200, 503, {"status": "draining"})
            origin.cue.set()
            assert (await busy.answer()).whole
    assert len(origin.seen) == 1


async def test_what_is_pipelined_behind_a_request_in_flight_does_not_begin(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async with edge.http1() as client:
        await client.send(asking(edge) + asking(edge))
        await until(lambda: origin.seen)
        async with draining(edge):
            origin.cue.set()
            answer = await client.answer()
            assert (answer.status, answer.one("connection")) == (200, "close")
            assert await client.ending() in ("closed", "reset")
    assert len(origin.seen) == 1


async def test_half_a_head_that_is_finished_too_late_is_told_so(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async with edge.http1() as busy, edge.http1() as late:
        await busy.send(asking(edge))
        whole = asking(edge)
        await late.send(whole[:-10])
        await until(lambda: origin.seen)
        async with draining(edge):
            await late.send(whole[-10:])
            is_draining(await late.answer())
            assert await late.ending() == "closed"
            origin.cue.set()
            assert (await busy.answer()).whole
    assert len(origin.seen) == 1


async def test_event_streams_end(edge: EdgeInProcess, origin: Origin) -> None:
    origin.behaviour = silent_after(EVENTS)
    async with edge.http1() as client:
        await client.send(asking(edge))
        answer = await client.head()
        assert await client.chunk() == b"half"
        with anyio.fail_after(4):
            await edge.server.drain()
            await _ends(client)
            await origin.departures.acquire()
    assert answer.one("content-type") == "text/event-stream"


async def test_what_does_not_finish_in_time_is_cut_and_does_not_look_whole(
    tmp_path: Path, lane: bool, origin: Origin
) -> None:
    origin.behaviour = halts_after(CHUNKED, b"")
    async with running(tmp_path, fast_lane=lane, drain_timeout=0.2) as edge:
        edge.deploy(origin.upstream)
        async with edge.http1() as begun, edge.http1() as waiting:
            await begun.send(asking(edge))
            answer = await begun.head()
            origin.behaviour = waits
            await waiting.send(asking(edge))
            await until(lambda: len(origin.seen) == 2)
            with anyio.fail_after(4):
                await edge.server.drain()
            await begun.body(answer)
            assert not answer.whole
            await _ends(waiting)


async def _ends(client: Http1Client) -> None:
    """The connection ends, and nothing whole comes before it does."""
    with anyio.fail_after(5):
        try:
            rest = await client.reader.read()
        except OSError:
            return
    assert not rest.endswith(b"0\r\n\r\n"), rest
    assert not rest.startswith(b"HTTP/1.1 2"), rest
