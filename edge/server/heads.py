"""HTTP/1.1 request heads (RFC 9112 §2 to §5), bytes to values: strict, with limits. Pure.

Both lanes read every head with this parser before anything else does. What it refuses is answered
by the edge; what a head asks for is the gate's business.
"""

import re

from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.gate.decisions import GateSettings
from edge.gate.malformed import block_too_large, line_too_long, malformed
from edge.message import Head, Peer, first, split_list

END = b"\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TEXT = rb"[\t -~\x80-\xff]"
_LINE = re.compile(rb"(" + _TOKEN + rb"++) ([^\x00-\x20\x7f]++) HTTP/1\.([01])")
_FIELDS = re.compile(rb"(?:\r\n" + _TOKEN + rb"++:" + _TEXT + rb"*+)*+")
_FIELD = re.compile(rb"\r\n([^:]++):[\t ]*+([^\r]*+)")
_NEVER = re.compile(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse_head(block: bytes, peer: Peer, settings: GateSettings) -> Head:
    """A request head from its bytes, without the empty line that ends it.

    Raises:
        EdgeError: it breaks the grammar or a limit, or its framing or its target is ambiguous.
    """
    line = _LINE.match(block)
    if line is None:
        raise EdgeError(_bad_line(block, settings))
    at = line.end()
    if _FIELDS.fullmatch(block, at) is None:
        raise EdgeError(_bad_fields(block, at))
    if len(block) - at > settings.header_block:
        raise EdgeError(block_too_large(settings))
    method, target, minor = line.groups()
    headers = tuple(
        [(name.lower(), value.rstrip(b"\t ")) for name, value in _FIELD.findall(block, at)]
    )
    head = Head(
        method=method.decode(),
        target=target,
        headers=headers,
        version="1.1" if minor == b"1" else "1.0",
        peer=peer,
        websocket=_opens_websocket(method, minor, headers),
    )
    fault = malformed(head, settings)
    if fault is not None:
        raise EdgeError(fault)
    return head


def check_unfinished(held: bytes, settings: GateSettings, scanned: int = 0) -> None:
    """Refuse early what can no longer become a head; bytes before `scanned` were checked before.

    Raises:
        EdgeError: over a limit already, or it holds what no head may hold.
    """
    line_end = held.find(b"\r\n")
    if line_end < 0 and len(held) > settings.request_line + 1:
        raise EdgeError(line_too_long(settings))
    if line_end >= 0 and len(held) - line_end > settings.header_block + len(END):
        raise EdgeError(block_too_large(settings))
    end = len(held) - held.endswith(b"\r")  # its LF may be on its way
    if _NEVER.search(held, max(0, scanned - 1), end):
        raise EdgeError(_control())


def _opens_websocket(method: bytes, minor: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bool:
    """Whether this is an opening handshake (RFC 6455 §4.1)."""
    upgrade = first(headers, b"upgrade")
    if upgrade is None or upgrade.lower() != b"websocket" or method != b"GET" or minor != b"1":
        return False
    return b"upgrade" in {option.lower() for option in split_list(headers, b"connection")}


def _bad_line(block: bytes, settings: GateSettings) -> Refusal:
    line = block.partition(b"\r\n")[0]
    if len(line) > settings.request_line:
        return line_too_long(settings)
    if _NEVER.search(line):
        return _control()
    return refusal(
        Errors.BAD_REQUEST, "The request line must be a method, a target and HTTP/1.1 or HTTP/1.0."
    )


def _bad_fields(block: bytes, at: int) -> Refusal:
    if _NEVER.search(block, at):
        return _control()
    if b"\r\n " in block or b"\r\n\t" in block:
        return refusal(Errors.BAD_REQUEST, "A header field may not be folded over several lines.")
    return refusal(Errors.BAD_REQUEST, "A header field must be a name, a colon and a value.")


def _control() -> Refusal:
    return refusal(Errors.BAD_REQUEST, "The request head holds a bare CR or LF, or a control byte.")
