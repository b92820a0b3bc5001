"""What becomes of one HTTP request to `/mcp`: answered at once, a call, a stream, or the SDK's.

The common requests are judged here, by the SDK's own checks; whatever does not pass them is left to
the SDK, which says what is wrong. No I/O, no clock but an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mcp_bridge import calls
from mcp_bridge.admission import Admitted, Rejection, admit
from mcp_bridge.calls import Asking, ToolCall
from mcp_bridge.checks import Checks, mirrors_agree
from mcp_bridge.endpoint import Endpoint, McpRequest, Whole
from mcp_bridge.jsonrpc import INVALID_PARAMS, Message, RequestId, is_id, success
from mcp_bridge.jsontext import dump
from mcp_bridge.pages import Pages
from mcp_bridge.results import error_result
from mcp_bridge.revisions import DEFAULT, is_known, is_stateless
from mcp_bridge.rounds import Round, Rounds, StateRefused
from mcp_bridge.session import EndedSessions, Session, SessionKeys, verify
from mcp_bridge.state import INVALID_STATE, StateError
from mcp_bridge.targets import Target, Targets
from mcp_bridge.watching import Watch

_COMMON = frozenset({"tools/call", "tools/list", "subscriptions/listen"})
"""Requests that are answered without the SDK's server, if they pass its checks."""

OF_ERRORS = ((b"x-jelou-error-source", b"edge"), (b"cache-control", b"no-store"))

LIST_TTL_MS = 5_000
"""Milliseconds for which a client of the stateless revision may keep a list."""


@dataclass(frozen=True, slots=True)
class End:
    """A session shall be ended; None where none was named."""

    session: Session | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """A call of a session shall be cancelled."""

    session: str
    id: RequestId


@dataclass(frozen=True, slots=True)
class ForSdk:
    """A request that the SDK answers."""

    admitted: Admitted
    message: Message


Waited = Cancel | End | ForSdk
Outcome = Whole | ToolCall | Watch | Waited


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is accepted: bytes of a message, and of a function's answer."""

    body: int
    result: int


class Judge:
    """Judges requests; one instance per worker.

    Args:
        keys: gives the session keys, newest first; at least one.
        clock: Unix time, seconds.
    """

    def __init__(
        self,
        keys: SessionKeys,
        ended: EndedSessions,
        clock: Callable[[], float],
        pages: Pages,
        targets: Targets,
        rounds: Rounds,
        bounds: Bounds,
    ) -> None:
        self._keys = keys
        self._ended = ended
        self._clock = clock
        self._pages = pages
        self._targets = targets
        self._rounds = rounds
        self._bounds = bounds
        self._checks = Checks()

    def judge(self, endpoint: Endpoint, request: McpRequest) -> Outcome:
        """What to do with a request."""
        try:
            return self._judge(endpoint, request)
        except Rejection as rejection:
            return rejected(request.id, rejection)

    def _judge(self, endpoint: Endpoint, request: McpRequest) -> Outcome:
        admitted = admit(request.head, lambda text: self._find(text, endpoint))
        if request.method == "DELETE":
            return End(admitted.session)
        if request.method == "GET":
            return self._watched(endpoint, request, admitted)
        if len(request.body) > self._bounds.body:
            raise too_large(self._bounds.body)
        message = request.message
        if message.kind != "request":
            return _noted(message, admitted)
        return self._asked(endpoint, request, admitted, message)

    def _asked(
        self, endpoint: Endpoint, request: McpRequest, admitted: Admitted, message: Message
    ) -> Outcome:
        revision = DEFAULT if admitted.revision is None else admitted.revision
        common = message.method in _COMMON and is_known(revision)
        outcome: Outcome | None = None
        if common and self._checks.is_sound(message, revision, request.head):
            if message.method == "tools/call":
                outcome = self._call(endpoint, request, admitted, message, revision)
            elif message.method == "tools/list":
                outcome = self._list(endpoint, message, revision)
            else:
                outcome = self._listening(endpoint, admitted, message)
        return ForSdk(admitted, message) if outcome is None else outcome

    def _call(
        self,
        endpoint: Endpoint,
        request: McpRequest,
        admitted: Admitted,
        message: Message,
        revision: str,
    ) -> Outcome | None:
        params = message.value["params"]
        arguments = params.get("arguments") or {}
        target = self._targets.of(endpoint, params["name"], arguments, revision)
        if target is None:
            return None
        if not isinstance(target, Target):
            return calls.answer(endpoint, _asking(admitted, message, revision), target)
        begun: Round | None = None
        if is_stateless(revision):
            if not mirrors_agree(target.entry, arguments, request.head):
                return None
            try:
                tool = target.entry.tool.name
                begun = self._rounds.begin(endpoint, tool, target.arguments, params)
            except StateRefused:
                raise _invalid_state(message) from None
            except StateError as problem:
                asking = _asking(admitted, message, revision)
                return calls.answer(endpoint, asking, error_result(str(problem)))
        asking = _asking(admitted, message, revision, begun)
        meta, limit = params.get("_meta") or {}, self._bounds.result
        call = calls.begin(endpoint, target, meta, request, asking, limit)
        return call if isinstance(call, ToolCall) else calls.answer(endpoint, asking, call)

    def _list(self, endpoint: Endpoint, message: Message, revision: str) -> Whole | None:
        params = message.value.get("params") or {}
        try:
            page = self._pages.page(endpoint, revision, params.get("cursor"))
        except ValueError:
            return None
        rest = b""
        if is_stateless(revision):
            hints = {"ttlMs": LIST_TTL_MS, "cacheScope": "private"}
            rest = b"," + dump(calls.stamped(endpoint, hints, revision))[1:-1]
        return Whole(200, success(message.id, b"{" + page + rest + b"}"))

    # Streams.

    def _watched(self, endpoint: Endpoint, request: McpRequest, admitted: Admitted) -> Watch:
        session = admitted.session
        if session is None:
            raise TypeError("a GET without a session was admitted")
        _check_takes_events(admitted)
        seen = next((v.decode("latin-1") for n, v in request.headers if n == b"last-event-id"), "")
        return Watch.of_session(session, self._pages.digest(endpoint), seen)

    def _listening(self, endpoint: Endpoint, admitted: Admitted, message: Message) -> Watch:
        _check_takes_events(admitted)
        wanted = message.value["params"]["notifications"]
        return Watch.of_request(
            message.id,
            self._pages.digest(endpoint),
            endpoint.identity,
            wanted=wanted.get("toolsListChanged") is True,
        )

    # Reading.

    def digest(self, endpoint: Endpoint) -> str:
        """Changes when what this caller sees of the list does."""
        return self._pages.digest(endpoint)

    def _find(self, text: str, endpoint: Endpoint) -> Session | None:
        session = verify(
            text,
            self._keys(),
            function=endpoint.slug,
            lineage=endpoint.lineage,
            now=self._clock(),
        )
        return None if session is None or self._ended.ended(session.nonce) else session


def rejected(request_id: str, rejection: Rejection) -> Whole:
    """A rejection as an answer; `request_id` is the edge's."""
    return Whole(rejection.status, rejection.body(request_id), (*rejection.headers, *OF_ERRORS))


def too_large(limit: int) -> Rejection:
    """The message has more bytes than the limit."""
    return Rejection(413, "body_too_large", f"A message has at most {limit} bytes.")


def _asking(
    admitted: Admitted, message: Message, revision: str, begun: Round | None = None
) -> Asking:
    token = (message.value["params"].get("_meta") or {}).get("progressToken")
    return Asking(
        id=message.id,
        revision=revision,
        progress_token=token if is_id(token) else None,
        may_stream=admitted.takes_events,
        session=admitted.session.nonce if admitted.session else None,
        round=begun,
    )


def _invalid_state(message: Message) -> Rejection:
    return Rejection(400, "bad_request", INVALID_STATE, rpc_code=INVALID_PARAMS, id=message.id)


def _noted(message: Message, admitted: Admitted) -> Outcome:
    """What becomes of a message that wants no answer."""
    params = message.value.get("params") or {}
    wanted = params.get("requestId")
    if message.method == "notifications/cancelled" and admitted.session and is_id(wanted):
        return Cancel(admitted.session.nonce, wanted)
    return ForSdk(admitted, message) if admitted.stateless else Whole(202)


def _check_takes_events(admitted: Admitted) -> None:
    if not admitted.takes_events:
        raise Rejection(406, "not_acceptable", "Send Accept: text/event-stream for a stream.")
