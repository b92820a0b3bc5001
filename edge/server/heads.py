"""HTTP/1.1 request heads (RFC 9112 §2 to §5), bytes to values: strict, with limits. Pure.

Both lanes read every head with this parser before anything else does. What it refuses is answered
by the edge; what a head asks for is the gate's business.
"""

import re
from operator import itemgetter

from edge.errors import EdgeError, Errors, Refusal, refusal
from edge.gate.decisions import GateSettings
from edge.gate.malformed import block_too_large, line_too_long, unsound
from edge.http1 import FIELDS, TOKEN, split_fields
from edge.message import Fields, Head, Headers, Peer, first, split_list

END = b"\r\n\r\n"

_LINE = re.compile(rb"(" + TOKEN + rb"++) ([^\x00-\x20\x7f]++) HTTP/1\.([01])")
_FIELDS = re.compile(FIELDS)
_METHOD = re.compile(rb"(" + TOKEN + rb"++) ")
_NEVER = re.compile(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_BAD_LINE = refusal(
    Errors.BAD_REQUEST, "The request line must be a method, a target and HTTP/1.1 or HTTP/1.0."
)
_CONTROL = refusal(Errors.BAD_REQUEST, "The request head holds a bare CR or LF, or a control byte.")


class BadHead(EdgeError):
    """A head that is refused.

    Attributes:
        sent: its fields if they could be read: they say which form of an error is wanted.
    """

    def __init__(self, refused: Refusal, sent: Headers = ()) -> None:
        super().__init__(refused)
        self.sent = sent


_Fault = tuple[int, Refusal]
"""How many bytes show a fault, and what it is."""


def parse_head(block: bytes, peer: Peer, settings: GateSettings) -> Head:
    """A request head from its bytes, without the empty line that ends it.

    Raises:
        BadHead: it breaks the grammar or a limit, or its framing or its target is ambiguous.
    """
    line = _LINE.match(block)
    if line is None:
        raise BadHead(_early_fault(block + END, settings) or _BAD_LINE)
    at = line.end()
    if at > settings.request_line or len(block) - at > settings.header_block:
        raise BadHead(_early_fault(block + END, settings) or block_too_large(settings))
    if _FIELDS.fullmatch(block, at) is None:
        raise BadHead(_early_fault(block + END, settings) or _bad_fields(block))
    method, target, minor = line.groups()
    headers = Fields.of(split_fields(block, at))
    head = Head(
        method=method.decode(),
        target=target,
        headers=headers,
        version="1.1" if minor == b"1" else "1.0",
        peer=peer,
        websocket=_opens_websocket(method, minor, headers),
    )
    fault = unsound(head, settings)
    if fault is not None:
        raise BadHead(fault, headers)
    return head


def check_unfinished(held: bytes, settings: GateSettings, scanned: int = 0) -> None:
    """Refuse early what can no longer become a head; bytes before `scanned` were checked before.

    Raises:
        BadHead: over a limit already, or it holds what no head may hold.
    """
    fault = _early_fault(held, settings, scanned)
    if fault is not None:
        raise BadHead(fault)


def begun_method(held: bytes) -> str:
    """The method of a head that did not come whole or is refused; empty if it cannot be read."""
    begun = _METHOD.match(held)
    return "" if begun is None else begun[1].decode()


def _opens_websocket(method: bytes, minor: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bool:
    """Whether this is an opening handshake (RFC 6455 §4.1)."""
    upgrade = first(headers, b"upgrade")
    if upgrade is None or upgrade.lower() != b"websocket" or method != b"GET" or minor != b"1":
        return False
    return b"upgrade" in {option.lower() for option in split_list(headers, b"connection")}


def _early_fault(held: bytes, settings: GateSettings, scanned: int = 0) -> Refusal | None:
    """What is wrong for certain, whatever may follow.

    Of several faults it is the one that the fewest bytes show, so that the answer does not depend
    on how the bytes are cut into pieces.
    """
    faults = [_fault_of_line(held, settings), _fault_of_block(held, settings)]
    bad = _NEVER.search(held, max(0, scanned - 1))
    if bad is not None:
        shown = bad.end() + (bad[0] == b"\r")  # an LF may be on its way
        if shown <= len(held):
            faults.append((shown, _CONTROL))
    return min(filter(None, faults), default=(0, None), key=itemgetter(0))[1]


def _fault_of_line(held: bytes, settings: GateSettings) -> _Fault | None:
    end = _line_end(held, settings)
    if end >= 0:
        return None if _LINE.fullmatch(held, 0, end) else (end + 2, _BAD_LINE)
    too_long = settings.request_line + 2
    return (too_long, line_too_long(settings)) if len(held) >= too_long else None


def _fault_of_block(held: bytes, settings: GateSettings) -> _Fault | None:
    line_end = _line_end(held, settings)
    too_large = line_end + settings.header_block + len(END)
    if line_end < 0 or len(held) < too_large:
        return None
    return (too_large, block_too_large(settings)) if held.find(END, 0, too_large) < 0 else None


def _line_end(held: bytes, settings: GateSettings) -> int:
    return held.find(b"\r\n", 0, settings.request_line + 2)


def _bad_fields(block: bytes) -> Refusal:
    if b"\r\n " in block or b"\r\n\t" in block:
        return refusal(Errors.BAD_REQUEST, "A header field may not be folded over several lines.")
    return refusal(Errors.BAD_REQUEST, "A header field must be a name, a colon and a value.")
