"""What changes between an MCP client and a function that is an MCP server: a few fields. Pure.

Bodies pass byte for byte and are nobody's business here; what a token of some tools may say in them
is `narrowing`'s.
"""

import re

from mcp_bridge.admission import SESSION_ID, VERSION, Rejection, only
from mcp_bridge.fields import fold
from mcp_bridge.jsonrpc import METHOD_NOT_FOUND, MessageError, read_message
from mcp_bridge.jsontext import JSONError, dump, parse
from mcp_bridge.revisions import HANDSHAKE, is_stateless

Fields = tuple[tuple[bytes, bytes], ...]

METHODS = ("GET", "POST", "DELETE")
"""What Streamable HTTP speaks; which of them it serves is the function's to say."""

_ORIGIN = b"origin"
_LAST_EVENT = b"last-event-id"
_METHOD = b"mcp-method"
_UNKNOWN_SESSION = re.compile(r"session|not initialized", re.IGNORECASE)
_REOPENING_ID = "jelou-edge-reopens"


def check_method(method: str) -> None:
    """Raise the 405 for what MCP never uses."""
    if method not in METHODS:
        allowed = ", ".join(METHODS)
        message = f"{method} is not served here; use {allowed}."
        fields = ((b"allow", allowed.encode()),)
        raise Rejection(405, "method_not_allowed", message, headers=fields)


def named_session(headers: Fields) -> str | None:
    """The session id that a request names; the stateless revision has no sessions and names none.

    Raises:
        Rejection: 400, it or the revision stands there twice.
    """
    text = only(headers, SESSION_ID)
    return None if speaks_stateless(headers) else text


def speaks_stateless(headers: Fields) -> bool:
    """Whether a request is of the stateless revision; raises Rejection if two are named."""
    revision = only(headers, VERSION)
    return revision is not None and is_stateless(revision)


def named(body: bytes, max_depth: int) -> tuple[str, str]:
    """The method of a message and the tool that it calls, as far as it can be read."""
    try:
        message = read_message(body, max_depth)
    except MessageError:
        return "", ""
    name = message.value.get("params", {}).get("name") if message.method == "tools/call" else ""
    return message.method, name if isinstance(name, str) else ""


def of_stateless_era(headers: Fields) -> bool:
    """Whether a request is of the stateless revision, or of one that nobody knows.

    The stateless era alone says which revisions are served instead (MCP 2026-07-28,
    UnsupportedProtocolVersionError). In a session, the revision is what the function agreed to.

    Raises:
        Rejection: 400, the revision stands there twice.
    """
    revision = only(headers, VERSION)
    if revision is None or is_stateless(revision):
        return revision is not None
    return revision not in HANDSHAKE and only(headers, SESSION_ID) is None


def request_fields(headers: Fields, session: str | None) -> Fields:
    """The caller's fields for the function.

    `Origin` was judged and would trip the function's own check of it; a session id goes on as the
    function's own, and in no spelling as the caller's (CGI and WSGI make `_` and `-` one).

    Args:
        session: the function's own id of the session, if the request is of one.
    """
    kept = tuple(pair for pair in headers if fold(pair[0]) not in (_ORIGIN, SESSION_ID))
    return kept if session is None else (*kept, (SESSION_ID, session.encode("ascii")))


def resent_fields(sent: Fields) -> Fields:
    """The fields of a request that is sent again, to the session that was opened meanwhile.

    Its streams are new, so there is nothing to resume.
    """
    return tuple(pair for pair in sent if fold(pair[0]) != _LAST_EVENT)


def readable(fields: Fields) -> Fields:
    """A request's fields, such that its answer comes in a coding that can be read."""
    kept = tuple(pair for pair in fields if fold(pair[0]) != b"accept-encoding")
    return (*kept, (b"accept-encoding", b"identity"))


def has_no_end(method: str, headers: Fields) -> bool:
    """Whether the stream that answers a request goes on until somebody ends it."""
    return method == "GET" or only(headers, _METHOD) == "subscriptions/listen"


def answer_fields(headers: Fields, session: str | None) -> Fields:
    """The function's fields for the caller, with the edge's session id in place of its own."""
    kept = tuple(pair for pair in headers if pair[0] != SESSION_ID)
    return kept if session is None else (*kept, (SESSION_ID, session.encode("ascii")))


def target(path: str, asked: bytes) -> bytes:
    """The function's target: its own path, with the query of the one that was asked for."""
    query = asked.partition(b"?")[2]
    if not query:
        return path.encode("ascii")
    return path.encode("ascii") + (b"&" if "?" in path else b"?") + query


def is_session_dead(status: int, body: bytes) -> bool:
    """Whether an answer to a request of a session says that the function no longer knows it.

    404 does (MCP, Streamable HTTP, session management), unless it is about a method; so does the
    400 that servers built after the TypeScript SDK's examples answer.

    Args:
        body: its beginning at least; a longer one is no JSON and says nothing.
    """
    if status not in (400, 404):
        return False
    code, message = _error(body)
    if status == 404:
        return code != METHOD_NOT_FOUND
    return code == -32000 and _UNKNOWN_SESSION.search(message) is not None


def _error(body: bytes) -> tuple[object, str]:
    try:
        error = parse(body)["error"]
        return error["code"], str(error["message"])
    except (JSONError, KeyError, TypeError, IndexError):
        return None, ""


def reopening(opening: object) -> bytes:
    """The `initialize` that opens a session again as it was opened first."""
    message = {"jsonrpc": "2.0", "id": _REOPENING_ID, "method": "initialize", "params": opening}
    return dump(message)


INITIALIZED = dump({"jsonrpc": "2.0", "method": "notifications/initialized"})


def reopened_revision(message: bytes | str) -> str | None:
    """The revision that a function agreed to in answer to `reopening`; None if this is not it."""
    try:
        value = parse(message.encode() if isinstance(message, str) else message)
        if value["id"] != _REOPENING_ID:
            return None
        revision = value["result"]["protocolVersion"]
    except (JSONError, KeyError, TypeError):
        return None
    return revision if isinstance(revision, str) else None


def reopening_fields(headers: Fields, session: str | None, revision: str | None) -> Fields:
    """The fields of the edge's own messages while it opens a session again."""
    said: Fields = (
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
    )
    if revision is not None:
        said += ((VERSION, revision.encode("latin-1")),)
    return request_fields(own_fields(headers, said), session)


def own_fields(headers: Fields, said: Fields) -> Fields:
    """The fields of a message of the edge's own on a caller's behalf.

    The caller's, since a function may judge by them who is calling, without what describes the
    caller's own message; what is said of this one instead. Its answer can be read.
    """
    kept = tuple(pair for pair in headers if not _describes_message(fold(pair[0])))
    return readable((*kept, *said))


def bridged_fields(headers: Fields) -> Fields:
    """A caller's fields for an endpoint without sessions that answers as JSON or events."""
    kept = tuple(pair for pair in headers if pair[0] not in (SESSION_ID, b"accept"))
    return (*kept, (b"accept", b"application/json, text/event-stream"))


def _describes_message(folded: bytes) -> bool:
    return folded.startswith((b"mcp-", b"accept", b"content-")) or folded == _LAST_EVENT
