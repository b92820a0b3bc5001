"""What makes a request head unfit to be acted on, whatever it asks for. Pure."""

import re

from edge import headers
from edge.errors import Errors, Refusal, refusal
from edge.gate import target
from edge.gate.decisions import GateSettings
from edge.message import Head, values

_CONTROL = re.compile(rb"[\0\r\n]")


def malformed(head: Head, settings: GateSettings) -> Refusal | None:
    """What makes a head unfit to be acted on, whatever it asks for (RFC 9112 §3.2, §6.3)."""
    if len(head.method) + len(head.target) + len("  HTTP/1.1") > settings.request_line:
        return line_too_long(settings)
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in head.headers)
    if size > settings.header_block:
        return block_too_large(settings)
    if _CONTROL.search(b" ".join([value for _, value in head.headers])):
        return refusal(Errors.BAD_REQUEST, "A field value holds a control character.")
    return unsound(head, settings)


def unsound(head: Head, settings: GateSettings) -> Refusal | None:
    """As `malformed`, for a head whose grammar and size in bytes were judged by its parser."""
    if len(head.headers) > settings.header_fields:
        message = f"There are more than {settings.header_fields} header fields, which is the limit."
        return refusal(Errors.HEADERS_TOO_LARGE, message)
    message = target.fault(head) or _ambiguous(head)
    return refusal(Errors.BAD_REQUEST, message) if message else None


def line_too_long(settings: GateSettings) -> Refusal:
    """The 414 for a request line over the limit."""
    message = f"The request line is over the limit of {settings.request_line} bytes."
    return refusal(Errors.URI_TOO_LONG, message)


def block_too_large(settings: GateSettings) -> Refusal:
    """The 431 for a header block over the limit."""
    message = f"The header block is over the limit of {settings.header_block} bytes."
    return refusal(Errors.HEADERS_TOO_LARGE, message)


def _ambiguous(head: Head) -> str:
    lengths = values(head.headers, b"content-length")
    codings = values(head.headers, b"transfer-encoding")
    if lengths and codings:
        return "Send either Content-Length or Transfer-Encoding, not both."
    if len(lengths) > 1 or (lengths and not (lengths[0].isdigit() and len(lengths[0]) < 19)):
        return "Content-Length must be one decimal number."
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        return "The only Transfer-Encoding understood is chunked."
    if codings and head.version == "1.0":
        return "Transfer-Encoding needs HTTP/1.1."
    if head.websocket and (codings or (lengths and int(lengths[0]))):
        return "A WebSocket handshake has no body."
    named = headers.connection_options(head.headers) & headers.UNTOUCHABLE
    if named:
        return f"Connection may not name {min(named).decode()}."
    return ""
