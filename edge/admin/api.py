"""The management API: the operations as JSON over HTTP, an ASGI app.

It takes JSON alone, within bounds. Not here: who calls and whether he may (`callers`), and what the
operations do.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, get_args
from urllib.parse import parse_qsl, unquote

import anyio.to_thread

from edge.admin import bodies, openapi
from edge.admin.callers import (
    Authenticator,
    Callers,
    Headers,
    TooManyFailures,
    actor_of,
    all_of,
    check_scope,
    is_local,
    refuse_strangers,
)
from edge.admin.codec import LARGEST, Mismatch, decode, encode
from edge.admin.errors import AdminError, failure
from edge.admin.failed_logins import FailedLogins
from edge.admin.files import receive_file, scratch, send_file
from edge.admin.operations import Identity, Operations
from edge.admin.routes import ENDPOINTS, ROOT, Endpoint
from edge.audit.actor import acting
from edge.code.limits import Limits
from edge.observe import exposition
from edge.version import VERSION
from tokens.model import AccessToken

AT_ONCE = 16
"""Calls that work at a time; others wait."""
WAITING_AT_ONCE = 64
"""Calls that wait for something to happen at a time, beside those that work."""
WAITING = frozenset({"logs"})
"""Operations that may wait, so that they do not keep others from working."""
DESCRIPTION = "/openapi.json"
"""Below the root: the API as an OpenAPI document, for whoever has a good access token."""
METRICS = "/metrics"
"""What all workers have counted, where Prometheus looks for it by itself."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


_ANSWERED = object()
"""What stands for the answer of an operation that has sent its own."""


class _Call(NamedTuple):
    endpoint: Endpoint
    path_values: dict[str, str]


class AdminApi:
    """The ASGI app; one over the Unix socket (no authenticator), one per admin address."""

    def __init__(
        self,
        operations: Operations,
        authenticate: Authenticator | None = None,
        failed: FailedLogins | None = None,
        metrics: Callable[[], bytes] = bytes,
    ) -> None:
        """`metrics` gives the text of `METRICS`; it may block."""
        self._operations = operations
        self._metrics = metrics
        self._callers = Callers(authenticate, failed or FailedLogins())
        self._limiter: anyio.CapacityLimiter | None = None
        self._waiting: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; any other scope is refused by closing."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return
        try:
            data = await self._answer(scope, receive, send)
        except AdminError as error:
            await _send(send, error.status, failure(error), _error_headers(error))
        except Exception:
            broken = AdminError("UNKNOWN_ERROR", "The edge failed inside; its log says more")
            await _send(send, broken.status, failure(broken), [])
            raise  # for the server to log: the client has its answer
        else:
            if data is not _ANSWERED:
                await _send(send, 200, {"ok": True, "data": data}, [])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Any:
        headers: Headers = [(name.lower(), value) for name, value in scope["headers"]]
        refuse_strangers(scope, headers)
        if (scope["method"], scope["path"]) == ("GET", METRICS):
            return await self._tell_metrics(scope, headers, send)
        caller = await self._callers.caller(scope, headers, self._run)
        if _is_description(scope):
            await _send(send, 200, openapi.document(VERSION), [])
            return _ANSWERED
        call = _route(scope)
        check_scope(caller, call.endpoint.scope)
        with acting(actor_of(scope, caller)):
            return await self._act(call, caller, scope, headers, receive, send)

    async def _tell_metrics(self, scope: Scope, headers: Headers, send: Send) -> Any:
        """Metrics name functions and count what they do: open to who is on this machine alone."""
        if not is_local(scope):
            check_scope(await self._callers.caller(scope, headers, self._run), "read")
        text = await self._run(self._metrics, {})
        await _send_bytes(send, 200, text, exposition.CONTENT_TYPE, [])
        return _ANSWERED

    async def _act(
        self,
        call: _Call,
        caller: AccessToken | None,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        send: Send,
    ) -> Any:
        if call.endpoint.takes or call.endpoint.gives:
            return await self._carry(call, receive, send)
        body = await _body(scope, headers, receive)
        arguments = _arguments(call, scope["query_string"], body)
        if call.endpoint.operation == "whoami" and caller is not None:
            return encode(await self._identity(caller))
        operation = call.endpoint.operation
        work = getattr(self._operations, operation)
        return encode(await self._run(work, arguments, waits=operation in WAITING))

    async def _carry(self, call: _Call, receive: Receive, send: Send) -> Any:
        """An operation on a file, which is the request's body or becomes the answer's."""
        endpoint = call.endpoint
        operation = getattr(self._operations, endpoint.operation)
        with scratch() as path:
            if endpoint.takes:
                info = await self._run(self._operations.info, {})
                most = Limits(info.code_files, info.code_size).archive
                await receive_file(receive, path, most)
            arguments = {**call.path_values, endpoint.takes or endpoint.gives: path}
            result = await self._run(operation, arguments)
            if endpoint.takes:
                return encode(result)
            await send_file(send, path)
            return _ANSWERED

    async def _identity(self, caller: AccessToken) -> Identity:
        info = await self._run(self._operations.info, {})
        return Identity(type="access_token", name=caller.name, edge=info.url)

    async def _run(
        self, work: Callable[..., Any], arguments: dict[str, Any], *, waits: bool = False
    ) -> Any:
        if self._limiter is None or self._waiting is None:
            self._limiter = anyio.CapacityLimiter(AT_ONCE)
            self._waiting = anyio.CapacityLimiter(WAITING_AT_ONCE)
        limiter = self._waiting if waits else self._limiter
        return await anyio.to_thread.run_sync(
            lambda: work(**arguments), limiter=limiter, abandon_on_cancel=False
        )


async def _send(send: Send, status: int, answer: dict[str, Any], extra: Headers) -> None:
    body = json.dumps(answer, ensure_ascii=False).encode()
    await _send_bytes(send, status, body, b"application/json", extra)


async def _send_bytes(
    send: Send, status: int, body: bytes, content_type: bytes, extra: Headers
) -> None:
    fields = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def _route(scope: Scope) -> _Call:
    """The operation that a request addresses; each segment is decoded once, after the split."""
    path = scope.get("raw_path") or scope["path"].encode()
    segments = path.partition(b"?")[0].decode("latin-1").split("/")[1:]
    allowed: list[str] = []
    if segments[:1] == [ROOT.strip("/")]:
        for endpoint in ENDPOINTS:
            values = _match(endpoint.segments, segments[1:])
            if values is not None and endpoint.method == scope["method"]:
                return _Call(endpoint, values)
            allowed += [endpoint.method] if values is not None else []
    if allowed:
        methods = ", ".join(sorted(set(allowed)))
        raise AdminError("INPUT_ERROR", f"This address takes {methods}", status=405)
    raise AdminError("NOT_FOUND", "There is no such operation; an edge of another version?")


def _is_description(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == ("GET", ROOT + DESCRIPTION)


def _match(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    values = {}
    for expected, given in zip(template, segments, strict=True):
        if expected.startswith("{") and given:
            values[expected[1:-1]] = unquote(given)
        elif expected != given:
            return None
    return values


async def _body(scope: Scope, headers: Headers, receive: Receive) -> Any:
    if scope["method"] != "POST":
        return None
    kind = b",".join(all_of(headers, b"content-type")).partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise AdminError("INPUT_ERROR", "Send Content-Type: application/json", status=415)
    raw = await bodies.whole(receive, LARGEST, f"The body is over {LARGEST // 1024 // 1024} MiB")
    try:
        return json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        raise AdminError("INPUT_ERROR", "The body is not JSON") from None


def _arguments(call: _Call, query: bytes, body: Any) -> dict[str, Any]:
    known = call.endpoint.arguments
    try:
        if call.endpoint.whole_body:
            ((name, hint, _),) = known.values()
            return {name: decode(hint, body)}
        given = body if call.endpoint.method == "POST" else _in_query(query, known)
        if not isinstance(given, dict):
            raise Mismatch("the body must be an object")
        values = {**given, **call.path_values}
        _check_keys(values, known)
        return {known[k][0]: decode(known[k][1], value, k) for k, value in values.items()}
    except Mismatch as error:
        raise AdminError("INPUT_ERROR", f"Bad request: {error}") from None


def _in_query(query: bytes, known: dict[str, tuple[str, Any, bool]]) -> dict[str, Any]:
    """The arguments of a query, in which a number is text."""
    given: dict[str, Any] = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for key, value in given.items():
        if key in known and int in get_args(known[key][1]) and value.isdecimal():
            given[key] = int(value[:18])
    return given


def _check_keys(values: Iterable[str], known: dict[str, tuple[str, Any, bool]]) -> None:
    values = set(values)
    for key in sorted(values - known.keys()):
        raise Mismatch(f"{key} is not known; known are {', '.join(known)}")
    for key, (_, _, required) in known.items():
        if required and key not in values:
            raise Mismatch(f"{key} is missing")


def _error_headers(error: AdminError) -> Headers:
    if isinstance(error, TooManyFailures):
        return [(b"retry-after", b"%d" % error.seconds)]
    if error.status == 401:
        return [(b"www-authenticate", b'Bearer realm="jelou-edge admin"')]
    if error.status == 405:
        return [(b"allow", error.message.removeprefix("This address takes ").encode())]
    return [(b"retry-after", b"1")] if error.status == 503 else []
