"""A function's answer whose head is the last one again, but for its length and its date. Pure.

What was read of the last head and written for it then holds for this one: it is a function of the
bytes that are compared here, all of them, and of what `Asking` names.
"""

from edge.fast import headwork
from edge.fast.headwork import AnswerHead, Asking, Lasting
from edge.fast.stencil import LONGEST, Stencil, Varying
from edge.forwarding.parse import Frame, ResponseHead
from edge.http1 import field_lines
from edge.message import Headers

_VARYING = Varying({b"content-length": rb"[0-9]{1,18}", b"date": rb"[ -~]{29}"})
"""Fields that differ from answer to answer; each may stand once."""


class AnswerRote:
    """An answer's head that was sent on; one client connection's, so one answer at a time.

    Attributes:
        made: what the client gets, but for the fields that vary.
        dated: whether the function says `Date`.
        varying: those fields of the answer that was compared last.
    """

    __slots__ = (
        "_alike",
        "_checked",
        "_frame",
        "_head",
        "_method",
        "_stencil",
        "dated",
        "made",
        "varying",
    )

    def __init__(self, raw: bytes, to: Asking, head: ResponseHead, frame: Frame) -> None:
        """`raw` is the head as it came, without the empty line that ends it."""
        self._stencil = Stencil(_VARYING, raw)
        self.varying: Headers = ()
        self._alike, self._method, self._checked = to.alike, to.method, to.checked
        self._head, self._frame = head, frame
        lasting = tuple(pair for pair in head.headers if pair[0] not in self._stencil.names)
        self.made = headwork.answer_head(to, head._replace(headers=lasting), frame, None)
        self.dated = any(name == b"date" for name, _ in head.headers)

    def fits(self, alike: Lasting, method: str, *, checked: bool) -> bool:
        """Whether the answer to such a request may be the same again."""
        return self._alike is alike and self._method == method and self._checked is checked

    def again(self, raw: bytes) -> tuple[ResponseHead, Frame] | None:
        """The head, with the fields that vary as they were the first time, and its own frame."""
        varying = self._stencil.fill(raw)
        if varying is None:
            return None
        self.varying = varying
        return self._head, self._framed(varying)

    def _framed(self, varying: Headers) -> Frame:
        for name, value in varying:
            if name == b"content-length" and int(value) != self._frame.length:
                return self._frame._replace(length=int(value))
        return self._frame


def is_learnable(raw: bytes, to: Asking, frame: Frame, made: AnswerHead) -> bool:
    """Whether an answer's head may be remembered.

    An event stream seldom comes twice; CORS that depend on the request's `Origin`, and an answer
    without a body, whose length means something else, are left to the general way.
    """
    framed = frame.framing in ("length", "chunked") and to.method != "HEAD"
    usual = len(raw) <= LONGEST and framed and not made.event_stream
    if not usual or to.alike.cors is None:
        return False
    return _goes_on(_VARYING.fields(raw), made.block)


def _goes_on(varying: Headers, block: bytes) -> bool:
    """Whether a head sent on has these fields, and no others of their names.

    `Connection` may have named them, or another may be spelt so that it does not count as varying.
    """
    names = [name for name, _ in varying]
    return all(
        field_lines((pair,)) in block and block.count(b"\r\n%b:" % pair[0]) == names.count(pair[0])
        for pair in varying
    )
