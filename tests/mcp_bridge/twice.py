"""One request to `/mcp` answered twice: without the SDK's server where that is done, and by it.

Not over sockets: what is compared is what each makes of the same values.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp_bridge.admission import Rejection, admit
from mcp_bridge.calls import ToolCall
from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.jsonrpc import MessageError, read_message
from mcp_bridge.judging import Bounds, ForSdk, Judge, Outcome
from mcp_bridge.pages import Pages
from mcp_bridge.rounds import Rounds
from mcp_bridge.server import SdkServer
from mcp_bridge.serving import Bridge
from mcp_bridge.session import MemoryEndedSessions, SessionKey
from mcp_bridge.targets import Targets
from mcp_bridge.tools import ToolRequest
from tests.mcp_bridge.serving import Answer, Calls, Function, MiB4

NOW = 1_800_000_000.0
DEPTH = 128
KEYS = (SessionKey("k1", b"k" * 32),)


@dataclass
class Told:
    """What came of a request.

    Attributes:
        told: the JSON-RPC message, or None.
        asked: requests that reached the function: method, target, fields, body.
        frames: what the client was told before.
    """

    status: int
    told: Any
    asked: list[tuple[Any, ...]]
    frames: list[Any] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether the request got a result."""
        return isinstance(self.told, dict) and "result" in self.told

    @property
    def text(self) -> str:
        """The message as text that tells 1, 1.0 and true apart."""
        return json.dumps(self.told, sort_keys=True)


@dataclass
class Recorded:
    """Takes an answer; fulfils `serving.Reply`."""

    status: int = 0
    body: bytes = b""
    pieces: list[bytes] = field(default_factory=list)

    async def whole(self, answer: Whole) -> None:
        """See `serving.Reply`."""
        self.status, self.body = answer.status, answer.body

    async def start(self) -> None:
        """See `serving.Reply`."""
        self.status = 200

    async def piece(self, data: bytes) -> None:
        """See `serving.Reply`."""
        self.pieces.append(data)

    async def end(self) -> None:
        """See `serving.Reply`."""


class Twice:
    """A bridge whose two ways of answering can be asked apart."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        pages, targets, bounds = Pages(), Targets(), Bounds(MiB4, MiB4)
        ended = MemoryEndedSessions(lambda: NOW)
        rounds = Rounds(lambda: KEYS, lambda: NOW, os.urandom)
        self.sdk = SdkServer(pages, targets, bounds.body, bounds.result)
        self.bridge = Bridge(
            judge=Judge(lambda: KEYS, ended, lambda: NOW, pages, targets, rounds, bounds),
            sdk=self.sdk,
            calls=Calls(),
            ended=ended,
            keys=lambda: KEYS,
            clock=lambda: NOW,
            random=os.urandom,
            may_mint=lambda lineage, now: None,
        )

    def judged(self, endpoint: Endpoint, request: McpRequest) -> Outcome:
        """What the bridge makes of a request."""
        return self.bridge.judge(endpoint, request)

    async def without_sdk(
        self, endpoint: Endpoint, request: McpRequest, outcome: Outcome
    ) -> Told | None:
        """What is answered without the SDK's server; None if that is not done."""
        if not isinstance(outcome, Whole | ToolCall):
            return None
        function, reply = Function(self._answer), Recorded()
        await self.bridge.carry_out(endpoint, function, request, outcome, reply)
        *before, last = _messages(reply.pieces) if reply.pieces else [_json(reply.body)]
        return Told(reply.status, last, _asked(function.requests), before)

    async def by_sdk(self, endpoint: Endpoint, request: McpRequest) -> Told | None:
        """What the SDK answers; None if it would never be asked."""
        try:
            admitted = admit(request.head, lambda _: None)
            message = read_message(request.body, DEPTH)
        except (Rejection, MessageError):
            return None
        function = Function(self._answer)
        whole = await self.sdk.answer(endpoint, function, request, ForSdk(admitted, message))
        return Told(whole.status, _json(whole.body), _asked(function.requests))


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None


def _messages(pieces: Sequence[bytes]) -> list[Any]:
    lines = b"".join(pieces).split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


def _asked(requests: Sequence[ToolRequest]) -> list[tuple[Any, ...]]:
    return [(r.method, r.target, sorted(r.headers), r.body) for r in requests]


@asynccontextmanager
async def twice(answer: Answer) -> AsyncIterator[Twice]:
    """Both, before a function that answers like this."""
    both = Twice(answer)
    async with both.bridge.run():
        yield both
