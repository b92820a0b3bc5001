"""The SDK's client of a function that is an MCP server, over requests that the edge sends itself.

Not here: what it is asked (`mcp_bridge.upstream`).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_bridge.revisions import STATELESS

Fields = tuple[tuple[bytes, bytes], ...]

_UNAVAILABLE = frozenset({429, 502, 503, 504})
"""Statuses that say nothing of what was asked, but that it cannot be answered now (RFC 9110 §15.6,
RFC 6585 §4)."""

_URL = "http://upstream/"
"""Nobody connects to it: the transport knows the way."""


class Answer(Protocol):
    """A function's answer: its head, and its body as it comes."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Fields:
        """End-to-end fields, names in lower case."""
        ...

    @property
    def body(self) -> AsyncIterator[bytes]:
        """Pieces, once."""
        ...


Exchange = Callable[[str, Fields, bytes], AbstractAsyncContextManager[Answer]]
"""Sends one request (method, what MCP says in fields, body) to the function's MCP endpoint."""


class Transport(httpx2.AsyncBaseTransport):
    """HTTP for the SDK's client, over an exchange of the caller's.

    Attributes:
        failure: what an exchange failed with, which the client would tell otherwise.
        unavailable: whether the last answer was that there is none now.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.failure: Exception | None = None
        self.unavailable = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(405)  # a client for one request awaits no news
        body = await request.aread()
        fields = _said(request.headers)
        async with AsyncExitStack() as stack:
            try:
                sent = self._exchange(request.method, fields, body)
                answer = await stack.enter_async_context(sent)
                self.unavailable = answer.status in _UNAVAILABLE
                if not _is_event_stream(answer.headers):
                    whole = b"".join([piece async for piece in answer.body])
                    return httpx2.Response(
                        answer.status, headers=list(answer.headers), content=whole
                    )
            except Exception as error:
                self.failure = error
                return httpx2.Response(502)
            stream = _Stream(self._whole(answer.body), stack.pop_all())
        return httpx2.Response(answer.status, headers=list(answer.headers), stream=stream)

    async def _whole(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in body:
                yield piece
        except Exception as error:
            self.failure = error
            raise httpx2.ReadError("the function's answer broke off") from None


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, body: AsyncIterator[bytes], stack: AsyncExitStack) -> None:
        self._body = body
        self._stack = stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            yield piece

    async def aclose(self) -> None:
        await self._stack.aclose()


def _is_event_stream(headers: Fields) -> bool:
    kinds = [value for name, value in headers if name == b"content-type"]
    return any(kind.strip().lower().startswith(b"text/event-stream") for kind in kinds)


def _said(headers: httpx2.Headers) -> Fields:
    """What MCP says in fields; the rest is the edge's to say."""
    return tuple(
        (name.lower(), value)
        for name, value in headers.raw
        if name.lower().startswith(b"mcp-") or name.lower() in (b"accept", b"content-type")
    )


async def discover(upstream: Client) -> None:
    """Ask what it is and can do: a client whose revision is given asks nothing by itself."""
    raw = await upstream.session.send_discover(STATELESS[-1])
    upstream.session.adopt(types.DiscoverResult.model_validate(raw))


@asynccontextmanager
async def client(transport: Transport, mode: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(transport=transport, timeout=None) as http:
        connection = streamable_http_client(_URL, http_client=http)
        async with Client(connection, mode=mode, cache=None) as client:
            yield client
