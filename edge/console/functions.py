"""The pages of functions: all of them, one, its deployments, schedules, log and clients."""

from collections.abc import Mapping
from typing import Any

from edge.admin.cron_operations import ScheduleInfo
from edge.admin.log_operations import LogPage
from edge.admin.operations import FunctionInfo, FunctionSummary
from edge.admin.status_operations import EdgeStatus
from edge.console import forms
from edge.console.charts import charts, spark
from edge.console.desk import Answer, Asked, Shown
from edge.console.responses import see
from edge.console.words import dense
from edge.functions import CONSOLE
from edge.snippets import CLIENTS, Wanted

MOST = 100
"""Functions on one page; the search finds the others."""

RUNS = 50
LINES = 200


def overview(asked: Asked) -> Answer:
    """Every function, and how the edge does."""
    wanted = forms.text(asked.query, "q", 200).lower()
    found: tuple[FunctionSummary, ...] = asked.desk.ask("functions")
    matching = [f for f in found if wanted in f.slug or wanted in f.description.lower()]
    samples = asked.seen.samples()
    rows = [(function, *spark(samples, function.slug, asked.now)) for function in matching[:MOST]]
    return Shown(
        "overview.html",
        {
            "rows": rows,
            "failing": _failing(asked) if len(found) <= MOST else {},
            "wanted": wanted,
            "total": len(found),
            "left": len(matching) - len(rows),
            "charts": charts(samples, None, asked.now),
        },
    )


def _failing(asked: Asked) -> dict[str, str]:
    """The states of those that do not stay up; of many functions that takes long."""
    status: EdgeStatus = asked.desk.ask("status")
    return {each.slug: each.state for each in status.failing}


def edge_charts(asked: Asked) -> Answer:
    """The charts of all requests, again."""
    asked.desk.ask("functions")
    drawn = charts(asked.seen.samples(), None, asked.now)
    return Shown("charts.html", {"charts": drawn}, fragment=True)


def function(asked: Asked, slug: str) -> Answer:
    """One function: where it runs, how it does."""
    drawn = charts(asked.seen.samples(), slug, asked.now)
    return Shown("function.html", {**_head(asked, slug, "overview"), "charts": drawn})


def function_charts(asked: Asked, slug: str) -> Answer:
    """Its charts, again."""
    asked.desk.ask("function", slug=slug)
    drawn = charts(asked.seen.samples(), slug, asked.now)
    return Shown("charts.html", {"charts": drawn}, fragment=True)


def deployments(asked: Asked, slug: str) -> Answer:
    """Its versions."""
    found = asked.desk.ask("deployments", slug=slug)
    return Shown("deployments.html", {**_head(asked, slug, "deployments"), "deployments": found})


def roll_back(asked: Asked, slug: str) -> Answer:
    """Make an earlier version answer again."""
    asked.desk.ask("rollback", slug=slug, id=forms.text(asked.form, "id", 200))
    return see(f"{_at(asked, slug)}/deployments?done=rolled-back")


def cron(asked: Asked, slug: str) -> Answer:
    """Its schedules and their last runs."""
    schedules: tuple[ScheduleInfo, ...] = asked.desk.ask("schedules", slug=slug)
    runs = asked.desk.ask("cron_runs", slug=slug, limit=RUNS)
    return Shown("cron.html", {**_head(asked, slug, "cron"), "schedules": schedules, "runs": runs})


def fire(asked: Asked, slug: str) -> Answer:
    """Start a run now."""
    asked.desk.ask("fire", slug=slug, name=forms.text(asked.form, "name", 500))
    return see(f"{_at(asked, slug)}/cron?done=fired")


def logs(asked: Asked, slug: str) -> Answer:
    """The end of its log, the newest line first."""
    return Shown("logs.html", {**_head(asked, slug, "logs"), **_lines(asked, slug)})


def log_lines(asked: Asked, slug: str) -> Answer:
    """The same lines, again."""
    return Shown("log_lines.html", _lines(asked, slug), fragment=True)


def connect(asked: Asked, slug: str) -> Answer:
    """What each MCP client wants to be told."""
    head = _head(asked, slug, "connect")
    info: FunctionInfo = head["function"]
    snippets: list[Any] = []
    if info.mcp_url is not None:
        wanted = Wanted(slug, info.mcp_url, None, "jelou")
        snippets = [(client, make(wanted)) for client, make in CLIENTS.items()]
    return Shown("connect.html", {**head, "snippets": snippets})


def _head(asked: Asked, slug: str, tab: str) -> dict[str, Any]:
    """What the top of each of its pages names."""
    return {"function": asked.desk.ask("function", slug=slug), "tab": tab}


def _at(asked: Asked, slug: str) -> str:
    """Its page; a slug is that of a function that is there."""
    info: FunctionInfo = asked.desk.ask("function", slug=slug)
    return f"{CONSOLE}/functions/{info.slug}"


def _lines(asked: Asked, slug: str) -> dict[str, Any]:
    request = forms.text(asked.query, "request", 200)
    page: LogPage = asked.desk.ask("logs", function=slug, limit=LINES, request=request or None)
    lines = [_line(line) for line in reversed(page.lines)]
    return {"lines": lines, "is_run": page.is_run, "request": request, "slug": slug}


def _line(line: Mapping[str, Any]) -> tuple[str, str, str]:
    """When, how grave, and what was said."""
    said = line.get("message")
    if not isinstance(said, str):
        said = " ".join(dense(each) for each in _said(line))
    return str(line.get("timestamp", "")), str(line.get("level", "")), said


def _said(line: Mapping[str, Any]) -> list[Any]:
    arguments = line.get("args")
    return arguments if isinstance(arguments, list) else []
