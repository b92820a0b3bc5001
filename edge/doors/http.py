"""Carries out what the gate decided about a plain HTTP request."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import anyio

from edge.doors import answering, own_answers
from edge.doors.asgi import Inbox, Pace, Receive, Reply
from edge.doors.asked import Asked
from edge.doors.open_documents import OpenDocuments
from edge.doors.rendering import Rendered
from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.forwarding.forwarder import Call, Forwarder, Relayed
from edge.forwarding.forwarder import refused as failed
from edge.forwarding.wire import BodyMismatch, UpstreamFailure
from edge.gate.decisions import (
    Answer,
    Bridge,
    BridgeAll,
    Decision,
    Forward,
    Lookup,
    Open,
    Refuse,
    Status,
)
from edge.message import Body, Head, first
from edge.state.streams import OpenStream, OpenStreams


@dataclass(slots=True)
class WorkerState:
    """What the server tells the doors while it runs.

    Attributes:
        draining: whether the worker is ending.
        succeeded: whether another edge has taken its addresses, so that it ends unnoticed.
    """

    draining: bool = False
    succeeded: bool = False

    @property
    def refuses(self) -> bool:
        """Whether what comes now is told to come again."""
        return self.draining and not self.succeeded


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """What answering over HTTP needs.

    Attributes:
        log: told of errors that are the edge's own, with the request id.
        pace: how slowly a request body may come.
    """

    forwarder: Forwarder
    documents: OpenDocuments
    streams: OpenStreams
    state: WorkerState
    log: Callable[[BaseException, bytes], None]
    pace: Pace

    async def serve(self, asked: Asked, receive: Receive, reply: Reply) -> None:
        """Answer one request, and stop at once if the client leaves."""
        connection = reply.connection
        inbox = Inbox(connection, receive, reply.account, self.pace, _body_limit(asked.decision))
        with anyio.CancelScope() as leaving:
            connection.when_left(leaving.cancel)
            await _Exchange(self, asked, inbox, reply).run()


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request being answered."""

    door: HttpDoor
    asked: Asked
    inbox: Inbox
    reply: Reply

    async def run(self) -> None:
        try:
            await self._answer(self.asked.decision)
        except EdgeError as error:
            await self._give_up(error.refusal)
        except UpstreamFailure as failure:  # amid its answer
            self.reply.account.refused(failed(failure, 0))
            self.reply.abort()
        except BodyMismatch:
            self.reply.abort()
        except Exception as error:
            self.door.log(error, self.asked.request_id)
            await self._give_up(refusal(Errors.INTERNAL))

    async def _answer(self, decision: Decision) -> None:
        match decision:
            case Forward():
                await self._forward(decision)
            case Refuse():
                await self._give_up(decision.refusal)
            case Open():
                await self._open(decision)
            case Answer():
                await self._short(own_answers.at_once(self.asked, decision))
            case Status():
                await self._status(decision)
            case Bridge() | BridgeAll() | Lookup():
                raise TypeError(type(decision))

    async def _status(self, decision: Status) -> None:
        draining = self.door.state.refuses
        await self._short(own_answers.status(self.asked, decision, draining=draining))

    async def _open(self, decision: Open) -> None:
        document = await self.door.documents.render(decision.document, decision.place)
        await self._short(own_answers.document(self.asked, decision, document))

    async def _give_up(self, refused: Refusal) -> None:
        await answering.give_up(self.asked, self.inbox, self.reply, refused)

    async def _short(self, answer: Rendered) -> None:
        await answering.answer(self.asked, self.inbox, self.reply, answer)

    async def _forward(self, decision: Forward) -> None:
        place, head = decision.place, self.asked.head
        body, length = await _request_body(head, self.inbox)
        call = Call(
            function=place.function,
            principal=decision.principal,
            ids=self.asked.ids,
            caller=self.asked.caller(place),
            trigger="http",
            method=head.method,
            target=place.target,
            headers=head.headers,
            body=body,
            length=length,
            checked=decision.checked,
            timeout=decision.timeout,
        )
        self.reply.account.set_out = monotonic()
        async with self.door.forwarder.send(call) as relayed:
            await self._relay(relayed, decision)

    async def _relay(self, relayed: Relayed, decision: Forward) -> None:
        """Send the function's answer on, piece by piece; an event stream ends with its token."""
        has_trailers = first(relayed.answer.headers, b"trailer") is not None
        early = not self.inbox.complete
        await self.reply.start(
            relayed.status,
            relayed.headers + self.asked.limits,
            reason=relayed.answer.reason,
            close=early,
            trailers=has_trailers,
        )
        if relayed.is_event_stream and await self._is_ended(relayed, decision):
            self.reply.abort()
            return
        if not relayed.is_event_stream:
            await self._pieces(relayed)
        await self.reply.end(relayed.answer.trailers if has_trailers else None)

    async def _is_ended(self, relayed: Relayed, decision: Forward) -> bool:
        """Send an event stream on; whether it was ended, its token being good no more."""
        with anyio.CancelScope() as ending:
            stream = OpenStream(self.asked.head, decision.until, ending.cancel)
            with self.door.streams.holding(stream):
                await self._pieces(relayed)
        return ending.cancel_called

    async def _pieces(self, relayed: Relayed) -> None:
        async for piece in relayed.answer.body:
            await self.reply.piece(piece)


async def _request_body(head: Head, inbox: Inbox) -> tuple[Body | bytes | None, int | None]:
    """The body to send on and its length (None: chunked); as bytes if it is here already."""
    length = first(head.headers, b"content-length")
    if length is not None:
        size = int(length)
        begun = inbox.at_hand() if size else b""
        if len(begun) == size:
            return begun or None, size or None
        return inbox.body(begun), size
    if first(head.headers, b"transfer-encoding") is not None:
        return inbox.body(), None
    if head.version.startswith("1"):
        return None, None
    begun = await inbox.first()
    return (inbox.body(begun), None) if begun else (None, None)


def _body_limit(decision: Decision) -> int | None:
    return decision.place.function.config.body_limit if isinstance(decision, Forward) else None
