"""JSON-RPC messages of a POST: what is refused before the protocol looks at it. Pure.

Also the body of every error that `/mcp` answers with, for the edge's own refusals too.
"""

from typing import Any, Literal, NamedTuple

from mcp_bridge.jsontext import MAX_DEPTH, JSONError, dump, has_more_than, parse

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
SESSION_NOT_FOUND = -32001
REFUSED = -32000
"""A refusal that JSON-RPC has no code for; `data.code` says which (JSON-RPC 2.0 §5.1)."""

MAX_VALUES = 10_000
"""Values that a message holds beside the arguments of a call: each is checked for its shape."""

_SMALL = 2 * MAX_VALUES
"""Bytes of a message that cannot hold so many."""

RequestId = str | int | None

_BY_STATUS = {400: INVALID_REQUEST, 413: INVALID_REQUEST, 415: INVALID_REQUEST}
_CODES = {400: "bad_request", 404: "not_found"}


class Message(NamedTuple):
    """One JSON-RPC message that has the right shape.

    Attributes:
        kind: `request` wants an answer; `notification` and `response` do not.
        id: of a request, else None.
        method: empty for a response.
    """

    kind: Literal["request", "notification", "response"]
    id: RequestId
    method: str
    value: dict[str, Any]


class MessageError(ValueError):
    """A body that is not one JSON-RPC message.

    Attributes:
        rpc_code: the JSON-RPC error code.
        id: of the request, where it could be read.
    """

    def __init__(self, message: str, rpc_code: int = INVALID_REQUEST, id: RequestId = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.rpc_code = rpc_code
        self.id = id


def read_message(body: bytes, max_depth: int = MAX_DEPTH) -> Message:
    """The one message of a body.

    Raises:
        MessageError: it is not JSON, too deep, a batch, not a JSON-RPC 2.0 message, or holds too
            many values.
    """
    try:
        value = parse(body, max_depth)
    except JSONError as problem:
        if problem.too_deep:
            raise MessageError(f"The body is nested deeper than {max_depth} levels.") from None
        raise MessageError("The body is not JSON.", PARSE_ERROR) from None
    if isinstance(value, list):
        raise MessageError("Batches are not served; send one message for each request.")
    if not isinstance(value, dict):
        raise MessageError("The body is not a JSON-RPC message: it is no object.")
    message = _shaped(value)
    if len(body) > _SMALL and _has_too_many_values(message):
        said = f"Beside the arguments of a call, a message holds at most {MAX_VALUES} values."
        raise MessageError(said, id=message.id)
    return message


def _has_too_many_values(message: Message) -> bool:
    params = message.value.get("params")
    if message.method == "tools/call" and isinstance(params, dict):
        params = {name: value for name, value in params.items() if name != "arguments"}
    return has_more_than({**message.value, "params": params}, MAX_VALUES)


def _shaped(value: dict[str, Any]) -> Message:
    known_id = value.get("id") if is_id(value.get("id")) else None
    if value.get("jsonrpc") != "2.0":
        raise MessageError('The message does not say "jsonrpc": "2.0".', id=known_id)
    if "method" not in value and ("result" in value or "error" in value):
        return Message("response", None, "", value)
    if "result" in value or "error" in value:
        raise MessageError("The message is a request and a response at once.", id=known_id)
    method = value.get("method")
    if not isinstance(method, str):
        raise MessageError("The message has no method.", id=known_id)
    if "id" in value and known_id is None:
        raise MessageError("An id is a string or an integer.")
    if not isinstance(value.get("params", {}), dict):
        raise MessageError('"params" is not an object.', INVALID_PARAMS, known_id)
    if "id" not in value:
        return Message("notification", None, method, value)
    return Message("request", known_id, method, value)


def is_id(value: object) -> bool:
    """Whether this may be the id of a request: a string or an integer, never null."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def jsonrpc_error(
    status_code: int,
    code: str,
    message: str,
    request_id: str,
    *,
    rpc_code: int | None = None,
    id: RequestId = None,  # noqa: A002
) -> bytes:
    """The body of an error on `/mcp`, whoever makes it.

    Args:
        status_code: of the HTTP answer, which it keeps.
        code: the edge's stable error code, such as `overloaded`.
        request_id: the edge's, of the HTTP request.
        rpc_code: None for the one that fits the status.
        id: of the JSON-RPC request, if it was read.
    """
    chosen = _BY_STATUS.get(status_code, REFUSED) if rpc_code is None else rpc_code
    error = {
        "code": chosen,
        "message": message,
        "data": {"code": code, "requestId": request_id},
    }
    return dump({"jsonrpc": "2.0", "id": id, "error": error})


def success(id: RequestId, result: bytes) -> bytes:  # noqa: A002
    """The body of an answer; `result` is JSON."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (dump(id), result)


def failure(
    id: RequestId,  # noqa: A002
    rpc_code: int,
    message: str,
    data: Any = None,
) -> bytes:
    """The body of an error of the protocol's own, which is none of the edge's."""
    error = {"code": rpc_code, "message": message, **({} if data is None else {"data": data})}
    return dump({"jsonrpc": "2.0", "id": id, "error": error})


def as_edge_error(body: bytes, status_code: int, request_id: str) -> bytes:
    """The protocol's own error, with the edge's code and request id beside what its data names."""
    try:
        answer = parse(body)
        data = answer["error"].get("data")
    except (JSONError, KeyError, TypeError):
        return body
    named = data if isinstance(data, dict) else {}
    code = _CODES.get(status_code, "internal")
    answer["error"]["data"] = {**named, "code": code, "requestId": request_id}
    return dump(answer)
