"""A refusal as bytes: the contract's JSON, problem details, JSON-RPC, or the one 401. Pure."""

import re
from dataclasses import dataclass

import orjson

from edge.errors import UNAUTHORIZED_BODY, Errors, Refusal
from edge.message import Headers, first, split_list
from mcp_bridge.jsonrpc import jsonrpc_error

_NO_WEIGHT = re.compile(rb"q=0(?:\.0*)?")


@dataclass(frozen=True, slots=True)
class Rendered:
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
    elif _wants_problem(sent):
        content_type, body = b"application/problem+json", _problem(refused, request_id)
    else:
        body = _plain(refused, request_id)
    fields: Headers = (
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id),
        (b"x-jelou-error-source", b"edge"),
        *refused.headers,
    )
    if first(fields, b"cache-control") is None:
        fields += ((b"cache-control", b"no-store"),)
    return Rendered(kind.status, fields, body)


def _plain(refused: Refusal, request_id: bytes) -> bytes:
    return orjson.dumps(
        {
            "error": refused.kind.phrase,
            "message": refused.message,
            "code": refused.kind.code,
            "requestId": request_id.decode(),
        }
    )


def _problem(refused: Refusal, request_id: bytes) -> bytes:
    """Problem details (RFC 9457 §3.1); `type` is `about:blank`, so `title` is the phrase."""
    return orjson.dumps(
        {
            "type": "about:blank",
            "title": refused.kind.phrase,
            "status": refused.kind.status,
            "detail": refused.message,
            "code": refused.kind.code,
            "requestId": request_id.decode(),
        }
    )


def _wants_problem(sent: Headers) -> bool:
    """Whether problem details are asked for by name; a wildcard gets the plain form."""
    return any(_is_problem(member) for member in split_list(sent, b"accept"))


def _is_problem(member: bytes) -> bool:
    kind, *parameters = (part.strip().lower() for part in member.split(b";"))
    refused = any(_NO_WEIGHT.fullmatch(parameter) for parameter in parameters)
    return kind == b"application/problem+json" and not refused
