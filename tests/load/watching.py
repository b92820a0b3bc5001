"""Traffic of every kind, and an account of what its callers got, for what was counted."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.http2_client import Http2Client
from tests.support.whole_edge import Caller, Edge
from tests.support.whole_function import Function

SHOP, DOWN = "shop", "down"
EVENT = len(b"data: 0\n\n")


@dataclass
class Watched:
    """What was counted, or what callers got, as sums.

    Attributes:
        requests: by function, status, code, lane, whole.
        calls: of tools, by function, tool, result.
        received, sent: bytes of bodies, by function.
    """

    requests: Counter[tuple[str, int, str, str, bool]] = field(default_factory=Counter)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    def whole(self, function: str, lane: str, answer: "Got", received: int = 0) -> None:
        """A caller got an answer to its end."""
        self.requests[function, answer.status, answer.code, lane, True] += 1
        self._bytes(function, received, len(answer.body))

    def cut(self, function: str, lane: str, status: int = 0, sent: int = 0) -> None:
        """A caller left, with so much of an answer."""
        self.requests[function, status, "", lane, False] += 1
        self._bytes(function, 0, sent)

    def _bytes(self, function: str, received: int, sent: int) -> None:
        self.received[function] += received
        self.sent[function] += sent


@dataclass(frozen=True)
class Got:
    """An answer, whichever protocol brought it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of the edge's own error; empty for others."""
        if self.headers.get("x-jelou-error-source") != "edge":
            return ""
        said = json.loads(self.body)
        if self.status == 401:
            return "unauthorized"
        return str(said["error"]["data"]["code"] if "jsonrpc" in said else said["code"])


@dataclass(frozen=True)
class Request:
    """What to ask, and of which function it is counted.

    Attributes:
        call: a tool and the result that it gives.
    """

    function: str
    method: str
    target: str
    body: bytes | None = None
    has_token: bool = True
    call: tuple[str, str] | None = None


def _rpc(method: str, **params: Any) -> bytes:
    said = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.dumps(said).encode()


def _tool(name: str, result: str) -> Request:
    body = _rpc("tools/call", name=name, arguments={})
    return Request(SHOP, "POST", "/shop/mcp", body, call=(name, result))


KINDS = (
    Request(SHOP, "GET", "/shop/hello"),
    Request(SHOP, "POST", "/shop/echo", b"x" * 1234),
    Request(SHOP, "GET", "/shop/fail"),
    Request(SHOP, "GET", "/shop/hello", has_token=False),
    Request("", "GET", "/nobody"),
    Request(SHOP, "DELETE", "/shop/hello"),
    Request(DOWN, "GET", "/down/hello"),
    Request("edge", "POST", "/mcp", _rpc("tools/list")),
    Request(SHOP, "POST", "/shop/mcp", _rpc("tools/list")),
    _tool("hello", "ok"),
    _tool("fail", "error"),
)
"""What every caller asks, one after the other."""


@dataclass(frozen=True)
class Traffic:
    """Callers of an edge with two functions: one that works, and one that is not there.

    Attributes:
        tokens: by function.
        got: what callers got so far.
    """

    edge: Edge
    origin: Function
    tokens: Mapping[str, str]
    got: Watched = field(default_factory=Watched)

    async def run(self, callers: int, rounds: int, leavers: int) -> None:
        """So many callers of each protocol ask everything so often, while others leave."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(callers):
                tasks.create_task(self._http1(rounds))
                tasks.create_task(self._http2(rounds))
            tasks.create_task(self._leave(leavers))

    def _fields(self, request: Request) -> dict[str, str]:
        fields = {"accept": "application/json, text/event-stream"}
        if request.body is not None:
            fields["content-type"] = "application/json"
        if request.has_token:
            fields["x-jelou-token"] = self.tokens.get(request.function, self.tokens[SHOP])
        return fields

    def _note(self, request: Request, lane: str, answer: Got) -> None:
        self.got.whole(request.function, lane, answer, len(request.body or b""))
        if request.call is not None:
            assert answer.status == 200, answer
            self.got.calls[request.function, *request.call] += 1

    async def _http1(self, rounds: int) -> None:
        caller = await asyncio.to_thread(Caller, self.edge.port)
        for _ in range(rounds):
            for each in KINDS:
                fields = self._fields(each)
                answer = await asyncio.to_thread(
                    caller.ask, each.target, method=each.method, body=each.body, headers=fields
                )
                self._note(each, "fast", Got(answer.status, answer.headers, answer.body))
        caller.close()

    async def _http2(self, rounds: int) -> None:
        client = await Http2Client.connect("127.0.0.1", self.edge.port)
        for _ in range(rounds):
            for each in KINDS:
                fields = tuple(self._fields(each).items())
                answer = await client.ask(
                    each.target, each.method, fields, each.body, host="127.0.0.1"
                )
                got = Got(answer.status, dict(answer.headers), bytes(answer.body))
                self._note(each, "asgi", got)
        await client.aclose()

    async def _leave(self, times: int) -> None:
        """One after the other, so that each leaves when its own request has arrived."""
        for _ in range(times):
            await asyncio.to_thread(self._leave_http1)
            await self._leave_http2()

    def _leave_http1(self) -> None:
        waiting, reading = Caller(self.edge.port), Caller(self.edge.port)
        waiting.send("/shop/hold", self.tokens[SHOP])
        self.origin.wait_for_held(1)
        waiting.close()
        self.origin.wait_until_left()
        self.got.cut(SHOP, "fast")
        self.origin.next_event.release()
        answer = reading.send("/shop/events", self.tokens[SHOP]).connection.getresponse()
        assert len(answer.read(EVENT)) == EVENT
        answer.close()
        reading.close()
        self.origin.wait_until_left()
        self.got.cut(SHOP, "fast", 200, EVENT)

    async def _leave_http2(self) -> None:
        client = await Http2Client.connect("127.0.0.1", self.edge.port)
        fields = (("x-jelou-token", self.tokens[SHOP]),)
        stream = await client.begin("/shop/hold", fields=fields, host="127.0.0.1")
        await asyncio.to_thread(self.origin.wait_for_held, 1)
        await client.leave(stream)
        await asyncio.to_thread(self.origin.wait_until_left)
        self.got.cut(SHOP, "asgi")
        self.origin.next_event.release()
        stream = await client.begin("/shop/events", fields=fields, host="127.0.0.1")
        assert len((await client.until(stream, EVENT)).body) == EVENT
        await client.leave(stream)
        await asyncio.to_thread(self.origin.wait_until_left)
        self.got.cut(SHOP, "asgi", 200, EVENT)
        await client.aclose()
