"""What an HTTP request to `/mcp` must look like, and how one is refused. Pure.

Which revision it speaks, whether its method, media types and session are good; what a JSON-RPC
message is, is `jsonrpc`'s.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mcp_bridge.jsonrpc import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    SESSION_NOT_FOUND,
    Message,
    MessageError,
    RequestId,
    jsonrpc_error,
    read_message,
)
from mcp_bridge.revisions import HANDSHAKE, is_stateless
from mcp_bridge.session import Session

Fields = Sequence[tuple[bytes, bytes]]

VERSION = b"mcp-protocol-version"
SESSION_ID = b"mcp-session-id"
_OF_MCP = b"mcp-"
_MIRRORED = "mcp-param-"

_OF_NO_WEIGHT = re.compile(rb"(?:^|;)\s*q=0(?:\.0{0,3})?\s*(?:;|$)")


class Rejection(Exception):
    """A request that is answered with an error at once.

    Attributes:
        status: of the HTTP answer.
        code: the stable code in `data.code`.
        rpc_code, id: of the JSON-RPC error.
        headers: fields of the answer, such as `Allow`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        rpc_code: int | None = None,
        id: RequestId = None,  # noqa: A002
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.rpc_code = rpc_code
        self.id = id
        self.headers = headers

    def body(self, request_id: str) -> bytes:
        """The JSON-RPC error; `request_id` is the edge's."""
        return jsonrpc_error(
            self.status, self.code, self.message, request_id, rpc_code=self.rpc_code, id=self.id
        )


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose head is in order.

    Attributes:
        revision: what `MCP-Protocol-Version` says, else the session's, else None.
        session: on handshake revisions, if one was named.
        takes_events: whether the client takes `text/event-stream`.
    """

    revision: str | None
    session: Session | None
    takes_events: bool = True

    @property
    def stateless(self) -> bool:
        """Whether it is not a handshake request; revisions that nobody knows are the SDK's."""
        return self.revision is not None and self.revision not in HANDSHAKE


@dataclass(frozen=True)
class McpHead:
    """The head of an HTTP request to `/mcp`, read once for all requests that have it.

    Names of fields are in lower case. Attributes raise Rejection for what can be read in two ways.
    """

    method: str
    headers: Fields = field(repr=False)

    @cached_property
    def sessionless(self) -> Admitted:
        """The head as far as it can be judged without a session."""
        revision = only(self.headers, VERSION)
        stateless = revision is not None and is_stateless(revision)
        if self.method != "GET" or stateless:
            _check_method(self.method, stateless=stateless)
        accepted = self._accepted
        takes_events = not accepted or any(_takes(one, b"text/event-stream") for one in accepted)
        return Admitted(revision, None, takes_events)

    @cached_property
    def session_id(self) -> str | None:
        """What `Mcp-Session-Id` says."""
        return only(self.headers, SESSION_ID)

    @cached_property
    def routing(self) -> tuple[tuple[str, str], ...]:
        """The fields of MCP's own, as text."""
        return tuple(
            [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self.headers
                if name.startswith(_OF_MCP)
            ]
        )

    @cached_property
    def mirrors(self) -> bool:
        """Whether any of them claims to say what an argument does."""
        return any(name.startswith(_MIRRORED) for name, _ in self.routing)

    @cached_property
    def media_fault(self) -> tuple[int, str, str] | None:
        """What a Rejection says if message or answer may not be JSON."""
        return _media_fault(self.headers, self._accepted)

    @cached_property
    def _accepted(self) -> list[bytes]:
        return _accepted(self.headers)


def admit(head: McpHead, find_session: Callable[[str], Session | None]) -> Admitted:
    """Judge a request's head.

    Args:
        find_session: the live session of an id for this function and caller, or None.

    Raises:
        Rejection: 405, 400, 404, 415 or 406, in this order.
    """
    admitted = head.sessionless
    if not admitted.stateless and head.session_id is not None:
        admitted = _in_session(admitted, find_session(head.session_id))
    if head.method == "GET" and admitted.session is None:
        _check_method(head.method, stateless=False)
    if head.method == "DELETE" and admitted.stateless:
        raise Rejection(400, "bad_request", "MCP-Protocol-Version is none that is spoken here.")
    if head.method == "POST" and head.media_fault is not None:
        raise Rejection(*head.media_fault)
    return admitted


def _in_session(admitted: Admitted, session: Session | None) -> Admitted:
    if session is None:
        raise session_not_found()
    if admitted.revision not in {None, session.revision}:
        raise Rejection(
            400,
            "bad_request",
            f"The session speaks {session.revision}, not {admitted.revision}.",
            rpc_code=INVALID_REQUEST,
        )
    return Admitted(session.revision, session, admitted.takes_events)


def message_of(body: bytes, max_depth: int) -> Message:
    """The one message of a body; raises Rejection."""
    try:
        return read_message(body, max_depth)
    except MessageError as problem:
        raise Rejection(
            400, "bad_request", problem.message, rpc_code=problem.rpc_code, id=problem.id
        ) from None


def only(fields: Fields, name: bytes) -> str | None:
    """The value of a field that stands there once at most; raises Rejection."""
    values = [value for key, value in fields if key == name]
    if len(values) > 1:
        message = f"The header {name.decode()} appears more than once."
        raise Rejection(400, "bad_request", message, rpc_code=HEADER_MISMATCH)
    return values[0].decode("latin-1").strip() if values else None


def _check_method(method: str, *, stateless: bool) -> None:
    if method == "POST" or (method == "DELETE" and not stateless):
        return
    allowed = b"POST" if stateless else b"POST, DELETE"
    message = f"{method} is not served here; use {allowed.decode()}."
    raise Rejection(405, "method_not_allowed", message, headers=((b"allow", allowed),))


def session_not_found() -> Rejection:
    """The 404 of a session id that is forged, ended, aged, or somebody else's."""
    return Rejection(
        404,
        "not_found",
        "Session not found: it has ended, or is not yours; initialize again without the id.",
        rpc_code=SESSION_NOT_FOUND,
    )


def _accepted(fields: Fields) -> list[bytes]:
    """The media ranges of `Accept` without parameters, in lower case; none: it takes anything.

    One of weight 0 says what is not taken (RFC 9110 §12.4.2); it stays, as a range of nothing.
    """
    ranges = b",".join(value for key, value in fields if key == b"accept").lower().split(b",")
    found = [(name.strip(), rest) for name, _, rest in (r.partition(b";") for r in ranges)]
    return [b"-" if rest and _OF_NO_WEIGHT.search(rest) else name for name, rest in found if name]


def _takes(media_range: bytes, media_type: bytes) -> bool:
    return media_range in {media_type, media_type.partition(b"/")[0] + b"/*", b"*/*"}


def _media_fault(fields: Fields, accepted: list[bytes]) -> tuple[int, str, str] | None:
    if any(key == b"content-encoding" and value.lower() != b"identity" for key, value in fields):
        message = "Send the message as it is, without Content-Encoding."
        return 415, "unsupported_media_type", message
    content_type = b"".join(value for key, value in fields if key == b"content-type")
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        message = "Send Content-Type: application/json with the message."
        return 415, "unsupported_media_type", message
    if accepted and not any(_takes(one, b"application/json") for one in accepted):
        return 406, "not_acceptable", "Send Accept: application/json, text/event-stream."
    return None
