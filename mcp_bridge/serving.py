"""The MCP endpoint of every function of one worker: requests judged, and carried out by awaiting.

Who has callbacks of its own judges here and carries out the common calls itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import anyio.to_thread

from mcp_bridge.admission import SESSION_ID, Rejection
from mcp_bridge.calls import COMMENT_EVERY, STREAM_AFTER, ToolCall
from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.event_stream import COMMENT, event
from mcp_bridge.invoking import collect
from mcp_bridge.jsonrpc import RequestId
from mcp_bridge.jsontext import JSONError, parse
from mcp_bridge.judging import Cancel, End, ForSdk, Judge, Outcome, Waited, rejected
from mcp_bridge.revisions import HANDSHAKE
from mcp_bridge.server import SdkServer
from mcp_bridge.session import EndedSessions, Session, SessionKeys, open_session, sign
from mcp_bridge.tools import Invoker
from mcp_bridge.watching import Watch


class Reply(Protocol):
    """Where an answer goes; each call waits until the client takes more."""

    async def whole(self, answer: Whole) -> None:
        """The whole answer."""
        ...

    async def start(self) -> None:
        """Begin an answer that is an event stream: status 200, `event_stream.FIELDS`."""
        ...

    async def piece(self, data: bytes) -> None:
        """A piece of it."""
        ...

    async def end(self) -> None:
        """Its end, in order."""
        ...


class Calls(Protocol):
    """The calls of sessions that are being carried out, so that they can be cancelled."""

    def add(self, nonce: str, id: RequestId, cancel: Callable[[], None]) -> int:  # noqa: A002
        """A call of a session has begun; the ticket to remove it with."""
        ...

    def remove(self, nonce: str, id: RequestId, ticket: int) -> None:  # noqa: A002
        """It is over."""
        ...

    async def cancel(self, nonce: str, id: RequestId) -> object:  # noqa: A002
        """Cancel the one call of this id, in whichever worker; none if there are several."""
        ...


class Bridge:
    """Serves `/mcp` of every function; one instance per worker.

    Args:
        keys: gives the session keys, newest first; at least one.
        clock: Unix time, seconds.
        random: that many random bytes, for session ids.
        may_mint: given a token line, or a client where there is none, and the time: seconds for
            which it may open no session, or None if it may.
    """

    def __init__(
        self,
        judge: Judge,
        sdk: SdkServer,
        calls: Calls,
        ended: EndedSessions,
        keys: SessionKeys,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        may_mint: Callable[[str, float], float | None],
    ) -> None:
        self.judge = judge.judge
        self.digest = judge.digest
        self.calls = calls
        self._sdk = sdk
        self._ended = ended
        self._keys = keys
        self._clock = clock
        self._random = random
        self._may_mint = may_mint

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve while inside; enter and leave in the same task, once."""
        async with self._sdk.run():
            yield

    async def carry_out(
        self,
        endpoint: Endpoint,
        invoker: Invoker,
        request: McpRequest,
        outcome: Outcome,
        reply: Reply,
    ) -> None:
        """Answer a request that was judged; cancelling this aborts what was begun for it."""
        match outcome:
            case Whole():
                await reply.whole(outcome)
            case ToolCall():
                await _Running(outcome, invoker, reply, self.calls).run()
            case Watch():
                raise TypeError("streams are the composer's")
            case _:
                await reply.whole(await self.answer(endpoint, invoker, request, outcome))

    async def answer(
        self, endpoint: Endpoint, invoker: Invoker, request: McpRequest, outcome: Waited
    ) -> Whole:
        """The answer to what is neither a call nor a stream, and must be waited for."""
        match outcome:
            case End():
                await self._end(outcome.session)
                return Whole(204)
            case Cancel():
                await self.calls.cancel(outcome.session, outcome.id)
                return Whole(202)
            case ForSdk():
                return await self._ask_sdk(endpoint, invoker, request, outcome)

    async def _end(self, session: Session | None) -> None:
        if session is not None:
            await anyio.to_thread.run_sync(self._ended.end, session.nonce, float(session.expires))

    async def _ask_sdk(
        self, endpoint: Endpoint, invoker: Invoker, request: McpRequest, judged: ForSdk
    ) -> Whole:
        opens = judged.message.method == "initialize" and not judged.admitted.stateless
        who = endpoint.lineage or f"{endpoint.slug} {endpoint.client}"
        wait = self._may_mint(who, self._clock()) if opens else None
        if wait is not None:
            return rejected(request.id, _too_many_sessions(judged.message.id, wait))
        whole = await self._sdk.answer(endpoint, invoker, request, judged)
        return self._opened(endpoint, whole) if opens else whole

    def _opened(self, endpoint: Endpoint, whole: Whole) -> Whole:
        """A successful `initialize`, with the id of its session."""
        try:
            answered = parse(whole.body)["result"] if whole.status == 200 else {}
        except (JSONError, KeyError, TypeError):
            return whole
        revision = answered.get("protocolVersion")
        if revision not in HANDSHAKE:
            return whole
        session = open_session(
            endpoint.slug, endpoint.lineage, revision, self._clock(), self._random
        )
        named = (SESSION_ID, sign(session, self._keys()).encode("ascii"))
        return Whole(whole.status, whole.body, (*whole.headers, named))


def _too_many_sessions(rpc_id: RequestId, wait: float) -> Rejection:
    message = "Too many sessions were opened with this token; keep the session id of one."
    retry = (b"retry-after", b"%d" % max(1, -int(-wait // 1)))
    return Rejection(429, "rate_limited", message, id=rpc_id, headers=(retry,))


class _Running:
    """One call while it is carried out."""

    def __init__(self, call: ToolCall, invoker: Invoker, reply: Reply, calls: Calls) -> None:
        self._call = call
        self._invoker = invoker
        self._reply = reply
        self._calls = calls
        self._started = False
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        call = self._call
        work = asyncio.ensure_future(collect(call, self._invoker, self._piece))
        session, rpc_id = call.asking.session, call.asking.id

        def cancel() -> None:
            work.cancel()

        ticket = None if session is None else self._calls.add(session, rpc_id, cancel)
        try:
            if call.streaming:
                await self._start()
            whole = await self._awaited(work)
        finally:
            if session is not None and ticket is not None:
                self._calls.remove(session, rpc_id, ticket)
            work.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({work})
        await self._answer(whole)

    async def _awaited(self, work: "asyncio.Future[Whole]") -> Whole:
        """The answer; meanwhile, a call that takes long becomes a stream, with comments."""
        wait = COMMENT_EVERY if self._started else STREAM_AFTER
        while not (await asyncio.wait({work}, timeout=wait))[0]:
            wait = COMMENT_EVERY
            if self._started:
                await self._piece(COMMENT)
            elif self._call.turn_to_stream():
                await self._start()
        return self._call.cancelled() if work.cancelled() else work.result()

    async def _start(self) -> None:
        self._started = True
        await self._reply.start()

    async def _piece(self, data: bytes) -> None:
        async with self._writing:
            await self._reply.piece(data)

    async def _answer(self, whole: Whole) -> None:
        if self._started:
            await self._piece(event(whole.body))
            await self._reply.end()
        else:
            await self._reply.whole(whole)
