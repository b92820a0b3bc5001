"""What a generator yields, on its way to the caller: server-sent events, or lines of JSON.

Every value leaves at once. What a plain generator returns is the event `result`; an async one,
which cannot return, may yield `response.result(...)` last.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing
from typing import Any, Final

from edge.sdk.encoding import encode
from edge.sdk.responses import RESULT, Event
from edge.sdk.threads import Threads

NDJSON: Final = "application/x-ndjson"
_LINE_END = re.compile(r"\r\n|\r|\n")
_DONE = object()


def media_type(accept: str) -> str:
    """How a stream is sent to a caller: as lines of JSON if it asks for them, else as events."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    asked = next((each for each in wanted if each in (NDJSON, "application/ndjson")), None)
    return asked or "text/event-stream"


def encoder(essence: str) -> Callable[[Event], bytes]:
    """How one event is written in a stream of this media type."""
    return _sse if essence == "text/event-stream" else _line


def _sse(event: Event) -> bytes:
    """An event stream's block (HTML §9.2.5)."""
    text = event.data if isinstance(event.data, str) else encode(event.data).decode()
    named = [f"{key}: {value}" for key, value in (("event", event.name), ("id", event.id)) if value]
    lines = [*named, *(f"data: {each}" for each in _LINE_END.split(text))]
    return ("\n".join(lines) + "\n\n").encode()


def _line(event: Event) -> bytes:
    return encode(event.data) + b"\n"


async def events(source: Any, threads: Threads) -> AsyncGenerator[Event, None]:
    """The events of a generator of either kind, until it ends; it is closed in any case."""
    values = _of_async(source) if isinstance(source, AsyncIterator) else _of_plain(source, threads)
    async with aclosing(values):
        async for value in values:
            yield value if isinstance(value, Event) else Event(value)


async def _of_async(source: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    try:
        async for value in source:
            yield value
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def _of_plain(
    source: Generator[Any, None, Any], threads: Threads
) -> AsyncGenerator[Any, None]:
    try:
        while True:
            value, returned = await threads.run(_step, source)
            if value is _DONE:
                break
            yield value
        if returned is not None:
            yield Event(returned, RESULT)
    finally:
        threads.submit(_close, source)


def _step(source: Generator[Any, None, Any]) -> tuple[Any, Any]:
    """The next value, or what the generator returned."""
    try:
        return next(source), None
    except StopIteration as ended:
        return _DONE, ended.value


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if callable(close):
        close()
