"""Clients that leave, on each lane: their requests at the function are aborted, others go on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import request
from tests.support.origin import OK, Origin, answering, hangs, serving, silent_after

BEGUN = {
    "nothing": b"",
    "length": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "until it closes": b"HTTP/1.1 200 OK\r\n\r\nhalf",
    "events": b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n",
}
LEAVING = [("nothing", "closed"), *((begun, "reset") for begun in BEGUN)]
"""Who closes in good order is held to have left only after a while, so one of those is enough."""


@pytest.fixture(params=[False, True], ids=["asgi", "fast"])
def lane(request: Any) -> bool:
    """Whether there is a fast lane."""
    return bool(request.param)


@pytest.fixture
async def edge(tmp_path: Path, lane: bool) -> AsyncIterator[EdgeInProcess]:
    """An edge with one lane or both."""
    async with running(tmp_path, fast_lane=lane) as started:
        yield started


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """A function that says nothing."""
    async with serving(hangs) as started:
        yield started


def asking(edge: EdgeInProcess, *more: tuple[str, str], method: str = "GET") -> bytes:
    """A request with the token."""
    return request("/x", method, [(TOKEN, edge.token), *more])


@pytest.mark.parametrize(("begun", "how"), LEAVING)
async def test_who_leaves_before_the_answer_is_over_aborts_the_request(
    edge: EdgeInProcess, origin: Origin, begun: str, how: str
) -> None:
    origin.behaviour = silent_after(BEGUN[begun])
    edge.deploy(origin.upstream)
    with anyio.fail_after(5):
        async with edge.http1() as client:
            await client.send(asking(edge))
            if BEGUN[begun]:
                await client.head()
            else:
                await until(lambda: origin.seen)
            if how == "reset":
                client.reset()
        await origin.departures.acquire()


@pytest.mark.parametrize(
    ("field", "part"),
    [(("content-length", "100"), b"half"), (("transfer-encoding", "chunked"), b"8\r\nhalf")],
    ids=["length", "chunked"],
)
async def test_who_leaves_amid_a_body_aborts_the_request(
    edge: EdgeInProcess, origin: Origin, field: tuple[str, str], part: bytes
) -> None:
    edge.deploy(origin.upstream)
    with anyio.fail_after(5):
        async with edge.http1() as client:
            await client.send(asking(edge, field, method="POST") + part)
            await until(lambda: origin.visits)
            client.reset()
        await origin.departures.acquire()
    assert not [seen for seen in origin.seen if seen.whole]


async def test_a_place_that_a_leaving_client_held_is_free_again(
    tmp_path: Path, lane: bool, origin: Origin
) -> None:
    async with running(tmp_path, fast_lane=lane, in_flight=1, queue=0) as edge:
        edge.deploy(origin.upstream)
        for number in range(5):
            async with edge.http1() as client:
                await client.send(asking(edge))
                await until(lambda: origin.visits == number + 1)  # noqa: B023 - awaited here
                assert (await Caller(edge, "1.1").ask()).json["code"] == "overloaded"
                client.reset()
            with anyio.fail_after(5):
                await origin.departures.acquire()
        origin.behaviour = answering(OK)
        assert (await Caller(edge, "1.1").ask()).status == 200


async def test_who_leaves_with_requests_pipelined_starts_none_of_them(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(asking(edge) * 5)
        await until(lambda: origin.visits)
        client.reset()
    with anyio.fail_after(5):
        await origin.departures.acquire()
    await until(lambda: not edge.server.connections)
    assert origin.visits == 1
