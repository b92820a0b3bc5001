"""MCP clients of bytes, on every way through the edge: each answer's frames as they come.

`WAYS` names the ways: the fast lane and the ASGI lane over HTTP/1.1, and HTTP/2.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest

from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import PATIENCE, Answer, Fields, Http1Client, request
from tests.support.http2_client import Http2Client
from tests.support.mcp_function import by_name, document
from tests.support.origin import Origin

STATELESS = "2026-07-28"
WAYS = {"fast": (True, "1.1"), "asgi": (False, "1.1"), "http2": (True, "2")}
"""Whether there is a fast lane, and the version of HTTP."""

EACH_WAY = [pytest.param(way, marks=pytest.mark.slow if way == "asgi" else ()) for way in WAYS]
"""As parameters: HTTP/2 is on the ASGI lane too, and every day that is enough."""

ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
}
JSON_AND_EVENTS = "application/json, text/event-stream"


class Exchange(Protocol):
    """One request whose answer is coming."""

    async def head(self) -> Answer:
        """The answer, its body as far as it has come."""
        ...

    async def more(self) -> bool:
        """Wait for more of the body; False if there is none."""
        ...

    async def leave(self) -> None:
        """Go away without waiting for the rest."""
        ...


@dataclass
class Over1:
    """An exchange on a connection of HTTP/1.1."""

    client: Http1Client
    method: str
    answer: Answer | None = None

    async def head(self) -> Answer:
        """See Exchange."""
        if self.answer is None:
            self.answer = await self.client.head()
        return self.answer

    async def more(self) -> bool:
        """See Exchange."""
        answer = await self.head()
        if not answer.all("transfer-encoding"):
            before = len(answer.body)
            await self.client.body(answer, self.method)
            return len(answer.body) > before
        try:
            piece = await self.client.chunk()
            if not piece:
                assert await self.client.reader.readuntil(b"\r\n") == b"\r\n"
                answer.whole = True
        except (asyncio.IncompleteReadError, OSError):
            return False
        answer.body += piece
        return bool(piece)

    async def leave(self) -> None:
        """See Exchange."""
        self.client.reset()


@dataclass
class Over2:
    """An exchange on a connection of HTTP/2."""

    client: Http2Client
    stream: int

    async def head(self) -> Answer:
        """See Exchange."""
        return await self.client.until(self.stream)

    async def more(self) -> bool:
        """See Exchange."""
        answer = await self.head()
        before = len(answer.body)
        await self.client.until(self.stream, before + 1)
        return len(answer.body) > before

    async def leave(self) -> None:
        """See Exchange."""
        await self.client.leave(self.stream)


@dataclass
class Reading:
    """Reads one answer, event by event where it is a stream."""

    exchange: Exchange
    _at: int = 0

    async def head(self) -> Answer:
        """Status and fields."""
        async with asyncio.timeout(PATIENCE):
            return await self.exchange.head()

    async def frame(self) -> str:
        """The next event or comment of a stream, as it is, without its empty line."""
        answer = await self.head()
        async with asyncio.timeout(PATIENCE):
            while (end := answer.body.find(b"\n\n", self._at)) < 0:
                assert await self.exchange.more(), f"ended: {bytes(answer.body[self._at :])!r}"
        text = bytes(answer.body[self._at : end])
        self._at = end + 2
        return text.decode()

    async def message(self) -> Any:
        """The next event's JSON-RPC message; comments and empty events are let go by."""
        while True:
            fields = dict(line.split(":", 1) for line in (await self.frame()).split("\n"))
            if fields.get("data", "").strip():
                assert fields["event"] == " message"
                return orjson.loads(fields["data"])

    async def end(self) -> Answer:
        """The whole answer, once it has ended, however it did."""
        answer = await self.head()
        async with asyncio.timeout(PATIENCE):
            while await self.exchange.more():
                pass
        return answer

    async def rest(self) -> list[Any]:
        """The messages that are still to come; the answer has to end in order."""
        answer = await self.end()
        assert answer.whole
        found = []
        while self._at < len(answer.body):
            found.append(await self.message())
        return found

    async def result(self) -> Any:
        """The answer's one message as JSON, or the last of a stream."""
        if (await self.head()).one("content-type") == "text/event-stream":
            return (await self.rest())[-1]
        answer = await self.end()
        assert answer.whole
        return answer.json

    async def leave(self) -> None:
        """Go away without waiting for the rest."""
        await self.exchange.leave()


@dataclass
class McpClient:
    """A client with one token; every exchange over HTTP/1.1 has a connection of its own."""

    edge: EdgeInProcess
    version: str
    stack: AsyncExitStack
    token: str
    host: str = "shop.fn.localhost"
    _http2: Http2Client | None = None
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    async def begin(
        self, method: str, fields: Fields = (), body: bytes | None = None, *, end: bool = True
    ) -> Reading:
        """Send one request to `/mcp`; over HTTP/2, one without `end` may have a body later."""
        sent = [("x-jelou-token", self.token), *fields]
        if self.version == "1.1":
            client = await self.stack.enter_async_context(self.edge.http1())
            await client.send(request("/mcp", method, sent, body, host=self.host))
            return Reading(Over1(client, method))
        if self._http2 is None:
            self._http2 = await self.stack.enter_async_context(self.edge.http2())
        ends = end and body is None
        stream = await self._http2.begin("/mcp", method, sent, host=self.host, end=ends)
        if body is not None:
            await self._http2.send(stream, body, end=True)
        return Reading(Over2(self._http2, stream))

    async def post(
        self, message: Any, fields: Fields = (), accept: str = JSON_AND_EVENTS
    ) -> Reading:
        """Send one message, or bytes as they are."""
        body = message if isinstance(message, bytes) else orjson.dumps(message)
        kind = [("content-type", "application/json"), ("accept", accept)]
        return await self.begin("POST", [*kind, *fields], body)

    async def ask(
        self,
        rpc: str,
        params: Any = None,
        *,
        id: Any = None,  # noqa: A002
        session: str = "",
        **more: Any,
    ) -> Reading:
        """Begin a request of a handshake revision; `more` as for `post`."""
        message = {"jsonrpc": "2.0", "id": next(self._ids) if id is None else id, "method": rpc}
        fields = [*more.pop("fields", ()), *([("mcp-session-id", session)] if session else ())]
        return await self.post(
            message if params is None else {**message, "params": params}, fields, **more
        )

    async def call(
        self,
        name: str,
        arguments: Any = None,
        *,
        meta: Any = None,
        **more: Any,
    ) -> Reading:
        """Begin a `tools/call` of a handshake revision; `more` as for `ask`."""
        params = {"name": name, "arguments": arguments or {}, **({"_meta": meta} if meta else {})}
        return await self.ask("tools/call", params, **more)

    async def stateless(
        self,
        rpc: str,
        params: dict[str, Any] | None = None,
        *,
        meta: Any = None,
        id: Any = None,  # noqa: A002
        **more: Any,
    ) -> Reading:
        """Begin a request of the stateless revision; `more` as for `post`."""
        named = [("mcp-name", params["name"])] if params and "name" in params else []
        routing = [("mcp-protocol-version", STATELESS), ("mcp-method", rpc), *named]
        fields = [*routing, *more.pop("fields", ())]
        whole = {**(params or {}), "_meta": {**ENVELOPE, **(meta or {})}}
        return await self.ask(rpc, whole, id=id, fields=fields, **more)

    async def session(self, revision: str = "2025-11-25") -> str:
        """The id of a new session."""
        answer = await (await self.initialize(revision)).end()
        assert answer.status == 200, answer
        return answer.one("mcp-session-id")

    async def initialize(self, revision: str = "2025-11-25") -> Reading:
        """Shake hands."""
        who = {"name": "test", "version": "1"}
        params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": who}
        return await self.ask("initialize", params)

    async def notify(self, rpc: str, params: Any, session: str = "") -> Answer:
        """Send a notification; the answer to it."""
        fields = [("mcp-session-id", session)] if session else []
        message = {"jsonrpc": "2.0", "method": rpc, "params": params}
        return await (await self.post(message, fields)).end()

    async def cancel(self, id: Any, session: str = "") -> Answer:  # noqa: A002
        """Send `notifications/cancelled`."""
        return await self.notify("notifications/cancelled", {"requestId": id}, session)

    async def watch(self, session: str, last: str = "", **more: Any) -> Reading:
        """Open the stream of a session; `last` is `Last-Event-ID`."""
        seen = [("last-event-id", last)] if last else []
        fields = [("accept", "text/event-stream"), ("mcp-session-id", session), *seen]
        return await self.begin("GET", [*fields, *more.pop("fields", ())], **more)

    async def listen(self, wanted: Any, **more: Any) -> Reading:
        """Begin a `subscriptions/listen`."""
        return await self.stateless("subscriptions/listen", {"notifications": wanted}, **more)


@asynccontextmanager
async def connected(
    edge: EdgeInProcess, version: str, token: str = "", host: str = ""
) -> AsyncIterator[McpClient]:
    """A client; all its connections are ended at the end."""
    async with AsyncExitStack() as stack:
        yield McpClient(edge, version, stack, token or edge.token, host or "shop.fn.localhost")


TOOLS = ("echo", "hold", "one", "two")
"""What the function of `serving_tools` has."""


@asynccontextmanager
async def serving_tools(
    way: str, directory: Path, origin: Origin, *, config: Any = None, **settings: Any
) -> AsyncIterator[McpClient]:
    """An edge before a function of `TOOLS` that echoes, and a client that comes by that way.

    Args:
        config: keys of `config` of the function.
        settings: of the edge.
    """
    fast, version = WAYS[way]
    origin.behaviour = by_name({})
    async with running(directory, fast_lane=fast, **settings) as edge:
        edge.deploy(origin.upstream, document=document(*TOOLS), **(config or {}))
        async with connected(edge, version) as client:
            yield client


def text_of(answer: Any) -> str:
    """The text of a result."""
    return str(answer["result"]["content"][0]["text"])


def good(answer: Any) -> Any:
    """The value of a result that says that the call went well."""
    assert answer["result"].get("isError", False) is False, answer
    return orjson.loads(text_of(answer))


def refused(answer: Any) -> str:
    """The text of a result that says that the call failed."""
    assert answer["result"]["isError"] is True, answer
    return text_of(answer)
