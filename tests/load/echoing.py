"""A function that says of every request what it was, and keeps account of all that reached it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson
from wsproto.connection import ConnectionType

from tests.load.history import Arrival
from tests.support.mcp_function import chunk, chunked_head, document, whole
from tests.support.origin import Seen, Visit
from tests.support.websockets import Socket, accept, echo

BEAT = 0.05
"""Seconds from event to event."""


def payload(nonce: str, size: int) -> str:
    """What a request of this nonce carries, or its answer: so many characters, none by chance."""
    return (nonce * (size // len(nonce) + 1))[:size]


@dataclass
class Echoing:
    """The function's behaviour, on any number of origins.

    Attributes:
        tool: the name of the one tool that not all deployments have.
        arrivals: what has reached it.
    """

    tool: str
    arrivals: list[Arrival]
    _visits: set[Visit] = field(default_factory=set)

    async def __call__(self, visit: Visit) -> None:
        """What is done with a connection."""
        self._visits.add(visit)
        try:
            while True:
                seen = await visit.request()
                visit.origin.seen.clear()
                await self._answer(visit, seen)
        finally:
            self._visits.discard(visit)

    def hang_up(self) -> None:
        """End every connection."""
        for visit in tuple(self._visits):
            visit.close()

    async def _answer(self, visit: Visit, seen: Seen) -> None:
        path, _, query = seen.target.decode().partition("?")
        if path == "/openapi.json":
            await visit.send(whole(orjson.dumps(document("echo", self.tool))))
            return
        asked = orjson.loads(seen.body) if seen.body else one_of_each(query)
        fields = {name.lower(): value.decode() for name, value in seen.headers}
        self.arrivals.append(Arrival(asked["nonce"], fields.get(b"x-jelou-token-id", "")))
        match path:
            case "/events":
                await self._events(visit, asked["nonce"])
            case "/socket":
                await self._socket(visit, fields[b"sec-websocket-key"].encode())
            case _:
                await self._echo(visit, asked, fields[b"x-jelou-deployment"])

    async def _echo(self, visit: Visit, asked: Any, deployment: str) -> None:
        nonce = asked["nonce"]
        text = asked.get("payload") or payload(nonce, int(asked["size"]))
        body = orjson.dumps({"nonce": nonce, "payload": text, "deployment": deployment})
        if len(nonce) % 2:
            await visit.send(whole(body))
            return
        half = len(body) // 2
        await visit.send(chunked_head("application/json") + chunk(body[:half]))
        await visit.send(chunk(body[half:]) + b"0\r\n\r\n")

    async def _events(self, visit: Visit, nonce: str) -> None:
        await visit.send(chunked_head("text/event-stream"))
        gone = asyncio.create_task(visit.gone())
        while not gone.done():
            with suppress(OSError):
                await visit.send(chunk(f"data: {nonce}\n\n".encode()))
            await asyncio.wait([gone], timeout=BEAT)

    async def _socket(self, visit: Visit, key: bytes) -> None:
        await visit.send(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-accept: %b\r\n\r\n" % accept(key)
        )
        await echo(Socket(ConnectionType.SERVER, visit.reader, visit.writer))
        await visit.gone()


def one_of_each(query: str) -> dict[str, str]:
    """The values of a query."""
    return {name: values[0] for name, values in parse_qs(query).items()}
