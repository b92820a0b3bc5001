"""A function whose operations are tools, one for each way in which a test wants it to answer.

Every operation is `POST /<name>` with any object; `TOOLS` is its document.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from tests.support.origin import Behaviour, Seen, Visit

Part = Callable[[Visit, Seen], Awaitable[None]]


def operation(name: str, **more: Any) -> dict[str, Any]:
    """One path of a document."""
    schema = {"type": "object", "additionalProperties": True}
    body = {"content": {"application/json": {"schema": schema}}}
    return {f"/{name}": {"post": {"operationId": name, "requestBody": body, **more}}}


def document(*names: str, **paths: Any) -> dict[str, Any]:
    """The document of operations of these names."""
    every = {key: value for name in names for key, value in operation(name).items()}
    info = {"title": "Shop", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": {**every, **paths}}


def by_name(parts: Mapping[str, Part], other: Part | None = None) -> Behaviour:
    """A function that does what is said for each operation; `other` is done for all the rest."""

    async def behave(visit: Visit) -> None:
        while True:
            seen = await visit.request()
            await (parts.get(seen.target.decode()[1:]) or other or echo)(visit, seen)

    return behave


def whole(body: bytes, kind: str = "application/json", status: str = "200 OK") -> bytes:
    """An answer with a length."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def says(value: Any) -> Part:
    """Answers with a JSON value."""
    return sends(whole(orjson.dumps(value)))


def sends(data: bytes) -> Part:
    """Sends these bytes."""

    async def part(visit: Visit, _seen: Seen) -> None:
        await visit.send(data)

    return part


async def echo(visit: Visit, seen: Seen) -> None:
    """Answers with what was asked."""
    fields = {name.decode().lower(): value.decode() for name, value in seen.headers}
    asked = {"target": seen.target.decode(), "fields": fields, "body": seen.body.decode()}
    await visit.send(whole(orjson.dumps(asked)))


async def hold(visit: Visit, _seen: Seen) -> None:
    """Answers nothing until its peer leaves, and notes that in `Origin.departures`."""
    await visit.gone()


async def on_cue(visit: Visit, seen: Seen) -> None:
    """Answers when the test says so, once."""
    await visit.origin.cue.wait()
    await visit.send(whole(orjson.dumps({"late": seen.target.decode()})))


def chunk(data: bytes) -> bytes:
    """A chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked_head(kind: str) -> bytes:
    """The head of an answer in chunks."""
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
