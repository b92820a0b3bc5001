"""After everything that can go wrong nothing is left behind: no place taken, no task, no stream."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from wsproto.events import TextMessage

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import request
from tests.support.origin import OK, Origin, Visit, serving
from tests.support.websockets import connected, echo, handshake, opening, speaks

SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n"
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"


async def all_sorts(visit: Visit) -> None:
    """Does what the target says."""
    while True:
        seen = await visit.head()
        match seen.target:
            case b"/ok":
                await visit.body(seen)
                await visit.send(OK)
            case b"/cut":
                await visit.send(CUT)
                return
            case b"/reset":
                visit.reset()
                return
            case b"/events":
                await visit.send(SSE)
                await visit.gone()
            case _:
                await visit.gone()


def token(edge: EdgeInProcess) -> list[tuple[str, str]]:
    """The token as a field."""
    return [(TOKEN, edge.token)]


async def leaves_before_the_answer(edge: EdgeInProcess) -> None:
    async with edge.http1() as raw:
        await raw.send(request("/hangs", fields=token(edge)))
        await asyncio.sleep(0.01)
        raw.reset()


async def leaves_amid_its_body(edge: EdgeInProcess) -> None:
    async with edge.http1() as raw:
        fields = [*token(edge), ("content-length", "10")]
        await raw.send(request("/hangs", "POST", fields) + b"half")
        await asyncio.sleep(0.01)
        raw.reset()


async def leaves_amid_a_stream(edge: EdgeInProcess) -> None:
    async with edge.http1() as raw:
        await raw.send(request("/events", fields=token(edge)))
        await raw.head()
        raw.reset()


async def resets_its_stream(edge: EdgeInProcess) -> None:
    async with edge.http2() as client:
        for target in ("/hangs", "/events"):
            stream = await client.begin(target, fields=token(edge))
            if target == "/events":
                await client.until(stream, 1)
            await client.leave(stream)


async def drops_its_http2_connection(edge: EdgeInProcess) -> None:
    async with edge.http2() as client:
        await client.begin("/hangs", fields=token(edge))
        await client.begin("/hangs", "POST", token(edge), end=False)
        await asyncio.sleep(0.01)


async def meets_a_cut_answer(edge: EdgeInProcess) -> None:
    for version in ("1.0", "1.1", "2"):
        for target in ("/cut", "/reset"):
            await Caller(edge, version).ask(target)


async def stops_sending(edge: EdgeInProcess) -> None:
    async with edge.http1() as raw:
        fields = [*token(edge), ("content-length", "10")]
        await raw.send(request("/ok", "POST", fields) + b"half")
        assert (await raw.answer()).status == 408


async def sends_too_much(edge: EdgeInProcess) -> None:
    async with edge.http1() as raw:
        fields = [*token(edge), ("transfer-encoding", "chunked")]
        await raw.send(request("/ok", "POST", fields) + b"ff\r\n" + b"x" * 255 + b"\r\n0\r\n\r\n")
        assert (await raw.answer()).status == 413


async def sends_no_chunks(edge: EdgeInProcess) -> None:
    async with edge.http1() as raw:
        fields = [*token(edge), ("transfer-encoding", "chunked")]
        await raw.send(request("/ok", "POST", fields) + b"nonsense\r\n")
        assert (await raw.answer()).status == 400


async def leaves_its_websocket(edge: EdgeInProcess) -> None:
    with contextlib.suppress(OSError):
        async with edge.http1() as raw:
            await raw.send(opening("/hangs", token(edge)))
            await asyncio.sleep(0.01)
            raw.reset()
    async with edge.http1() as raw:
        assert (await handshake(raw, "/ok", token(edge))).status == 200


async def is_refused(edge: EdgeInProcess) -> None:
    for version in ("1.0", "1.1", "2"):
        assert (await Caller(edge, version).ask("/ok", "POST", body=b"x", token="x")).status == 401


SORTS = [
    leaves_before_the_answer,
    leaves_amid_its_body,
    leaves_amid_a_stream,
    resets_its_stream,
    drops_its_http2_connection,
    meets_a_cut_answer,
    stops_sending,
    sends_too_much,
    sends_no_chunks,
    leaves_its_websocket,
    is_refused,
]


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
async def test_nothing_is_left_behind(
    tmp_path: Path, sort: Callable[[EdgeInProcess], Awaitable[None]]
) -> None:
    settings = {"in_flight": 8, "queue": 0, "body_idle": 0.1}
    async with serving(all_sorts) as origin, running(tmp_path, **settings) as edge:
        edge.deploy(origin.upstream, limits={"body": 100})
        assert (await Caller(edge, "1.1").ask("/ok")).status == 200
        await until(lambda: not edge.server.connections)
        before = _tasks_of_the_edge(origin)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(sort, edge)
        await until(lambda: not edge.server.connections)
        await until(lambda: _tasks_of_the_edge(origin) <= before)
        # As many as there are places: had one been kept, the last would be refused.
        async with edge.http2() as client:
            held = [await client.begin("/hangs", fields=token(edge)) for _ in range(8)]
            await until(lambda: [s.target for s in origin.seen[-8:]] == [b"/hangs"] * 8)
            assert not client.over & set(held)


def _tasks_of_the_edge(origin: Origin) -> int:
    return len(asyncio.all_tasks() - origin._tasks)


async def test_an_open_websocket_leaves_nothing_either(tmp_path: Path) -> None:
    async with serving(speaks(echo)) as origin, running(tmp_path, in_flight=1, queue=0) as edge:
        edge.deploy(origin.upstream)
        for _ in range(3):
            async with connected(edge, token(edge)) as socket:
                await socket.send(TextMessage("x"))
                assert await socket.message() == "x"
            with anyio.fail_after(5):
                await origin.departures.acquire()
            await until(lambda: not edge.server.connections)
