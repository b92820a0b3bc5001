"""The pages of a function's tools, and trying them: real calls with a real token."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from re import fullmatch
from typing import Any, NamedTuple

from edge.admin.errors import AdminError
from edge.admin.operations import DeploymentFiles, FunctionInfo
from edge.admin.token_operations import NewToken
from edge.console import arguments, forms
from edge.console.desk import Answer, Asked, Shown
from edge.console.trying import Outcome, Try, call_of, result_of
from edge.project_file import catalogs
from edge.project_file.parse import parse_project
from mcp_bridge.listing import shown
from tokens.secret import redact

FRESH = 180.0
"""Seconds that a token made for one call lives if nobody comes to revoke it."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
TYPES = ("application/json", "application/x-www-form-urlencoded", "text/plain")


class _Tool(NamedTuple):
    """A tool as clients are shown it.

    Attributes:
        schema: of its arguments.
        described: all that is shown.
    """

    name: str
    schema: Mapping[str, Any]
    described: Mapping[str, Any]


def tools(asked: Asked, slug: str) -> Answer:
    """The list of them."""
    return Shown("tools.html", _head(asked, slug))


def tool(asked: Asked, slug: str, name: str) -> Answer:
    """One, with the form that calls it."""
    head = _head(asked, slug)
    found = _tool(asked, head["function"], name)
    return Shown("tool.html", {**head, **_form(found, arguments.fields(found.schema))})


def call(asked: Asked, slug: str, name: str) -> Answer:
    """Call it, and show what came."""
    head = _head(asked, slug)
    found = _tool(asked, head["function"], name)
    fields = arguments.fields(found.schema)
    written = asked.form.get("json")
    try:
        if written is None:
            fields, given = arguments.filled(fields, asked.form)
        else:
            given = arguments.from_json(written)
    except arguments.NotArguments as problem:
        form = _form(found, fields, written or "", str(problem))
        return Shown("tool.html", {**head, **form}, status=400)
    form = _form(found, fields, written or "")
    if any(field.problem for field in fields):
        return Shown("tool.html", {**head, **form}, status=400)
    with _token(asked, slug, "mcp") as token:
        outcome = _redacted(asked.tries.make(call_of(slug, name, found.schema, given, token)))
    return Shown("tool.html", {**head, **form, **_came(outcome), "result": result_of(outcome)})


def request(asked: Asked, slug: str) -> Answer:
    """The form for a plain request."""
    return Shown("request.html", {**_head(asked, slug, "request"), **_request_form(asked)})


def send(asked: Asked, slug: str) -> Answer:
    """Send a plain request, and show what came."""
    head = {**_head(asked, slug, "request"), **_request_form(asked)}
    wanted = _wanted(asked, slug)
    with _token(asked, slug, "http") as token:
        outcome = _redacted(asked.tries.make(wanted._replace(token=token).made()))
    return Shown("request.html", {**head, **_came(outcome)})


class _Wanted(NamedTuple):
    """A plain request as it was written."""

    function: str
    method: str
    path: str
    kind: str
    body: bytes | None
    token: str | None = None

    def made(self) -> Try:
        fields = {"Accept": "*/*"} | ({"Content-Type": self.kind} if self.body else {})
        return Try(self.function, self.method, self.path, fields, self.body, self.token)


def _wanted(asked: Asked, slug: str) -> _Wanted:
    method, kind = asked.form.get("method", ""), asked.form.get("type", "")
    path = forms.text(asked.form, "path", 4096)
    if method not in METHODS or kind not in TYPES:
        raise AdminError("INPUT_ERROR", "Choose a method and a type of those offered")
    if not fullmatch(r"/[!-~]*", path) or "#" in path:
        raise AdminError("INPUT_ERROR", "Write a path from / on, its text percent-encoded")
    body = asked.form.get("body", "").encode()
    return _Wanted(slug, method, path, kind, body or None)


def _request_form(asked: Asked) -> dict[str, Any]:
    written = {name: asked.form.get(name, "") for name in ("method", "path", "type", "body")}
    chosen = {"method": "GET", "path": "/", "type": TYPES[0]}
    return {
        "written": {**chosen, **{key: value for key, value in written.items() if value}},
        "body": written["body"],
        "methods": METHODS,
        "types": TYPES,
        "outcome": None,
    }


def _head(asked: Asked, slug: str, tab: str = "tools") -> dict[str, Any]:
    function: FunctionInfo = asked.desk.ask("function", slug=slug)
    may_make = asked.desk.may("create_token")
    usual = "none" if function.public else ("made" if may_make else "pasted")
    how = asked.form.get("how", usual)
    return {"function": function, "tab": tab, "may_make": may_make, "how": how}


def _tool(asked: Asked, function: FunctionInfo, name: str) -> _Tool:
    """A tool of what is live; of an MCP server's own nothing is known but what was asked for."""
    files: DeploymentFiles = asked.desk.ask("download", slug=function.slug, id=function.deployment)
    project = parse_project(files.project).project
    if project is not None:
        document = None if files.document is None else files.document.encode()
        for each in catalogs.catalog(project, document).tools:
            if each.name == name:
                return _Tool(name, each.input_schema, shown(each))
    raise AdminError("NOT_FOUND", "The function has no such tool; it may have had one before")


def _form(
    found: _Tool, fields: tuple[arguments.Field, ...], written: str = "", problem: str = ""
) -> dict[str, Any]:
    return {
        "tool": found,
        "fields": fields,
        "written": written,
        "problem": problem,
        "outcome": None,
        "result": None,
    }


@contextmanager
def _token(asked: Asked, slug: str, scope: str) -> Iterator[str | None]:
    """The token that a call is made with: pasted, none, or made for it and over at its end."""
    how = asked.form.get("how", "")
    if how == "none":
        yield None
    elif how == "pasted":
        pasted = forms.text(asked.form, "token", 200)
        if not fullmatch(r"[!-~]+", pasted):
            raise AdminError("INPUT_ERROR", "Paste a runtime token, jfn_rt_…")
        yield pasted
    elif how == "made":
        name = f"console-{asked.random(4).hex()}"
        made: NewToken = asked.desk.ask(
            "create_token", function=slug, name=name, expires_in=FRESH, scopes=(scope,)
        )
        try:
            yield made.token
        finally:
            asked.desk.ask("revoke_token", function=slug, token=made.id)
    else:
        raise AdminError("INPUT_ERROR", "Choose which token the call is made with")


def _redacted(outcome: Outcome) -> Outcome:
    """An answer may hold the token that it was asked with."""
    fields = tuple((name, redact(value)) for name, value in outcome.fields)
    text = redact(outcome.body.decode("utf-8", "replace"))
    return replace(outcome, fields=fields, body=text.encode())


def _came(outcome: Outcome) -> dict[str, Any]:
    return {"outcome": outcome, "text": outcome.body.decode("utf-8", "replace")}
