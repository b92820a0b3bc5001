"""The pages of the edge as a whole: live requests, the audit trail, the workers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from edge.admin.audit_operations import AuditRecord
from edge.console import forms
from edge.console.desk import Answer, Asked, Shown

MOST = 100
"""Requests on the live page, records on one page of the trail."""


class Request(NamedTuple):
    """A line of the access log, as the page shows it.

    Attributes:
        time: RFC 3339.
        whole: whether the answer reached its end.
        ms: how long it took.
        message, tool: of MCP; empty for others.
        failed: whether the tool's result says so.
        why: the edge's own error, and the reason for it.
    """

    time: str
    status: int
    whole: bool
    method: str
    path: str
    function: str
    ms: float
    token: str
    id: str
    message: str
    tool: str
    failed: bool
    why: str

    @property
    def is_good(self) -> bool:
        """Whether it went as its client wanted."""
        return 0 < self.status < 400 and self.whole and not self.failed


SPANS: dict[str, float | None] = {
    "ever": None,
    "in the last hour": 3600.0,
    "in the last day": 86400.0,
    "in the last 7 days": 7 * 86400.0,
    "in the last 30 days": 30 * 86400.0,
}


def live(asked: Asked) -> Answer:
    """Requests as they end."""
    return Shown("live.html", _requests(asked))


def live_rows(asked: Asked) -> Answer:
    """The same rows, again."""
    return Shown("live_rows.html", _requests(asked), fragment=True)


def audit(asked: Asked) -> Answer:
    """Who changed what."""
    function = forms.text(asked.query, "function", 200)
    span = asked.query.get("within", "ever")
    within = forms.chosen({"within": span}, "within", SPANS)
    found: tuple[AuditRecord, ...] = asked.desk.ask(
        "audit",
        function=function or None,
        within=None if within is None else int(within),
        limit=MOST + 1,
        before=forms.whole(asked.query, "before"),
    )
    verdict = asked.desk.ask("verify_audit") if asked.query.get("verify") else None
    return Shown(
        "audit.html",
        {
            "records": found[:MOST],
            "more": found[MOST - 1].number if len(found) > MOST else None,
            "of": function,
            "span": span,
            "spans": tuple(SPANS),
            "verdict": verdict,
        },
    )


def workers(asked: Asked) -> Answer:
    """How the edge is."""
    return Shown("workers.html", {"status": asked.desk.ask("status")})


def _requests(asked: Asked) -> dict[str, Any]:
    asked.desk.ask("functions")
    function = forms.text(asked.query, "function", 200)
    failed = bool(asked.query.get("failed"))
    lines = [_request(line) for line in asked.seen.recent() if line.get("event") == "request"]
    of_it = [line for line in lines if not function or line.function == function]
    return {
        "lines": [line for line in of_it if not (failed and line.is_good)][:MOST],
        "of": function,
        "failed": failed,
        "paused": bool(asked.query.get("paused")),
    }


def _request(line: Mapping[str, Any]) -> Request:
    why = ": ".join(str(line[name]) for name in ("code", "reason") if line.get(name))
    return Request(
        time=str(line.get("time", "")),
        status=int(line.get("status", 0)),
        whole=bool(line.get("whole", True)),
        method=str(line.get("method", "")),
        path=str(line.get("path", "")),
        function=str(line.get("function", "")),
        ms=float(line.get("ms", 0.0)),
        token=str(line.get("token", "")),
        id=str(line.get("requestId", "")),
        message=str(line.get("mcpMethod", "")),
        tool=str(line.get("tool", "")),
        failed=bool(line.get("isError")),
        why=why,
    )
