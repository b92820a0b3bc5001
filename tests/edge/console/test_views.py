"""Whatever functions, clients and people have written stands on the pages as text alone."""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest

from edge.admin.audit_operations import AuditRecord, AuditVerdict
from edge.admin.cron_operations import CronRunInfo, ScheduleInfo
from edge.admin.operations import DeploymentInfo, FunctionInfo, FunctionSummary
from edge.admin.status_operations import EdgeStatus
from edge.admin.token_operations import NewToken, TokenInfo
from edge.console.arguments import Field
from edge.console.charts import charts
from edge.console.rendering import Views
from edge.console.trying import Outcome, Result
from edge.console.watching import Request
from edge.snippets import Snippet
from tests.support.console_visitor import Elements
from tokens.model import AccessToken

VIEWS = Views()
TEMPLATES = Path(__file__).parents[3] / "edge" / "console" / "templates"

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><svg/onload=alert(1)>",
    "</textarea></pre><iframe src=javascript:alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<!--",
    "\u2028\u0000\ud7ff&lt;b&gt;&#60;",
    "-->]]></style><base href=//evil.example>",
]


def made(kind: Any, payload: str) -> Any:
    """A value of a type with the payload wherever there is text."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return made(inner[0], payload)
    if origin in (Union, types.UnionType):
        return made(next(each for each in inner if each is not type(None)), payload)
    if origin is tuple:
        return tuple(made(each, payload) for each in inner if each is not Ellipsis)
    if origin is dict:
        return {payload: made(inner[1], payload) if inner[1] is not Any else payload}
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        hints = get_type_hints(kind, include_extras=True)
        names = (
            [each.name for each in dataclasses.fields(kind) if each.init]
            if dataclasses.is_dataclass(kind)
            else kind._fields
        )
        return kind(**{name: made(hints[name], payload) for name in names})
    plain = {str: payload, int: 3, float: 3.0, bool: True, bytes: payload.encode()}
    return plain.get(kind, payload)


def contexts(payload: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every template with what it names, all of it hostile."""
    function = made(FunctionInfo, payload)
    caller = AccessToken("pat_1", payload, "abcd", 0.0)
    common = {
        "caller": caller,
        "may": lambda _: True,
        "csrf": "0" * 32,
        "now": 10.0,
        "place": "",
        "notice": payload,
        "version": payload,
    }
    drawn = {"charts": charts((), None, 10.0)}
    told = {"message": payload, "status": 404}
    head = {**common, "function": function, "tab": "overview", "may_make": True, "how": "made"}
    outcome = dataclasses.replace(
        made(Outcome, payload), status=200, fields=[("x-request-id", payload), (payload, payload)]
    )
    result = Result(True, payload, (payload,), (), {payload: payload}, {payload: payload})
    tool = {"name": payload, "schema": {"properties": {payload: payload}}}
    tool["described"] = {"description": payload, "annotations": {}}
    field = Field(payload, "text", True, payload, payload, payload, (payload,), payload)
    fields = [dataclasses.replace(field, kind=kind) for kind in ("text", "choice", "long", "flag")]
    came = {"outcome": outcome, "text": payload}
    written = {"method": payload, "path": payload, "type": payload}
    tokens = [made(TokenInfo, payload)]
    of = {"tokens": tokens, "more": payload, "of": payload, "expiries": [payload]}
    request = made(Request, payload)
    yield "sign_in.html", {"problem": payload, "notice": payload, "version": payload}
    yield "stranger.html", told
    yield "error_line.html", told
    yield "error.html", {**common, **told}
    yield "charts.html", drawn
    row = (made(FunctionSummary, payload), "M0 0", 1.0)
    full = {"rows": [row], "wanted": payload, "total": 1, "left": 1}
    full["failing"] = {payload: payload}
    yield "overview.html", {**common, **drawn, **full}
    yield "overview.html", {**common, **drawn, **full, "rows": [], "total": 0}
    yield "function.html", {**head, **drawn}
    yield "tools.html", head
    more = {"fields": fields, "written": payload, "problem": payload}
    for each in (result, None):
        yield "tool.html", {**head, "tool": tool, **more, **came, "result": each}
    said = {"written": written, "body": payload, "methods": [payload], "types": [payload]}
    yield "request.html", {**head, **came, **said}
    yield "function_tokens.html", {**head, **of, "overlaps": [payload]}
    yield "tokens.html", {**common, **of, "overlaps": [payload]}
    new = made(NewToken, payload)
    yield (
        "token_made.html",
        {**common, "made": new, "back": "/admin/console/tokens", "what": "made"},
    )
    yield "deployments.html", {**head, "deployments": [made(DeploymentInfo, payload)]}
    runs, schedules = [made(CronRunInfo, payload)], [made(ScheduleInfo, payload)]
    yield "cron.html", {**head, "runs": runs, "schedules": schedules}
    log = {"lines": [(payload, payload, payload)], "is_run": True, "request": payload}
    yield "logs.html", {**head, **log, "slug": payload}
    yield "log_lines.html", {**log, "lines": [], "slug": payload}
    snippets = [(payload, made(Snippet, payload))]
    yield "connect.html", {**head, "snippets": snippets}
    live = {"lines": [request], "of": payload, "failed": True, "paused": False}
    yield "live.html", {**common, **live}
    yield "live_rows.html", {**live, "lines": []}
    trail = {"records": [made(AuditRecord, payload)], "of": payload, "span": payload}
    verdict = made(AuditVerdict, payload)
    for each in (verdict, dataclasses.replace(verdict, intact=False)):
        yield "audit.html", {**common, **trail, "more": 3, "spans": [payload], "verdict": each}
    yield "workers.html", {**common, "status": made(EdgeStatus, payload)}


def shape(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Which elements there are, with which attributes, their values apart."""
    return [(tag, tuple(sorted(attributes))) for tag, attributes in Elements(page).found]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_page_has_the_same_elements_whatever_stands_in_it(payload: str) -> None:
    harmless = contexts("plain")
    for (template, hostile), (_, plain) in zip(contexts(payload), harmless, strict=True):
        page = VIEWS.html(template, hostile).decode()
        assert shape(page) == shape(VIEWS.html(template, plain).decode()), template
        for tag, attributes in Elements(page).found:
            assert not [name for name in attributes if name.startswith(("on", "style", "srcdoc"))]
            for name in ("href", "src", "action", "hx-get"):
                value = attributes.get(name, "/")
                assert value.startswith(("/", "?", "#")), (template, tag, value)


def test_every_template_is_tried() -> None:
    apart = {"frame.html", "page.html", "macros.html", "function_frame.html", "charts_table.html"}
    tried = {template for template, _ in contexts("plain")}
    assert tried | apart == {path.name for path in TEMPLATES.iterdir()}


def test_templates_hold_no_code_and_no_style_of_their_own() -> None:
    for path in TEMPLATES.iterdir():
        text = path.read_text()
        for tag, attributes in Elements(text).found:
            assert tag != "style", path
            assert tag != "script" or "src" in attributes, path
            assert not [name for name in attributes if name.startswith(("on", "style", "hx-on"))]
        assert "|safe" not in text
        assert "autoescape" not in text
