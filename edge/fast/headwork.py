"""The header work of `edge.forwarding.plan`, for plain messages straight to the wire's bytes. Pure.

The rules are `plan`'s and `edge.headers`'; here is what lasts from request to request of a caller,
made ready as bytes once. What is not plain goes through `plan` itself.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from edge import cors, headers
from edge.forwarding import plan
from edge.forwarding.parse import Frame, ResponseHead
from edge.functions import Deployment, Function, Upstream
from edge.http1 import field_lines
from edge.message import Headers, Ids, first
from mcp_bridge.failures import phrase
from tokens.model import Principal

CHUNKED = b"\r\ntransfer-encoding: chunked"
CLOSE = b"\r\nconnection: close"

MOST_NAMES = 128
"""Field names of one caller whose verdicts are remembered."""

_PLAIN_OPTIONS = frozenset({b"keep-alive", b"close"})
_DROPPED, _REWRITTEN, _CACHING, _DATE, _CONNECTION, _CLOSE = range(6)
_NOTED = (
    dict.fromkeys(headers.HOP_BY_HOP | plan.OWN_IN_ANSWERS, _DROPPED)
    | dict.fromkeys(plan.REWRITTEN, _REWRITTEN)
    | {
        b"cache-control": _CACHING,
        b"date": _DATE,
        b"connection": _CONNECTION,
        b"close": _CLOSE,
    }
)
"""Fields of an answer that are more than copied."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """What is alike in every request of one caller by one address to one deployment.

    Attributes:
        block: field lines to the function, each begun by CRLF.
        continued, begun: folded names that the edge says itself, where the trace is the caller's,
            and where it is new.
        cors: field lines of the answer, or None if they depend on the request.
        known: whether a caller's field goes on, by its name, as far as was asked.
    """

    function: Function
    live: Deployment
    principal: Principal | None
    upstream: Upstream
    who: plan.Caller
    block: bytes
    continued: frozenset[bytes]
    begun: frozenset[bytes]
    cors: bytes | None
    known: dict[bytes, bool] = field(default_factory=dict)

    def fits(self, live: Deployment, principal: Principal | None, upstream: Upstream) -> bool:
        """Whether this is what a request of the same caller needs."""
        return self.live is live and self.principal is principal and self.upstream is upstream


def lasting(
    who: plan.Caller,
    function: Function,
    principal: Principal | None,
    upstream: Upstream,
    trigger: plan.Trigger,
    edge_id: str,
) -> Lasting:
    """Make ready what lasts."""
    fields = plan.lasting_fields(who, function, upstream, principal, trigger, edge_id)
    settings = function.config.cors
    fixed = settings is None or "*" in settings.origins
    return Lasting(
        function=function,
        live=function.live,
        principal=principal,
        upstream=upstream,
        who=who,
        block=field_lines(fields),
        continued=plan.replaced_names(fields, continued=True),
        begun=plan.replaced_names(fields, continued=False),
        cors=field_lines(cors.answer(settings, ())) if fixed else None,
    )


def kept_lines(alike: Lasting, sent: Headers, ids: Ids) -> bytes:
    """The caller's fields that go on to the function, as lines begun by CRLF."""
    known = alike.known
    kept = []
    for pair in sent:
        goes_on = known.get(pair[0])
        if goes_on is None:
            goes_on = _learn(alike, pair[0])
        if goes_on:
            kept.append(b"\r\n%b: %b" % pair)
    block = b"".join(kept)
    return _careful(alike, sent, ids) if _needs_care(block, sent, ids) else block


def request_head(alike: Lasting, line: bytes, kept: bytes, ids: Ids, framing: bytes) -> bytes:
    """The head of a request to the function.

    Args:
        line: method, target and version.
        kept: as `kept_lines` has it.
        framing: the field line that says where the body ends, begun by CRLF; may be empty.
    """
    return b"%b%b%b\r\nx-request-id: %b\r\ntraceparent: %b%b\r\n\r\n" % (
        line,
        kept,
        alike.block,
        ids.request_id,
        ids.traceparent,
        framing,
    )


def _learn(alike: Lasting, name: bytes) -> bool:
    goes_on = headers.may_go_on(name, alike.begun)
    if len(name) <= headers.USUAL_NAME:
        if len(alike.known) >= MOST_NAMES:
            alike.known.clear()
        alike.known[name] = goes_on
    return goes_on


def _needs_care(block: bytes, sent: Headers, ids: Ids) -> bool:
    """Whether values may hold a token, a trace goes on, or cookies came in pieces."""
    return (
        b"jfn" in block
        or b"%" in block
        or (ids.continued and first(sent, b"tracestate") is not None)
        or block.count(b"\r\ncookie:") > 1
    )


def _careful(alike: Lasting, sent: Headers, ids: Ids) -> bytes:
    replaced = alike.continued if ids.continued else alike.begun
    return field_lines(plan.joined_cookies(headers.without_callers_claims(sent, replaced)))


@dataclass(frozen=True, slots=True)
class Asking:
    """What an answer's head depends on, besides the answer.

    Attributes:
        sent: the request's fields, for CORS.
        checked: whether a token was demanded.
    """

    alike: Lasting
    sent: Headers
    method: str
    checked: bool


class AnswerHead(NamedTuple):
    """The head of an answer to the client, but for its id, `Connection` and the empty line.

    Attributes:
        chunked: whether the body goes out in chunks.
        event_stream: whether it is `text/event-stream`.
    """

    block: bytes
    chunked: bool
    event_stream: bool


def answer_head(to: Asking, answered: ResponseHead, frame: Frame, date: bytes | None) -> AnswerHead:
    """The head of a function's answer.

    A body that ends with the upstream's connection goes out in chunks, so that its end is known.

    Args:
        date: for an answer that has none (RFC 9110 §6.6.1); None adds none.
    """
    block = _answer_lines(to, answered.headers, date)
    kind = first(answered.headers, b"content-type") or b""
    chunked = frame.framing in ("chunked", "close") or _lost_its_length(answered, frame, block)
    if chunked or _has_no_length(to, answered, block):
        block += CHUNKED
    reason = answered.reason or phrase(answered.status).encode()
    return AnswerHead(
        block=b"HTTP/1.1 %d %b%b" % (answered.status, reason, block),
        chunked=chunked,
        event_stream=kind.partition(b";")[0].strip().lower() == b"text/event-stream",
    )


def _lost_its_length(answered: ResponseHead, frame: Frame, block: bytes) -> bool:
    """Whether `Connection` named the length, which then goes no further."""
    lost = frame.framing == "length" and b"\r\ncontent-length:" not in block
    return lost and first(answered.headers, b"content-length") is not None


def _has_no_length(to: Asking, answered: ResponseHead, block: bytes) -> bool:
    """Whether an answer to `HEAD` is one that would have come in chunks."""
    bodiless = answered.status in (204, 304)
    return to.method == "HEAD" and not bodiless and b"\r\ncontent-length:" not in block


def _answer_lines(to: Asking, answered: Headers, date: bytes | None) -> bytes:
    alike = to.alike
    copied = []
    cached = dated = False
    for pair in answered:
        note = _NOTED.get(pair[0])
        if note is None:
            copied.append(b"\r\n%b: %b" % pair)
        elif note is _CLOSE or (note is _CONNECTION and pair[1].lower() not in _PLAIN_OPTIONS):
            return _planned_lines(to, answered, date)
        elif note is not _DROPPED and note is not _CONNECTION:
            cached = cached or note is _CACHING
            dated = dated or note is _DATE
            copied.append(b"\r\n%b: %b" % _rewritten(alike, pair))
    block = b"".join(copied)
    if b"\r\naccess-control-" not in block:
        block += alike.cors if alike.cors is not None else _cors(to)
    if to.checked:
        block += _GUARDED if cached else _GUARDED_PRIVATE
    return block if dated or date is None else b"%b\r\ndate: %b" % (block, date)


def _rewritten(alike: Lasting, pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    if not alike.live.project.rewrite:
        return pair
    return plan.rewritten(pair, alike.who, alike.upstream)


def _planned_lines(to: Asking, answered: Headers, date: bytes | None) -> bytes:
    """The same, for an answer whose `Connection` names fields."""
    alike = to.alike
    fields = plan.answer_headers(
        to.sent, answered, b"", alike.who, alike.function, alike.upstream, checked=to.checked
    )
    block = field_lines(tuple(pair for pair in fields if pair[0] != b"x-request-id"))
    if date is None or first(fields, b"date") is not None:
        return block
    return b"%b\r\ndate: %b" % (block, date)


def _cors(to: Asking) -> bytes:
    return field_lines(cors.answer(to.alike.live.project.config.cors, to.sent))


_GUARDED_PRIVATE = field_lines(plan.guarded(()))
_GUARDED = field_lines(plan.guarded(((b"cache-control", b""),)))
