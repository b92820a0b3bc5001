"""Answers clients of the era that a function's MCP server does not speak, with `config.mcp.bridge`.

Which eras it speaks is asked of the server, and asked again after a while. Not here: how a request
is carried across (`mcp_bridge.upstream`).
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from edge.doors import mcp_bodies
from edge.errors import EdgeError, Errors, refusal
from edge.forwarding.forwarder import Call, Forwarder
from edge.message import Body, Headers
from mcp_bridge import passthrough
from mcp_bridge.admission import Rejection
from mcp_bridge.exchange import Send, scope_of
from mcp_bridge.upstream import Eras, UnavailableError, UpstreamBridge
from mcp_bridge.upstream_client import Answer, Exchange
from tokens.model import Scopes

KNOWN_SECONDS = 60.0
"""For which a server is taken to speak what it spoke."""

MAX_KNOWN = 1024
"""Deployments whose eras are remembered."""


@dataclass(frozen=True, slots=True)
class Bridged:
    """One request to be carried across.

    Attributes:
        call: a request to the function's MCP endpoint, as the caller's would be.
        stateless: whether the client speaks the stateless revision.
        scopes: of a token that covers some tools alone, else None.
    """

    call: Call
    stateless: bool
    scopes: Scopes | None


class McpEras:
    """Knows which eras servers speak, and speaks for them; of one event loop."""

    def __init__(
        self,
        bridge: UpstreamBridge,
        forwarder: Forwarder,
        max_answer: int,
        monotonic: Callable[[], float],
    ) -> None:
        """Args: max_answer: bytes of an answer that is no event stream."""
        self._bridge = bridge
        self._forwarder = forwarder
        self._max_answer = max_answer
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[Eras, float]] = OrderedDict()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve while inside; enter and leave in the same task, once."""
        async with self._bridge.run():
            yield

    async def needs(self, call: Call, *, stateless: bool) -> bool:
        """Whether a client of this era must be spoken for; False if the server cannot say now.

        Raises:
            EdgeError: the function gave no answer.
        """
        eras = await self._eras(call)
        return eras.serve(stateless=not stateless) and not eras.serve(stateless=stateless)

    async def _eras(self, call: Call) -> Eras:
        deployment, now = call.function.live.id, self._monotonic()
        known, until = self._known.get(deployment, (None, 0.0))
        if known is not None and now < until:
            return known
        try:
            with anyio.fail_after(call.timeout / 1000):
                eras = await self._bridge.eras(self._exchange(call))
        except UnavailableError:
            return Eras(handshake=False, stateless=False)
        except TimeoutError:
            raise EdgeError(refusal(Errors.UPSTREAM_TIMEOUT)) from None
        if eras.handshake or eras.stateless:
            self._known[deployment] = (eras, now + KNOWN_SECONDS)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return eras

    async def serve(self, bridged: Bridged, body: bytes, send: Send) -> None:
        """Answer one request.

        Raises:
            Rejection: its method has no meaning across.
            EdgeError: the function gave no answer.
        """
        if bridged.call.method != "POST":
            message = f"{bridged.call.method} is not served here; use POST."
            raise Rejection(405, "method_not_allowed", message, headers=((b"allow", b"POST"),))

        await self._bridge.serve(
            self._exchange(bridged.call),
            scope_of("POST", "/mcp", passthrough.bridged_fields(bridged.call.headers)),
            body,
            send,
            stateless=bridged.stateless,
            scopes=bridged.scopes,
        )

    def _exchange(self, call: Call) -> Exchange:
        """How the SDK's client reaches the function: as the caller would, by the same gate."""

        @asynccontextmanager
        async def exchange(method: str, said: Headers, body: bytes) -> AsyncIterator[Answer]:
            fields = passthrough.own_fields(call.headers, said)
            sent = replace(call, method=method, headers=fields, body=body or None, length=None)
            async with self._forwarder.send(sent) as relayed:
                pieces = relayed.answer.body
                if not relayed.is_event_stream:
                    pieces = mcp_bodies.bounded(pieces, self._max_answer)
                yield _Answer(relayed.status, relayed.answer.headers, pieces)

        return exchange


@dataclass(frozen=True, slots=True)
class _Answer:
    """A function's answer, which the SDK's client reads."""

    status: int
    headers: Headers
    body: Body
