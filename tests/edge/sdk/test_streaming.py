"""What generators yield, as their callers receive it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from edge.sdk import Context, define, response
from edge.sdk.asgi import Application
from edge.sdk.handling import Service
from edge.sdk.testing import call
from mcp_bridge.events import EventReader
from mcp_bridge.progress import StreamResult


class Total(BaseModel):
    total: int


def counting(input: Any, ctx: Context) -> Iterator[Any]:
    yield response.progress(1, total=2, message="half")
    yield {"step": 2}
    return {"total": 2}


async def counting_async(input: Any, ctx: Context) -> AsyncIterator[Any]:
    yield response.progress(1, total=2, message="half")
    yield {"step": 2}
    yield response.result({"total": 2})


BOTH = pytest.mark.parametrize("handler", [counting, counting_async])


@BOTH
def test_each_value_is_an_event_and_the_last_is_the_result(handler: Any) -> None:
    result = call(define(handler=handler))

    assert result.headers["content-type"] == "text/event-stream"
    assert [(name, json.loads(data)) for name, data in result.events] == [
        ("progress", {"progress": 1, "total": 2, "message": "half"}),
        ("message", {"step": 2}),
        ("result", {"total": 2}),
    ]


@BOTH
def test_a_caller_may_ask_for_lines_of_json(handler: Any) -> None:
    result = call(define(handler=handler), headers={"Accept": "application/x-ndjson"})

    assert result.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in result.text.splitlines()][1:] == [
        {"step": 2},
        {"total": 2},
    ]


@BOTH
def test_the_bridge_reads_progress_and_result_of_it(handler: Any) -> None:
    result = call(define(handler=handler))
    stream = StreamResult("last", 1000)
    told = [stream.take(event) for event in _events(result.body)]

    assert [each and each.progress for each in told] == [1, 2, None]
    assert json.loads(stream.result().body) == {"total": 2}


def _events(body: bytes) -> list[Any]:
    reader = EventReader("sse", 10_000)
    return [*reader.feed(body), *reader.end()]


def test_text_of_several_lines_stays_one_event() -> None:
    def handler(input: Any, ctx: Context) -> Iterator[str]:
        yield "one\ntwo"

    assert call(define(handler=handler)).events == [("message", "one\ntwo")]


def test_the_result_is_held_to_the_output_and_a_broken_one_is_an_error() -> None:
    def handler(input: Any, ctx: Context) -> Iterator[Any]:
        yield "working"
        return {"total": "none"}

    result = call(define(handler=handler, output=Total))

    assert [name for name, _ in result.events] == ["message", "error"]
    assert "breaks its schema" in result.logs[0]["args"][0]


def test_a_failure_before_the_first_value_is_an_answer_of_its_own() -> None:
    def handler(input: Any, ctx: Context) -> Iterator[Any]:
        raise ValueError("at once")
        yield

    assert call(define(handler=handler)).status == 500


def test_a_failure_midway_is_an_event_without_internals() -> None:
    async def handler(input: Any, ctx: Context) -> AsyncIterator[Any]:
        yield 1
        raise ValueError("hunter2")

    result = call(define(handler=handler))

    assert [name for name, _ in result.events] == ["message", "error"]
    assert "hunter2" not in result.text
    assert "hunter2" in result.logs[0]["traceback"]


def test_pieces_are_sent_as_they_are() -> None:
    def handler(input: Any, ctx: Context) -> Any:
        return response.stream(iter([b"a", "\u00e9"]), "text/csv")

    result = call(define(handler=handler))

    assert (result.headers["content-type"], result.text) == ("text/csv", "a\u00e9")


@pytest.mark.parametrize("name", ["a\nb", "a\r", "\0"])
def test_the_name_of_an_event_stays_in_its_line(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        response.event("x", name)


class Wire:
    """The server's side of one ASGI exchange, whose client may leave."""

    def __init__(self, body: bytes = b"") -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self.sent: list[dict[str, Any]] = []
        self.begun = asyncio.Event()

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.begun.set()

    def run(self, handler: Any, **config: Any) -> asyncio.Task[None]:
        application = Application(Service(define(handler=handler, config=config), write=_ignore))
        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
        }
        return asyncio.create_task(application(scope, self.incoming.get, self.send))


def _ignore(line: str) -> None:
    pass


async def test_a_value_leaves_before_the_next_is_made() -> None:
    wire, go = Wire(), asyncio.Event()

    async def handler(input: Any, ctx: Context) -> AsyncIterator[str]:
        yield "first"
        await go.wait()
        yield "second"

    task = wire.run(handler)
    async with asyncio.timeout(5):
        await wire.begun.wait()
        assert wire.sent[1]["body"] == b"data: first\n\n"
        go.set()
        await task
    assert wire.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_a_client_that_leaves_cancels_an_async_handler() -> None:
    wire, running, cancelled = Wire(), asyncio.Event(), asyncio.Event()

    async def handler(input: Any, ctx: Context) -> Any:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = wire.run(handler)
    async with asyncio.timeout(5):
        await running.wait()
        wire.incoming.put_nowait({"type": "http.disconnect"})
        await task
    assert cancelled.is_set()
    assert not wire.sent


async def test_a_client_that_leaves_closes_a_plain_generator() -> None:
    wire, loop, closed = Wire(), asyncio.get_running_loop(), asyncio.Event()

    def handler(input: Any, ctx: Context) -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            loop.call_soon_threadsafe(closed.set)

    task = wire.run(handler)
    async with asyncio.timeout(5):
        await wire.begun.wait()
        wire.incoming.put_nowait({"type": "http.disconnect"})
        await task
        await closed.wait()


async def test_a_body_over_the_limit_is_413_and_reaches_no_handler() -> None:
    wire = Wire(b"x" * 11)

    async with asyncio.timeout(5):
        await wire.run(lambda input, ctx: "never", limits={"body": 10})

    assert wire.sent[0]["status"] == 413
    assert json.loads(wire.sent[1]["body"])["error"] == "Content Too Large"


async def test_pieces_that_fail_midway_never_look_whole() -> None:
    wire = Wire()

    async def handler(input: Any, ctx: Context) -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError

        return response.stream(pieces())

    async with asyncio.timeout(5):
        await wire.run(handler)

    assert [each.get("more_body") for each in wire.sent] == [None, True]
