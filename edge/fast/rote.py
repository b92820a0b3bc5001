"""A caller's next request where it is the last one again, but for its length and its ids. Pure.

Who keeps a connection mostly repeats itself, head by head. What was read, decided and written for
the last head then holds for the next: it is a function of the bytes that are compared here, all
of them, and of the store's generation, which whoever asks compares besides.
"""

from edge.errors import Errors
from edge.fast.headwork import Lasting
from edge.fast.stencil import LONGEST, Stencil, Varying
from edge.gate.decisions import Decision, Forward, Refuse, Repeatable
from edge.message import Head, Headers

CREDIT = 3
"""Heads that are learnt in vain before a connection is held to be one that does not repeat."""

_VARYING = Varying(
    {
        b"content-length": rb"[0-9]{1,18}",
        b"x-request-id": rb"[A-Za-z0-9._-]{1,128}",
        b"traceparent": rb"[0-9a-f-]{55}",
    }
)


class Rote:
    """A head that was forwarded, refused, or put to an MCP endpoint.

    Attributes:
        head: as it was read; of the fields that vary it has the values of its own.
        generation: the store's, by which it was decided.
        last: whether it asked for the connection's end.
        kept: the caller's field lines as they went to the function, for whom, and whether the
            trace was the caller's, whose `tracestate` is among them then.
    """

    __slots__ = (
        "_length",
        "_limit",
        "_longest",
        "_stencil",
        "decision",
        "generation",
        "head",
        "kept",
        "last",
    )

    def __init__(
        self,
        block: bytes,
        head: Head,
        decision: Repeatable,
        generation: int,
        framing: tuple[int | None, bool],
        header_block: int,
    ) -> None:
        """`framing` as `plain.framing` gives it; `header_block` is the limit in bytes."""
        self._stencil = Stencil(_VARYING, block)
        self._longest = block.find(b"\r\n") + header_block
        self._length, self.last = framing
        self._limit = (
            decision.place.function.config.body_limit if isinstance(decision, Forward) else None
        )
        self.head = head
        self.decision = decision
        self.generation = generation
        self.kept: tuple[Lasting, bool, bytes] | None = None

    def varying(self, block: bytes) -> Headers | None:
        """The fields that vary, if this head is the same one otherwise."""
        return None if len(block) > self._longest else self._stencil.fill(block)

    def length(self, varying: Headers) -> int | None:
        """Bytes of the request's body, None for chunked; -1 if that is over its limit."""
        for name, value in varying:
            if name == b"content-length":
                size = int(value)
                return size if self._limit is None or size <= self._limit else -1
        return self._length


def lasting_decision(decided: Decision, admitted: Decision) -> Decision:
    """What holds for the next request too, of what was decided and what became of it.

    A limit refuses one request for the number of those before it, and says nothing of the next.
    """
    limited = isinstance(admitted, Refuse) and admitted.refusal.kind is Errors.RATE_LIMITED.value
    return decided if limited else admitted


def is_learnable(block: bytes, head: Head, decision: Repeatable) -> bool:
    """Whether a head may be remembered.

    An opening of a WebSocket comes but once. What is refused for another reason than its token
    would be refused for that one once it has expired, and a length may be the reason, which varies.
    A field that varies but is not spelt as usual would go unseen.
    """
    if len(block) > LONGEST or head.websocket:
        return False
    if isinstance(decision, Refuse) and not _is_final(decision):
        return False
    named = sum(name in _VARYING.values for name, _ in head.headers)
    return named == len(_VARYING.fields(block))


def _is_final(decision: Refuse) -> bool:
    """Whether neither the clock nor the request's length can alter a refusal."""
    return decision.place is None or decision.refusal.kind is Errors.UNAUTHORIZED.value
