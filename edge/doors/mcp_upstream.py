"""Passes MCP through to a function that is an MCP server itself, behind the token check.

Bodies pass as they come, both ways. What the edge says is the session id, which is its own, and
what a token of some tools is shown. Not here: functions as tools (`edge.doors.mcp`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic

import anyio

from edge.doors import answering, mcp_bodies
from edge.doors.asgi import Inbox, Message, Pace, Receive, Reply
from edge.doors.asked import Asked
from edge.doors.mcp_eras import Bridged, McpEras
from edge.doors.own_answers import dressed
from edge.doors.rendering import Rendered
from edge.doors.reopening import reopen
from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.forwarding import homes
from edge.forwarding.forwarder import Call, Forwarder, Relayed
from edge.forwarding.wire import PIECE, BodyMismatch, UpstreamFailure
from edge.gate.decisions import Bridge
from edge.message import Body, Headers, first
from edge.state.streams import OpenStream, OpenStreams
from edge.state.upstream_sessions import UpstreamSessions
from mcp_bridge import narrowing, passthrough
from mcp_bridge.admission import SESSION_ID, Rejection, session_not_found
from mcp_bridge.endpoint import Whole
from mcp_bridge.judging import rejected
from mcp_bridge.upstream_session import UpstreamSession, opening_of
from tokens.model import Scopes


@dataclass(frozen=True, slots=True)
class McpUpstreamDoor:
    """What passing MCP through needs.

    Attributes:
        pace: how slowly a request body may come.
        log: told of errors that are the edge's own, with the request id.
        draining: whether the worker is ending.
        max_body: bytes of a message.
        max_answer: bytes of an answer, or of one event, that must be read before it is sent on.
        max_depth: of a message that must be read.
        max_timeout: milliseconds that no function's own timeout exceeds.
    """

    forwarder: Forwarder
    streams: OpenStreams
    sessions: UpstreamSessions
    eras: McpEras
    pace: Pace
    log: Callable[[BaseException, bytes], None]
    draining: Callable[[], bool]
    max_body: int
    max_answer: int
    max_depth: int
    max_timeout: int

    async def serve(self, asked: Asked, decision: Bridge, receive: Receive, reply: Reply) -> None:
        """Answer one request to `/mcp`, and stop at once if the client leaves.

        The function's request is then aborted, which for the stateless revision cancels the call.
        """
        connection = reply.connection
        inbox = Inbox(connection, receive, reply.account, self.pace, self.max_body)
        with anyio.CancelScope() as leaving:
            connection.when_left(leaving.cancel)
            await _Passing(self, asked, decision, inbox, reply).run()


@dataclass(frozen=True, slots=True)
class _Message:
    """What is sent to the function.

    Attributes:
        body: bytes where it may have to be sent again, else pieces as they come.
        session: that it belongs to.
    """

    body: Body | bytes | None = field(repr=False)
    length: int | None
    session: UpstreamSession | None

    @property
    def known(self) -> bytes:
        """The body where it was read, else nothing."""
        return self.body if isinstance(self.body, bytes) else b""


@dataclass(frozen=True, slots=True)
class _Passing:
    """One request being passed through."""

    door: McpUpstreamDoor
    asked: Asked
    decision: Bridge
    inbox: Inbox
    reply: Reply

    async def run(self) -> None:
        try:
            await self._pass()
        except Rejection as rejection:
            await self._short(rejected(self.asked.request_id.decode(), rejection))
        except EdgeError as error:
            await self._give_up(error.refusal)
        except UpstreamFailure:
            await self._give_up(refusal(Errors.UPSTREAM_INVALID, "The answer broke off."))
        except BodyMismatch:
            self.reply.abort()
        except Exception as error:
            self.door.log(error, self.asked.request_id)
            await self._give_up(refusal(Errors.INTERNAL))

    async def _give_up(self, refused: Refusal) -> None:
        await answering.give_up(self.asked, self.inbox, self.reply, refused)

    async def _short(self, whole: Whole) -> None:
        made = Rendered(whole.status, whole.fields + self.asked.common, whole.body)
        await answering.answer(self.asked, self.inbox, self.reply, made)

    async def _pass(self) -> None:
        head = self.asked.head
        passthrough.check_method(head.method)
        session = self._session()
        if head.method == "DELETE" and session is not None:
            await self._end(session)
            return
        across = await self._across()
        message = await self._message(session, whole=across is not None)
        account = self.reply.account
        account.mcp_method, account.tool = passthrough.named(message.known, self.door.max_depth)
        scopes = self._scopes
        if head.method == "POST" and scopes is not None:
            narrowing.check_message(message.known, head.headers, scopes, self.door.max_depth)
        if across is None:
            await self._send(message)
        else:
            answer = partial(self.door.eras.serve, across, message.known, self._told)
            await self._while_good(answer)

    async def _told(self, message: Message) -> None:
        """Send on what the SDK answers, with the fields of every answer."""
        if message["type"] == "http.response.start":
            said = tuple(message.get("headers", ()))
            fields = dressed(self.asked, said, checked=self.decision.checked)
            await self.reply.start(message["status"], fields)
            return
        if message.get("body"):
            await self.reply.piece(message["body"])
        if not message.get("more_body", False):
            await self.reply.end()

    async def _across(self) -> Bridged | None:
        """The request as it is carried to a server of the other era; None if it need not be."""
        if not self.decision.place.function.config.mcp.bridge:
            return None
        call = self._call(_Message(None, None, None), None)
        stateless = passthrough.of_stateless_era(self.asked.head.headers)
        if not await self.door.eras.needs(call, stateless=stateless):
            return None
        return Bridged(call, stateless, self._scopes)

    @property
    def _scopes(self) -> Scopes | None:
        """Those of a token that covers some tools alone, else None."""
        principal = self.decision.principal
        if principal is None or not self.decision.checked or principal.scopes.every_tool:
            return None
        return principal.scopes

    @property
    def _lineage(self) -> str:
        principal = self.decision.principal
        return "" if principal is None else principal.lineage

    def _session(self) -> UpstreamSession | None:
        text = passthrough.named_session(self.asked.head.headers)
        if text is None:
            return None
        slug = self.decision.place.function.slug
        session = self.door.sessions.find(text, slug, self._lineage)
        if session is None:
            raise session_not_found()
        return session

    async def _message(self, session: UpstreamSession | None, *, whole: bool) -> _Message:
        """The request's body: read whole where it is short, judged, or perhaps sent again."""
        length = first(self.asked.head.headers, b"content-length")
        if length is not None and int(length) > self.door.max_body:
            text = f"A message has at most {self.door.max_body} bytes."
            raise EdgeError(refusal(Errors.BODY_TOO_LARGE, text))
        whole = whole or session is not None or self._scopes is not None
        pieces, held = self.inbox.body(), bytearray()
        async for piece in pieces:
            held += piece
            if len(held) > PIECE and not whole:
                size = None if length is None else int(length)
                return _Message(mcp_bodies.joined(bytes(held), pieces), size, session)
        return _Message(bytes(held) or None, None, session)

    def _call(self, message: _Message, home: str | None) -> Call:
        """A request to the function, to where the session is at home."""
        place, head = self.decision.place, self.asked.head
        function, own_id = homes.at_home(place.function, home)
        path = function.config.mcp.upstream or "/mcp"
        fields = passthrough.request_fields(head.headers, own_id)
        if self._scopes is not None:
            fields = passthrough.readable(fields)
        return Call(
            function=function,
            principal=self.decision.principal,
            ids=self.asked.ids,
            caller=self.asked.caller(place),
            trigger="mcp",
            method=head.method,
            target=passthrough.target(path, place.target),
            headers=fields,
            body=message.body,
            length=message.length,
            checked=self.decision.checked,
            timeout=min(function.config.timeout, self.door.max_timeout),
        )

    async def _send(self, message: _Message) -> None:
        """Send a message on, once more if the function has forgotten its session."""
        session = message.session
        self.reply.account.set_out = monotonic()
        if session is None:
            async with self.door.forwarder.send(self._call(message, None)) as relayed:
                await self._relay(relayed, message, None)
            return
        home = self.door.sessions.current(session)
        if await self._is_answered(message, home):
            return
        home = await self._reopened(session, home)
        call = self._call(message, home)
        call = replace(call, headers=passthrough.resent_fields(call.headers))
        async with self.door.forwarder.send(call) as relayed:
            await self._relay(relayed, message, home)

    async def _is_answered(self, message: _Message, home: str) -> bool:
        """Send a message of a session on; False if the session is no more, and nothing was done."""
        try:
            async with self.door.forwarder.send(self._call(message, home)) as relayed:
                begun = await mcp_bodies.complaint(relayed)
                if passthrough.is_session_dead(relayed.status, begun):
                    return False
                await self._relay(relayed, message, home, begun)
        except EdgeError as error:
            if self.reply.started or not homes.is_gone(error, self.decision.place.function):
                raise
            return False
        return True

    async def _reopened(self, session: UpstreamSession, dead: str) -> str:
        if session.opening is None:
            raise session_not_found()
        opening, limit = session.opening, self.door.max_answer
        call = self._call(_Message(None, None, None), None)

        async def opens() -> str | None:
            return await reopen(self.door.forwarder, call, opening, limit)

        fresh = await self.door.sessions.reopened(session, dead, opens)
        if fresh is None:
            raise session_not_found()
        return fresh

    async def _end(self, session: UpstreamSession) -> None:
        """End a session here, whatever the function says of it; it is told."""
        home = self.door.sessions.current(session)
        await self.door.sessions.end(session)
        call = self._call(_Message(None, None, session), home)
        try:
            async with self.door.forwarder.send(call) as relayed:
                if relayed.status < 300:
                    await self._relay(relayed, _Message(None, None, None), home)
                    return
        except EdgeError:
            pass
        await self._short(Whole(204))

    async def _relay(
        self, relayed: Relayed, message: _Message, home: str | None, begun: bytes = b""
    ) -> None:
        """Send the function's answer on, piece by piece; an event stream ends with its token.

        Args:
            begun: what was read of its body.
        """
        shown = self._shown_id(relayed, message, home)
        fields = passthrough.answer_fields(relayed.headers, shown)
        body = mcp_bodies.joined(begun, relayed.answer.body)
        if self._scopes is not None:
            fields, body = await self._narrowed(relayed, self._scopes, fields, body)
        await self.reply.start(
            relayed.status,
            fields + self.asked.limits,
            reason=relayed.answer.reason,
            close=not self.inbox.complete,
        )
        if not relayed.is_event_stream:
            await self._pieces(body)
            await self.reply.end()
        else:
            await self._stream(body)

    def _shown_id(self, relayed: Relayed, message: _Message, home: str | None) -> str | None:
        """The session id that the client is told, if the function tells one."""
        value = first(relayed.headers, SESSION_ID)
        if value is None:
            return None
        answer, session = relayed.answer, message.session
        said = homes.home(answer.upstream, answer.instance, value)
        if session is not None and said == home:
            return session.text
        opening = opening_of(message.known) if session is None else session.opening
        slug = self.decision.place.function.slug
        made = self.door.sessions.made(said, opening, slug, self._lineage)
        if made is None:
            text = "The function's Mcp-Session-Id is not visible ASCII, or is too long."
            raise EdgeError(refusal(Errors.UPSTREAM_INVALID, text))
        return made

    async def _narrowed(
        self, relayed: Relayed, scopes: Scopes, fields: Headers, body: Body
    ) -> tuple[Headers, Body]:
        """The answer as a token of some tools is shown it."""
        unreadable = refusal(Errors.UPSTREAM_INVALID, "The function's answer cannot be read.")
        if first(fields, b"content-encoding") not in (None, b"identity"):
            raise EdgeError(unreadable)
        unsized = tuple(pair for pair in fields if pair[0] != b"content-length")
        if relayed.is_event_stream:
            events = narrowing.NarrowedEvents(scopes, self.door.max_answer)
            return unsized, mcp_bodies.narrowed_events(events, body)
        said = await mcp_bodies.whole(body, self.door.max_answer)
        try:
            shown = narrowing.narrowed(said, scopes) if said else said
        except ValueError:
            raise EdgeError(unreadable) from None
        sized = (*unsized, (b"content-length", b"%d" % len(shown)))
        return sized if shown else fields, mcp_bodies.joined(shown)

    async def _stream(self, body: Body) -> None:
        """Send an event stream on, until its token is good no more or the edge shuts down."""

        async def send() -> None:
            await self._pieces(body)
            await self.reply.end()

        await self._while_good(send)

    async def _while_good(self, answer: Callable[[], Awaitable[None]]) -> None:
        """Answer until that is done, the token is good no more, or the edge shuts down."""
        head, decision = self.asked.head, self.decision
        with anyio.CancelScope() as ending:
            stream = OpenStream(head, decision.until, lambda: self._end_stream(ending))
            with self.door.streams.holding(stream):
                await answer()
        if ending.cancelled_caught and head.method == "GET" and self.door.draining():
            await self.reply.end()
        elif ending.cancelled_caught:
            self.reply.abort()

    def _end_stream(self, ending: anyio.CancelScope) -> None:
        """End a stream, but not a call that may finish while the edge shuts down."""
        lasts = passthrough.has_no_end(self.asked.head.method, self.asked.head.headers)
        if lasts or not self.door.draining():
            ending.cancel()

    async def _pieces(self, body: Body) -> None:
        async for piece in body:
            await self.reply.piece(piece)
