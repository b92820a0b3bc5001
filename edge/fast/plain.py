"""Which requests are plain enough for the fast lane, by their heads alone. Pure."""

from edge.forwarding.opening import is_complete
from edge.gate.decisions import Bridge, Decision, Forward, Refuse
from edge.headers import connection_options
from edge.message import Head

_ODD = frozenset({b"expect", b"te", b"upgrade", b"http2-settings", b"proxy-connection", b"close"})
"""Fields that make a request the other lane's; `Close` is one that `Connection: close` names."""

_ODD_TO_OPEN = (_ODD - {b"upgrade"}) | {b"content-length"}
"""Those that make the opening of a WebSocket the other lane's."""

_OPENING_OPTIONS = frozenset({b"upgrade", b"keep-alive", b"close"})
"""What `Connection` may say in such an opening."""


def framing(head: Head) -> tuple[int | None, bool] | None:
    """The length of a request's body (None: chunked) and whether it is its connection's last.

    None if the request is one for the other lane.
    """
    if head.version != "1.1":
        return None
    if head.websocket:
        # What follows it on the connection is no request, whatever becomes of it.
        return (0, True) if _opens_plainly(head) else None
    length: int | None = 0
    last = False
    for name, value in head.headers:
        if name in _ODD:
            return None
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            length = None
        elif name == b"connection":
            option = value.lower()
            if option not in (b"keep-alive", b"close"):
                return None
            last = last or option == b"close"
    return length, last


def _opens_plainly(head: Head) -> bool:
    """Whether the opening of a WebSocket is one that this lane can send on as it is."""
    if any(name in _ODD_TO_OPEN for name, _ in head.headers):
        return False
    return is_complete(head.headers) and connection_options(head.headers) <= _OPENING_OPTIONS


def is_for_asgi(head: Head, decision: Decision) -> bool:
    """Whether a request is one that this lane does not carry out, as it was decided."""
    if isinstance(decision, Bridge):
        return head.websocket or decision.passes
    return head.websocket and not isinstance(decision, Forward | Refuse)
