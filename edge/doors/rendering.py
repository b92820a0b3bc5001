"""A refusal as bytes: the contract's JSON, problem details, JSON-RPC, or the one 401. Pure."""

from typing import NamedTuple

from edge.errors import UNAUTHORIZED_BODY, Errors, Refusal
from edge.message import Headers
from edge.problems import error_body, error_fields
from mcp_bridge.jsonrpc import jsonrpc_error


class Rendered(NamedTuple):
    """A whole answer of the edge's own."""

    status: int
    headers: Headers
    body: bytes


def json_answer(status: int, body: bytes, extra: Headers = ()) -> Rendered:
    """JSON that is in memory, without the fields that every answer carries."""
    fields = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    return Rendered(status, fields + extra, body)


def render(refused: Refusal, sent: Headers, request_id: bytes, *, mcp: bool = False) -> Rendered:
    """The answer for a refusal.

    Args:
        sent: the request's fields; `Accept: application/problem+json` gets RFC 9457.
        mcp: whether it was asked at an MCP endpoint, which answers in JSON-RPC.
    """
    kind = refused.kind
    content_type = b"application/json"
    if kind is Errors.UNAUTHORIZED.value:
        body = UNAUTHORIZED_BODY
    elif mcp:
        body = jsonrpc_error(kind.status, kind.code, refused.message, request_id.decode())
    else:
        content_type, body = error_body(refused, sent, request_id)
    fields = error_fields(refused, content_type, len(body), request_id)
    return Rendered(kind.status, fields, body)
