"""A project file as a `Project`: read with every problem at once, written, made from a URL. Pure.

What each key may hold is in `edge/project_file/`; fetching the document is not done here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from edge.functions import Project, Upstream
from edge.project_file.config import Rules
from edge.project_file.declared import KEY as DECLARED
from edge.project_file.declared import merged
from edge.project_file.positions import Positions, TooDeep, locate
from edge.project_file.reader import Finding, Findings, dotted, quote
from edge.project_file.root import ROOT_KEYS, read_root
from edge.project_file.texts import wrong_slug
from edge.project_file.upstream import BadUpstream, anchored, parse_upstream

MAX_FILE = 256 * 1024
"""Characters of a project file: the platform's limit for one file."""

MAX_TIMEOUT = 120_000
"""Milliseconds; the default of the setting `max_timeout`."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one place of a project file.

    Attributes:
        line: from 1.
        key: the path of the key, such as `config.cron[0].expression`; empty for the whole file.
        message: what is wrong and what to write.
    """

    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: {self.key}" if self.key else f"line {self.line}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of a project file.

    Attributes:
        project: None if there is any problem.
        problems, warnings: in the order of their lines.
    """

    project: Project | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


class ProjectError(ValueError):
    """A project that cannot be made; the text says why and what to write."""


def parse_project(
    text: str, *, base: str = "", max_timeout: int = MAX_TIMEOUT, domain: str = ""
) -> Parsed:
    """Read a project file; never raises, whatever the text.

    Args:
        base: the absolute path of the project's directory, which files named in it are relative
            to; empty if it is not known.
        max_timeout: milliseconds that no `timeout` may exceed.
        domain: the edge's own domain, where no function may have a host; empty if unknown.
    """
    text = text.removeprefix("\ufeff")
    try:
        value = _load(text)
        positions = locate(text)
    except orjson.JSONDecodeError as error:
        return Parsed(None, (_not_json(text, error),))
    except TooDeep as error:
        return Parsed(None, (Problem(error.line, "", f"{error}; flatten it"),))
    except ProjectError as error:
        return Parsed(None, (Problem(1, "", str(error)),))
    findings = Findings()
    text = _canonical(anchored(value, base) if base else value)
    rules = Rules(max_timeout, domain, _is_timezone)
    project = replace(read_root(orjson.loads(text), findings, rules, base), text=text)
    problems = sorted([*_placed(findings.problems, positions), *_repeated(positions)], key=_line)
    warnings = sorted(_placed(findings.warnings, positions), key=_line)
    return Parsed(None if problems else project, tuple(problems), tuple(warnings))


def load_project(text: str) -> Project:
    """The project of a canonical text that was accepted before, quickly.

    Settings of the edge that have changed since (`max_timeout`, its domain, the time zones known)
    do not make it unreadable.

    Raises:
        ProjectError: it is no project file after all.
    """
    findings = Findings()
    try:
        value = _load(text)
    except orjson.JSONDecodeError as error:
        raise ProjectError(str(_not_json(text, error))) from error
    whole = merged(value, value.pop(DECLARED, {}))
    project = read_root(whole, findings, Rules(2**53, "", lambda _: True), "")
    if findings.problems:
        found = findings.problems[0]
        raise ProjectError(f"{dotted(found.path)}: {found.message}")
    return replace(project, text=text)


def with_declared(project: Project, declared: dict[str, Any], rules: Mapping[str, Any]) -> Parsed:
    """A project with what its code declares under its file (`edge.project_file.declared`).

    Args:
        rules: the keyword arguments of `parse_project`.
    """
    if not declared:
        return Parsed(project)
    value = _load(project.text)
    found = parse_project(_canonical(merged(value, declared)), **rules)
    if found.project is None:
        return found
    return Parsed(load_project(_canonical({**value, DECLARED: declared})), (), found.warnings)


def project_for_url(url: str, slug: str | None = None) -> Project:
    """The project of `jelou deploy URL`, without a file.

    Args:
        slug: the function's name; None derives it from host and port.

    Raises:
        ProjectError: the URL is no upstream, or the slug is none.
    """
    try:
        upstream = parse_upstream(url)
    except BadUpstream as bad:
        raise ProjectError(f"{quote(url) if '@' not in url else 'the URL'}: {bad}") from None
    name = slug if slug is not None else slug_for(upstream)
    wrong = wrong_slug(name)
    if wrong:
        raise ProjectError(f"{wrong}; give one with --slug")
    return load_project(_canonical({"function": name, "upstream": upstream.url}))


def slug_for(upstream: Upstream) -> str:
    """A name for a function known by its address alone: `localhost-9000`, `api-shop-example`."""
    if upstream.scheme == "unix":
        words = upstream.socket.rpartition("/")[2].removesuffix(".sock")
    else:
        host = "localhost" if upstream.host in _LOOPBACK else upstream.host
        port = urlsplit(f"//{upstream.authority}").port
        words = host if port is None else f"{host}-{port}"
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in words.lower())
    name = "-".join(part for part in plain.split("-") if part)[:63].strip("-")
    return name if wrong_slug(name) is None else f"my-{name}"[:63].strip("-")


def render_project(project: Project) -> str:
    """The project file of a project, as one writes it by hand."""
    value: dict[str, Any] = orjson.loads(project.text)  # what the code declares is not the file's
    ordered = {key: value[key] for key in ROOT_KEYS if key in value}
    return orjson.dumps(ordered, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def as_written(project: Project) -> str:
    """A project's canonical text without what its code declares."""
    value: dict[str, Any] = orjson.loads(project.text)
    value.pop(DECLARED, None)
    return _canonical(value)


def _load(text: str) -> dict[str, Any]:
    if len(text) > MAX_FILE:
        raise ProjectError(f"the file is {len(text)} characters long; {MAX_FILE} is the most")
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise ProjectError(f"must be a JSON object, not {quote(value)}")
    return value


def _canonical(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _not_json(text: str, error: orjson.JSONDecodeError) -> Problem:
    if not text.strip():
        return Problem(1, "", 'the file is empty; write at least "function" and "upstream"')
    what = f"not JSON at column {error.colno}: {error.msg}"
    if text[error.pos : error.pos + 1] in ("/", "#"):
        what += "; JSON has no comments"
    if text[error.pos : error.pos + 1] == "'":
        what += "; JSON strings stand in double quotes"
    return Problem(error.lineno, "", what)


def _placed(found: list[Finding], positions: Positions) -> list[Problem]:
    return [Problem(positions.line(f.path), dotted(f.path), f.message) for f in found]


def _repeated(positions: Positions) -> list[Problem]:
    return [
        Problem(line, dotted(path), f"{quote(path[-1])} stands here a second time; keep one")
        for path, line in positions.repeated
    ]


def _line(problem: Problem) -> int:
    return problem.line


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
