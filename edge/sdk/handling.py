"""One request to an answer: routed, checked, handled, worded. Knows neither sockets nor ASGI."""

import inspect
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from edge.sdk.context import Context, Env, Kind, Trigger
from edge.sdk.cron import CronRefused, SeenRuns, verify_cron
from edge.sdk.defining import App, Function
from edge.sdk.encoding import encode
from edge.sdk.inputs import raw_input
from edge.sdk.lines import line, write
from edge.sdk.openapi import document, health
from edge.sdk.requests import Request
from edge.sdk.responses import RESULT, Event, Json, Response, ResponseBuilder
from edge.sdk.routing import Found, NotFound, Tool, find, tools_of
from edge.sdk.shapes import Invalid
from edge.sdk.streaming import encoder, events, media_type
from edge.sdk.threads import Threads
from edge.sdk.webhooks import WebhookVerificationError

KINDS: Final[Mapping[str, Kind]] = {"cron": "cron", "mcp": "mcp"}
DEFAULT_BODY_LIMIT: Final = 10 * 1024 * 1024
SIGNING_SECRET: Final = "JELOU_SIGNING_SECRET"
"""The function's signing secret, if its author sets it; old and new with a comma."""

MAX_TRACEBACK: Final = 8 * 1024
"""Characters of a traceback, its end: so that its line of the log is kept whole."""

_JSON = ("Content-Type", "application/json")
_HIDDEN = "The function failed; its log says why."


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out.

    Attributes:
        body: whole, or in pieces; a stream that ends early by raising is not whole.
    """

    status: int
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes | AsyncGenerator[bytes, None] = b""


class Cut(Exception):
    """A body cannot be finished; what was sent must not look whole."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a module declares, ready to answer.

    Attributes:
        slug: the function's.
        env: its secrets.
        write: takes the lines of its log.
    """

    declared: Function | App
    slug: str = "function"
    env: Env = field(default_factory=Env)
    write: Callable[[str], None] = write
    threads: Threads = field(default_factory=Threads)
    seen: SeenRuns = field(default_factory=SeenRuns)
    tools: tuple[Tool, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Raises DefinitionError: a path or methods that cannot be."""
        object.__setattr__(self, "tools", tools_of(self.declared, self.slug))

    @property
    def body_limit(self) -> int | None:
        """Bytes that a request's body may have; None: any."""
        limits = self.declared.config.get("limits") or {}
        limit: int | None = limits.get("body", DEFAULT_BODY_LIMIT)
        return limit

    async def answer(self, request: Request) -> Answer:
        """The answer to a request; whatever the handler does, there is one."""
        if request.method in ("GET", "HEAD") and request.raw_path in ("/__health", "/openapi.json"):
            return self._document(request.raw_path)
        request_id = request.headers.get("X-Request-Id") or str(uuid4())
        trigger = _trigger(request)
        found = find(self.tools, request, trigger.type == "cron")
        if isinstance(found, NotFound):
            return _unrouted(found, request, request_id)
        context = self._context(request, request_id, trigger, found)
        try:
            if trigger.type == "cron":
                self._check_schedule(request)
            return await _Call(self, found.tool, request, context).answer()
        except WebhookVerificationError as problem:
            context.log(f"Webhook refused: {problem}", level="warn", code=problem.code)
            return refusal(401, "Webhook signature verification failed", request_id)
        except CronRefused as problem:
            context.log(str(problem), level="warn", code=problem.reason)
            return refusal(401, "This is no run of a schedule", request_id)
        except Exception as problem:
            self.report(context, problem)
            return refusal(500, _HIDDEN, request_id)

    def report(self, context: Context, problem: BaseException) -> None:
        """Write a failure to the log, where the request's id finds it."""
        said = "".join(traceback.format_exception(problem))[-MAX_TRACEBACK:]
        about = {"requestId": context.request_id, "function": context.function}
        summary = f"{type(problem).__name__}: {problem}"
        self.write(line((summary,), "error", about | {"traceback": said}, {}))

    def _check_schedule(self, request: Request) -> None:
        """Hold a schedule's run to its signature, if the author set the secret for it.

        Raises:
            CronRefused: nobody with the secret has signed it, or it has come before.
        """
        secret = self.env.get(SIGNING_SECRET, "")
        if not secret:
            return
        query = f"?{request.query_string}" if request.query_string else ""
        verify_cron(
            request.headers,
            method=request.method,
            target=request.raw_path + query,
            body=request.body,
            secrets=[each.strip() for each in secret.split(",")],
            now=time.time(),
            seen=self.seen,
        )

    def _document(self, path: str) -> Answer:
        if path == "/__health":
            body = health(self.declared, self.tools)
        else:
            body = document(self.declared, self.tools, self.slug)
        return Answer(200, (_JSON,), encode(body))

    def _context(
        self, request: Request, request_id: str, trigger: Trigger, found: Found
    ) -> Context:
        headers = request.headers
        return Context(
            function=headers.get("X-Jelou-Function") or self.slug,
            request_id=request_id,
            method=request.method,
            path=request.path,
            params=found.params,
            query=dict(request.query),
            trigger=trigger,
            env=self.env,
            token_id=headers.get("X-Jelou-Token-Id"),
            token_name=headers.get("X-Jelou-Token-Name"),
            bot_id=headers.get("X-Jelou-Bot-Id"),
            request=request,
            write=self.write,
        )


def _trigger(request: Request) -> Trigger:
    """What made the function run, as the edge says: no caller can set these fields."""
    headers = request.headers
    return Trigger(
        KINDS.get(headers.get("X-Jelou-Trigger", ""), "http"),
        cron=headers.get("X-Jelou-Cron"),
        cron_name=headers.get("X-Jelou-Cron-Name"),
        cron_run=headers.get("X-Jelou-Cron-Run"),
    )


def refusal(status: int, message: str, request_id: str) -> Answer:
    """An error in the words of the edge's own."""
    phrase = "Content Too Large" if status == 413 else HTTPStatus(status).phrase
    body = {"error": phrase, "message": message, "requestId": request_id}
    return Answer(status, (_JSON,), encode(body))


def _unrouted(found: NotFound, request: Request, request_id: str) -> Answer:
    if not found.allowed:
        said = f"There is no route {request.raw_path}; /openapi.json names those that there are."
        return refusal(404, said, request_id)
    allow = ", ".join([*found.allowed, *(["HEAD"] if "GET" in found.allowed else [])])
    answer = refusal(405, f"{request.raw_path} takes {allow}.", request_id)
    return replace(answer, fields=(("Allow", allow), *answer.fields))


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a handler."""

    service: Service
    tool: Tool
    request: Request
    context: Context

    async def answer(self) -> Answer:
        """What comes of it.

        Raises:
            Exception: whatever the handler raised.
        """
        try:
            given = None if self.context.is_cron else self._input()
        except Invalid as problem:
            details = [each.as_json() for each in problem.details]
            body = {"error": "Validation failed", "details": details}
            return Answer(400, (_JSON,), encode(body))
        return await self._answered(await self._handled(given))

    def _input(self) -> Any:
        shape = self.tool.function.input
        if shape is None:
            return raw_input(self.request, None)
        return shape.check(raw_input(self.request, shape.schema("input")))

    async def _handled(self, given: Any) -> Any:
        """What the handler returns: at once, from a thread, or from the loop."""
        function = self.tool.function
        arguments = [given, self.context]
        if function.takes_request:
            arguments.append(self.request)
        handler = function.handler
        bare = inspect.unwrap(handler)
        if inspect.iscoroutinefunction(bare) or inspect.isasyncgenfunction(bare):
            result = handler(*arguments)
        else:
            result = await self.service.threads.run(handler, *arguments)
        return await result if inspect.isawaitable(result) else result

    async def _answered(self, result: Any) -> Answer:
        if isinstance(result, ResponseBuilder):
            result = result.empty()
        if isinstance(result, Response):
            return await self._of_response(result)
        if isinstance(result, Generator | AsyncIterator):
            return await self._streamed(result)
        if isinstance(result, bytes):
            return Answer(200, (("Content-Type", "application/octet-stream"),), result)
        if self.tool.function.output is not None:
            return Answer(200, (_JSON,), encode(self._checked(result)))
        if result is None:
            return Answer(204)
        if isinstance(result, str):
            return Answer(200, (("Content-Type", "text/plain; charset=utf-8"),), result.encode())
        return Answer(200, (_JSON,), encode(result))

    def _checked(self, value: Any) -> Any:
        """A value of JSON that is what the function promised.

        Raises:
            OutputError: it is not.
        """
        shape = self.tool.function.output
        if shape is None:
            return value
        try:
            return shape.dump(value)
        except Invalid as problem:
            raise OutputError(
                f"the output of {self.tool.name} breaks its schema: {problem}"
            ) from None

    async def _of_response(self, made: Response) -> Answer:
        content = made.content
        if isinstance(content, Json):
            is_success = 200 <= made.status < 300
            value = self._checked(content.value) if is_success else content.value
            return Answer(made.status, made.fields, encode(value))
        if isinstance(content, bytes):
            return Answer(made.status, made.fields, content)
        source = content if isinstance(content, AsyncIterator) else _iterated(content)
        body = _pieces(self, events(source, self.service.threads), _piece)
        return Answer(made.status, made.fields, await _begun(body))

    async def _streamed(self, source: Any) -> Answer:
        essence = media_type(self.request.headers.get("Accept", ""))
        write_event = encoder(essence)

        def written(event: Event) -> bytes:
            if event.name == RESULT:
                event = replace(event, data=self._checked(event.data))
            return write_event(event)

        body = _pieces(self, events(source, self.service.threads), written, essence)
        fields = (
            ("Content-Type", essence),
            ("Cache-Control", "no-cache"),
            ("X-Accel-Buffering", "no"),
        )
        return Answer(200, fields, await _begun(body))

    def failed(self, problem: Exception) -> Event:
        """The event that tells a caller of a failure midway."""
        self.service.report(self.context, problem)
        said = {"message": _HIDDEN, "requestId": self.context.request_id}
        return Event({"error": HTTPStatus(500).phrase, **said}, "error")


class OutputError(Exception):
    """A handler returned what its function does not promise."""


def _iterated(content: Any) -> Any:
    """An async iterator of an async iterable; a generator of any other."""
    if hasattr(content, "__aiter__"):
        return aiter(content)
    return (piece for piece in content)


def _piece(event: Event) -> bytes:
    return event.data.encode() if isinstance(event.data, str) else bytes(event.data)


async def _pieces(
    call: _Call,
    source: AsyncGenerator[Event, None],
    written: Callable[[Event], bytes],
    essence: str = "",
) -> AsyncGenerator[bytes, None]:
    """The pieces of a body; before the first, failures are the caller's, then they end it.

    An event stream ends with an event that says so; everything else is cut off.
    """
    begun = False
    try:
        async for event in source:
            piece = written(event)
            begun = True
            yield piece
    except Exception as problem:
        if not begun:
            raise
        failure = call.failed(problem)
        if essence != "text/event-stream":
            raise Cut from problem
        yield encoder(essence)(failure)
    finally:
        await source.aclose()


async def _begun(body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """A body whose first piece is there: so a failure before it is still an answer of its own."""
    try:
        first = await anext(body)
    except StopAsyncIteration:
        first = b""
    return _after(first, body)


async def _after(first: bytes, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in body:
            yield piece
    finally:
        await body.aclose()
