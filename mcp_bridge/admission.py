"""What an HTTP request to `/mcp` must look like, and how one is refused. Pure.

Which revision it speaks, whether its method, media types and session are good; what a JSON-RPC
message is, is `jsonrpc`'s.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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

Fields = Iterable[tuple[bytes, bytes]]

VERSION = b"mcp-protocol-version"
SESSION_ID = b"mcp-session-id"

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


def admit(method: str, headers: Fields, find_session: Callable[[str], Session | None]) -> Admitted:
    """Judge a request's head.

    Args:
        find_session: the live session of an id for this function and caller, or None.

    Raises:
        Rejection: 405, 400, 404, 415 or 406, in this order.
    """
    fields = list(headers)
    revision = only(fields, VERSION)
    stateless = revision is not None and is_stateless(revision)
    if method != "GET" or stateless:
        _check_method(method, stateless=stateless)
    accepted = _accepted(fields)
    takes_events = not accepted or any(_takes(one, b"text/event-stream") for one in accepted)
    admitted = Admitted(revision, None, takes_events)
    if not admitted.stateless:
        session = _session(fields, find_session)
        if session and revision not in {None, session.revision}:
            raise Rejection(
                400,
                "bad_request",
                f"The session speaks {session.revision}, not {revision}.",
                rpc_code=INVALID_REQUEST,
            )
        revision = revision or (session.revision if session else None)
        admitted = Admitted(revision, session, takes_events)
    if method == "GET" and admitted.session is None:
        _check_method(method, stateless=False)
    if method == "DELETE" and admitted.stateless:
        raise Rejection(400, "bad_request", "MCP-Protocol-Version is none that is spoken here.")
    if method == "POST":
        _check_media_types(fields, accepted)
    return admitted


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


def _session(
    fields: list[tuple[bytes, bytes]], find_session: Callable[[str], Session | None]
) -> Session | None:
    text = only(fields, SESSION_ID)
    if text is None:
        return None
    session = find_session(text)
    if session is None:
        raise session_not_found()
    return session


def session_not_found() -> Rejection:
    """The 404 of a session id that is forged, ended, aged, or somebody else's."""
    return Rejection(
        404,
        "not_found",
        "Session not found: it has ended, or is not yours; initialize again without the id.",
        rpc_code=SESSION_NOT_FOUND,
    )


def _accepted(fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The media ranges of `Accept` without parameters, in lower case; none: it takes anything.

    One of weight 0 says what is not taken (RFC 9110 §12.4.2); it stays, as a range of nothing.
    """
    ranges = b",".join(value for key, value in fields if key == b"accept").lower().split(b",")
    found = [(name.strip(), rest) for name, _, rest in (r.partition(b";") for r in ranges)]
    return [b"-" if rest and _OF_NO_WEIGHT.search(rest) else name for name, rest in found if name]


def _takes(media_range: bytes, media_type: bytes) -> bool:
    return media_range in {media_type, media_type.partition(b"/")[0] + b"/*", b"*/*"}


def _check_media_types(fields: list[tuple[bytes, bytes]], accepted: list[bytes]) -> None:
    if any(key == b"content-encoding" and value.lower() != b"identity" for key, value in fields):
        raise Rejection(
            415, "unsupported_media_type", "Send the message as it is, without Content-Encoding."
        )
    content_type = b"".join(value for key, value in fields if key == b"content-type")
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Rejection(
            415, "unsupported_media_type", "Send Content-Type: application/json with the message."
        )
    if accepted and not any(_takes(one, b"application/json") for one in accepted):
        raise Rejection(406, "not_acceptable", "Send Accept: application/json, text/event-stream.")
