"""The store fails while the edge runs: nothing stale is said, and all is well once it is back."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import orjson

from tests.support.calling import TOKEN, Caller
from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import Answer
from tests.support.origin import Origin, Visit

EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n4\r\n:hi\n\r\n"
)


@contextmanager
def damaged(edge: EdgeInProcess) -> Iterator[None]:
    """Overwrite the database and its log with rubbish, and put them back as they were."""
    files = [Path(f"{edge.store.path}{suffix}") for suffix in ("", "-wal")]
    good = [file.read_bytes() for file in files]
    for file, data in zip(files, good, strict=True):
        _write_over(file, b"rubbish!" * (len(data) // 8 + 1))
    try:
        yield
    finally:
        for file, data in zip(files, good, strict=True):
            _write_over(file, data)


def _write_over(file: Path, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.write(data)
        opened.truncate()


def is_unavailable(answer: Answer) -> None:
    """The contract's 503."""
    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.one("retry-after")) >= 1
    assert answer.one("x-jelou-error-source") == "edge"


async def is_live(caller: Caller) -> bool:
    """Whether the edge says that it lives."""
    return (await caller.ask("/__edge/live", token=None, host="localhost")).status == 200


async def served_again(caller: Caller, token: str) -> None:
    """Wait until the edge has found its store again."""
    with anyio.fail_after(10):
        while (await caller.ask(token=token)).status != 200:  # noqa: ASYNC110 - it tells nobody
            await anyio.sleep(0.05)


async def test_a_revocation_that_cannot_be_read_is_never_a_stale_yes(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    second = edge.mint("second").secret
    first = edge.mint("first").secret
    for token in (first, second):
        assert (await caller.ask(token=token)).status == 200
    asked = len(origin.seen)
    # No await between: the worker has not seen the change when the store goes bad.
    edge.revoke("first")
    with damaged(edge), anyio.fail_after(10):
        for token in (first, second, None):
            is_unavailable(await caller.ask(token=token))
            assert await is_live(caller)
    assert len(origin.seen) == asked
    await served_again(caller, second)
    assert (await caller.ask(token=first)).status == 401


async def test_a_token_that_cannot_be_looked_up_is_503_and_not_401(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    assert (await caller.ask()).status == 200
    unseen = edge.mint("unseen").secret
    assert (await caller.ask("/", token=None)).status == 401
    with damaged(edge), anyio.fail_after(10):
        is_unavailable(await caller.ask(token=unseen))
        assert await is_live(caller)
    await served_again(caller, unseen)


async def test_a_document_that_cannot_be_read_is_503_and_found_again(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    info = {"title": "Shop", "version": "1"}
    edge.deploy(origin.upstream, document={"openapi": "3.1.0", "info": info, "paths": {}})
    assert (await caller.ask()).status == 200
    call = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    accepts = ("accept", "application/json, text/event-stream")
    fields = (accepts, ("content-type", "application/json"))
    with damaged(edge), anyio.fail_after(10):
        is_unavailable(await caller.ask("/openapi.json", token=None))
        refused = await caller.ask("/mcp", "POST", body=call, fields=fields)
        assert refused.status == 503
        assert refused.json["error"]["data"]["code"] == "store_unavailable"
        assert int(refused.one("retry-after")) >= 1
    await served_again(caller, edge.mint("other").secret)
    assert (await caller.ask("/openapi.json", token=None)).json["info"] == info
    assert (await caller.ask("/mcp", "POST", body=call, fields=fields)).status == 200


async def test_what_is_in_memory_is_served_while_nothing_changes(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    assert (await caller.ask()).status == 200
    with damaged(edge):
        for _ in range(3):
            assert (await caller.ask()).status == 200


async def test_an_open_stream_ends_if_it_cannot_be_told_what_was_revoked(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def emits(visit: Visit) -> None:
        await visit.request()
        await visit.send(EVENTS)
        await visit.gone()

    origin.behaviour = emits
    edge.deploy(origin.upstream)
    async with edge.http2() as client:
        stream = await client.begin(fields=[(TOKEN, edge.token)])
        await client.until(stream, 4)
        await anyio.sleep(0.5)  # it is no new stream any more, of which the edge asks again anyway
        edge.revoke()
        with damaged(edge):
            assert not (await client.answer(stream)).whole
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_a_writer_that_holds_the_store_holds_up_no_request(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    unseen = edge.mint("unseen").secret
    writer = sqlite3.connect(edge.store.path, isolation_level=None)
    try:
        writer.execute("BEGIN EXCLUSIVE")
        with anyio.fail_after(4):
            assert (await caller.ask(token=unseen)).status == 200
            assert (await caller.ask(token=None)).status == 401
    finally:
        writer.close()


async def test_many_lookups_at_once_are_all_answered(edge: EdgeInProcess, origin: Origin) -> None:
    edge.deploy(origin.upstream)
    caller = Caller(edge, "2")
    async with edge.http2() as client:
        streams = [
            await client.begin(fields=[(TOKEN, edge.mint(f"n{n}", slug="gone").secret)])
            for n in range(50)
        ]
        for stream in streams:
            assert (await client.answer(stream)).status == 401
    assert not origin.visits
    assert (await caller.ask()).status == 200
