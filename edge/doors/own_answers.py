"""What the edge itself answers to a decided request, whole: refusals, preflights, probes. Pure."""

from edge.doors.asked import Asked
from edge.doors.rendering import Rendered, json_answer, render
from edge.errors import Refusal
from edge.forwarding.plan import guarded
from edge.gate.decisions import Answer, Open, Status
from edge.message import Headers


def refused(asked: Asked, refusal: Refusal) -> Rendered:
    """The answer for an error, in the form that its asker reads."""
    error = render(refusal, asked.head.headers, asked.request_id, mcp=asked.speaks_mcp)
    return Rendered(error.status, error.headers + asked.cors + asked.limits, error.body)


def at_once(asked: Asked, decision: Answer) -> Rendered:
    """An answer that the gate gave."""
    fields = (*decision.headers, (b"x-request-id", asked.request_id))
    return Rendered(decision.status, fields, decision.body)


def status(asked: Asked, decision: Status, *, draining: bool) -> Rendered:
    """How the edge itself is."""
    ends = decision.probe == "ready" and draining
    body = b'{"status":"draining"}' if ends else b'{"status":"ok"}'
    fields = ((b"cache-control", b"no-store"), (b"x-request-id", asked.request_id))
    return json_answer(503 if ends else 200, body, fields)


def document(asked: Asked, decision: Open, made: Rendered) -> Rendered:
    """One of a function's open documents, with the fields that every answer carries."""
    fields = dressed(asked, made.headers, checked=decision.checked)
    return Rendered(made.status, fields, made.body)


def dressed(asked: Asked, fields: Headers, *, checked: bool) -> Headers:
    """The fields of an answer that the edge makes, with those that every such answer carries.

    Args:
        checked: whether a token was demanded.
    """
    every = fields + asked.common
    return every + (guarded(every) if checked else ())
