"""Event streams: they flow at once, and end with their token, their function and their client."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Answer, Http1Client, request
from tests.support.http2_client import Http2Client
from tests.support.origin import EMPTY, Origin, Visit, serving

SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = b"data: first\n\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def emits(visit: Visit) -> None:
    """Sends one event, and another for each cue; ends with its peer."""
    await visit.request()
    await visit.send(SSE + chunk(FIRST))
    await visit.gone()


class Stream:
    """An open event stream, over HTTP/1.1 or 2."""

    def __init__(self, client: Http1Client | Http2Client, answer: Answer, stream: int) -> None:
        self.client = client
        self.head = answer
        self.stream = stream

    @classmethod
    async def open(
        cls, client: Http1Client | Http2Client, token: str | None, target: str = "/"
    ) -> "Stream":
        """Open it and take its first event."""
        sent = [] if token is None else [(TOKEN, token)]
        if isinstance(client, Http2Client):
            stream = await client.begin(target, fields=sent)
            answer = await client.until(stream, len(FIRST))
            assert (answer.status, answer.body) == (200, FIRST)
            return cls(client, answer, stream)
        await client.send(request(target, fields=sent))
        answer = await client.head()
        assert answer.status == 200
        assert await client.chunk() == FIRST
        return cls(client, answer, 0)

    async def end(self) -> bool:
        """Wait for its end; whether it looks whole."""
        if isinstance(self.client, Http2Client):
            return (await self.client.answer(self.stream)).whole
        with anyio.fail_after(10):
            await self.client.body(self.head)
        return self.head.whole


@pytest.fixture(params=["1.1", "2"])
def version(request: pytest.FixtureRequest) -> str:
    """The versions over which streams are opened here."""
    return str(request.param)


async def test_an_event_arrives_before_the_function_sends_the_next(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    taken = anyio.Event()

    async def in_turn(visit: Visit) -> None:
        await visit.request()
        await visit.send(SSE + chunk(FIRST))
        await taken.wait()
        await visit.send(chunk(b"data: second\n\n") + b"0\r\n\r\n")

    origin.behaviour = in_turn
    edge.deploy(origin.upstream)
    async with edge.http1() if version == "1.1" else edge.http2() as client:
        stream = await Stream.open(client, edge.token)
        taken.set()
        assert await stream.end()
        assert stream.head.body.endswith(b"data: second\n\n")


async def test_a_client_that_leaves_ends_the_functions_stream(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    origin.behaviour = emits
    edge.deploy(origin.upstream)
    with anyio.fail_after(5):
        async with edge.http1() if version == "1.1" else edge.http2() as client:
            await Stream.open(client, edge.token)
        await origin.departures.acquire()


ENDS: dict[str, Callable[[EdgeInProcess], object]] = {
    "revoked": lambda edge: edge.revoke(),
    "deleted": lambda edge: edge.delete(),
    "rotated": lambda edge: edge.token_service.rotate("shop", "default", 0.0),
    "rotated with an overlap": lambda edge: edge.token_service.rotate("shop", "default", 0.3),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_a_stream_ends_with_its_token_or_its_function_and_does_not_look_whole(
    edge: EdgeInProcess,
    origin: Origin,
    version: str,
    end: Callable[[EdgeInProcess], object],
) -> None:
    origin.behaviour = emits
    edge.deploy(origin.upstream)
    async with edge.http1() if version == "1.1" else edge.http2() as client:
        stream = await Stream.open(client, edge.token)
        end(edge)
        assert not await stream.end()
        with anyio.fail_after(5):
            await origin.departures.acquire()


async def test_a_stream_ends_when_its_token_expires(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    origin.behaviour = emits
    edge.deploy(origin.upstream)
    edge.mint("short", expires=edge.store.clock() + 0.5)
    async with edge.http1() if version == "1.1" else edge.http2() as client:
        stream = await Stream.open(client, edge.token)
        assert not await stream.end()


async def test_the_streams_of_others_go_on(edge: EdgeInProcess, origin: Origin) -> None:
    origin.behaviour = emits
    edge.deploy(origin.upstream)
    edge.deploy(origin.upstream, "other")
    async with edge.http2() as client:
        mine = await Stream.open(client, edge.token)
        other_token = edge.mint("second").secret
        others = await Stream.open(client, other_token)
        edge.revoke()
        assert not await mine.end()
        edge.delete("other")
        edge.deploy(origin.upstream, timeout=1234)
        await anyio.sleep(0.5)
        assert others.stream not in client.over


async def test_ordinary_requests_already_begun_finish(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    async def slow(visit: Visit) -> None:
        seen = await visit.request()
        if seen.target == b"/head":
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")
        await visit.origin.cue.wait()
        await visit.send(b"full" if seen.target == b"/head" else EMPTY)

    origin.behaviour = slow
    edge.deploy(origin.upstream)
    async with anyio.create_task_group() as tasks:
        answers: list[Answer] = []

        async def ask(target: str) -> None:
            answers.append(await Caller(edge, version).ask(target))

        tasks.start_soon(ask, "/head")
        tasks.start_soon(ask, "/")
        await until(lambda: len(origin.seen) == 2)
        edge.delete()
        await anyio.sleep(0.5)
        assert (await Caller(edge, version).ask()).status == 404
        origin.cue.set()
    assert [(answer.status, answer.whole) for answer in answers] == [(200, True)] * 2


async def test_a_stream_of_a_public_function_needs_no_token_and_ends_with_the_function(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    origin.behaviour = emits
    edge.deploy(origin.upstream, public=True)
    async with edge.http1() if version == "1.1" else edge.http2() as client:
        stream = await Stream.open(client, None)
        edge.delete()
        assert not await stream.end()


async def test_a_silent_stream_is_broken_off_after_its_own_idle_time(
    tmp_path: Path, version: str
) -> None:
    async with serving(emits) as origin, running(tmp_path, answer_idle=0.05) as edge:
        edge.deploy(origin.upstream, streamIdle=400)
        async with edge.http1() if version == "1.1" else edge.http2() as client:
            stream = await Stream.open(client, edge.token)
            assert not await stream.end()


async def test_a_drain_ends_streams_and_they_do_not_look_whole(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    origin.behaviour = emits
    edge.deploy(origin.upstream)
    async with edge.http1() if version == "1.1" else edge.http2() as client:
        stream = await Stream.open(client, edge.token)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(edge.server.drain)
            assert not await stream.end()
