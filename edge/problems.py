"""An error of the edge as it is answered: its body, JSON or RFC 9457, and its fields. Pure.

Not here: CORS, and the forms that only some doors speak.
"""

import re

import orjson

from edge.errors import Refusal
from edge.message import Headers, first, split_list

_NO_WEIGHT = re.compile(rb"q=0(?:\.0*)?")


def error_body(refused: Refusal, sent: Headers, request_id: bytes) -> tuple[bytes, bytes]:
    """Content type and body of an error.

    Args:
        sent: the request's fields; `Accept: application/problem+json` gets RFC 9457.
    """
    if _wants_problem(sent):
        return b"application/problem+json", _problem(refused, request_id)
    return b"application/json", _plain(refused, request_id)


def error_fields(refused: Refusal, content_type: bytes, size: int, request_id: bytes) -> Headers:
    """The fields that every error carries; `size` is bytes of body."""
    fields: Headers = (
        (b"content-type", content_type),
        (b"content-length", b"%d" % size),
        (b"x-request-id", request_id),
        (b"x-jelou-error-source", b"edge"),
        *refused.headers,
    )
    if first(fields, b"cache-control") is None:
        fields += ((b"cache-control", b"no-store"),)
    return fields


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
