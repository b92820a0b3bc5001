"""A function's answer whose head is the last one again, but for its length and its date. Pure.

What was read of the last head and written for it then holds for this one: it is a function of the
bytes that are compared here, all of them, and of what `Asking` names.
"""

import re
from dataclasses import replace

from edge.fast import headwork
from edge.fast.headwork import AnswerHead, Asking, Lasting
from edge.forwarding.parse import Frame, ResponseHead
from edge.http1 import field_lines
from edge.message import Headers

LONGEST = 4096
"""Bytes of a head that is remembered."""

_VARYING = re.compile(
    rb"\r\n((?:content-length: [0-9]{1,18}|date: [ -~]{29})(?=\r\n|\Z))", re.IGNORECASE
)
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
        "_names",
        "_stable",
        "dated",
        "made",
        "varying",
    )

    def __init__(self, raw: bytes, to: Asking, head: ResponseHead, frame: Frame) -> None:
        """`raw` is the head as it came, without the empty line that ends it."""
        parts = _VARYING.split(raw)
        self._stable = parts[::2]
        self.varying: Headers = _pairs(parts)
        self._names = [name for name, _ in self.varying]
        self._alike, self._method, self._checked = to.alike, to.method, to.checked
        self._head, self._frame = head, frame
        lasting = tuple(pair for pair in head.headers if pair[0] not in self._names)
        self.made = headwork.answer_head(to, replace(head, headers=lasting), frame, None)
        self.dated = any(name == b"date" for name, _ in head.headers)

    def fits(self, alike: Lasting, method: str, *, checked: bool) -> bool:
        """Whether the answer to such a request may be the same again."""
        return self._alike is alike and self._method == method and self._checked is checked

    def again(self, raw: bytes) -> tuple[ResponseHead, Frame] | None:
        """The head, with the fields that vary as they were the first time, and its own frame."""
        parts = _VARYING.split(raw)
        if parts[::2] != self._stable:
            return None
        pairs = _pairs(parts)
        if [name for name, _ in pairs] != self._names:
            return None
        self.varying = pairs
        return self._head, self._framed(pairs)

    def _framed(self, varying: Headers) -> Frame:
        for name, value in varying:
            if name == b"content-length" and int(value) != self._frame.length:
                return replace(self._frame, length=int(value))
        return self._frame


def is_learnable(raw: bytes, to: Asking, frame: Frame, made: AnswerHead) -> bool:
    """Whether an answer's head may be remembered.

    An event stream seldom comes twice; CORS that depend on the request's `Origin`, and an answer
    without a body, whose length means something else, are left to the general way.
    """
    framed = frame.framing in ("length", "chunked") and to.method != "HEAD"
    usual = len(raw) <= LONGEST and framed and not made.event_stream
    return usual and to.alike.cors is not None and _goes_on(_pairs(_VARYING.split(raw)), made.block)


def _goes_on(varying: Headers, block: bytes) -> bool:
    """Whether a head sent on has these fields, and no others of their names.

    `Connection` may have named them, or another may be spelt so that it does not count as varying.
    """
    names = [name for name, _ in varying]
    return all(
        field_lines((pair,)) in block and block.count(b"\r\n%b:" % pair[0]) == names.count(pair[0])
        for pair in varying
    )


def _pairs(parts: list[bytes]) -> Headers:
    split = [part.partition(b": ") for part in parts[1::2]]
    return tuple([(name.lower(), value) for name, _, value in split])
