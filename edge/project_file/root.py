"""The top level of a project file: name, address, document, hosts, and its parts put together.

Pure.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from edge.functions import Cron, DocumentSource, FunctionConfig, Project, ToolSettings
from edge.project_file.config import CONFIG_KEYS, Rules, read_config
from edge.project_file.cron import MAX_SCHEDULES
from edge.project_file.reader import Findings, Section, quote
from edge.project_file.run import RUN_KEYS, read_run
from edge.project_file.texts import is_target, seconds, wrong_host, wrong_origin, wrong_slug
from edge.project_file.tools import read_tools
from edge.project_file.upstream import EXAMPLE, UPSTREAM_KEYS, read_upstream

ROOT_KEYS = (
    "$schema",
    "function",
    "id",
    "description",
    "upstream",
    *RUN_KEYS,
    "openapi",
    "openapiRefresh",
    "hosts",
    "tools",
    "config",
)
MAX_HOSTS = 100

_FILE = re.compile(r"\./[^\x00-\x1f\x7f\\]+")
_DEFAULT_SOURCE = DocumentSource()
_MISPLACED = {
    **dict.fromkeys(CONFIG_KEYS, "config"),
    **dict.fromkeys(UPSTREAM_KEYS, "upstream"),
}


def read_root(value: Mapping[str, Any], findings: Findings, rules: Rules, base: str) -> Project:
    """The whole file; a meaningful value only if `findings` holds no problem."""
    root = Section(value, (), findings, ROOT_KEYS, _MISPLACED)
    _report_ways(root)
    upstream = read_upstream(root)
    project = Project(
        _read_slug(root),
        upstream.upstreams,
        description=root.string("description"),
        run=read_run(root),
        headers=upstream.headers,
        preserve_host=upstream.preserve_host,
        rewrite=upstream.rewrite,
        document=_read_source(root, base),
        hosts=_read_hosts(root, rules.domain),
        tools=read_tools(root, rules),
        config=read_config(root.section("config", CONFIG_KEYS), rules),
    )
    root.string("$schema")
    root.string("id")
    _report_schedules(findings, project.config, project.tools)
    return project


def _read_slug(root: Section) -> str:
    if "function" not in root:
        root.problem(
            "function", 'is missing; write the function\'s name: "function": "my-function"'
        )
        return ""
    slug = root.string("function")
    wrong = wrong_slug(slug) if isinstance(root.get("function"), str) else None
    if wrong:
        root.problem("function", wrong)
    return slug


def _report_ways(root: Section) -> None:
    """Files that name no function, or more than one."""
    ways = [key for key in ("upstream", "command", "entrypoint") if key in root]
    if len(ways) > 1:
        root.problem(ways[1], f"write exactly one of {', '.join(ways)}")
    if not ways:
        root.problem(
            "upstream",
            f"is missing; write where the function listens: {EXAMPLE}, "
            'or how the edge runs it: "entrypoint" or "command"',
        )


def _read_source(root: Section, base: str) -> DocumentSource:
    refresh = _DEFAULT_SOURCE.refresh
    if "openapiRefresh" in root:
        refresh = seconds(root.get("openapiRefresh")) or 0
        if not refresh:
            root.expected("openapiRefresh", 'a duration, such as 300 (seconds) or "5m"')
    value = root.get("openapi")
    if "openapi" not in root:
        return DocumentSource(refresh=refresh)
    if value is False:
        return DocumentSource("none", "", declared=True, refresh=refresh)
    if isinstance(value, str):
        if value.startswith("/") and is_target(value):
            return DocumentSource("path", value, declared=True, refresh=refresh)
        if _FILE.fullmatch(value) and ".." not in value.split("/"):
            location = posixpath.normpath(posixpath.join(base, value)) if base else value
            return DocumentSource("file", location, declared=True, refresh=refresh)
        if _is_https(value):
            return DocumentSource("url", value, declared=True, refresh=refresh)
    root.expected(
        "openapi",
        '"/path" on the upstream, "./file" in the project, "https://…" or false',
    )
    return DocumentSource(refresh=refresh)


def _is_https(value: str) -> bool:
    authority, slash, rest = value.removeprefix("https://").partition("/")
    origin = f"https://{authority.lower()}"
    return (
        value.startswith("https://")
        and wrong_origin(origin) is None
        and is_target(slash + rest or "/")
    )


def _read_hosts(root: Section, domain: str) -> tuple[str, ...]:
    hosts = root.strings("hosts", "a list of host names", lambda host: wrong_host(host, domain))
    if len(hosts) > MAX_HOSTS:
        root.problem("hosts", f"holds {len(hosts)} names; {MAX_HOSTS} is the most")
    return tuple(dict.fromkeys(host.lower().removesuffix(".") for host in hosts))


def _report_schedules(
    findings: Findings, config: FunctionConfig, tools: tuple[ToolSettings, ...]
) -> None:
    """Schedules count over the function and all its tools."""
    holders: list[tuple[tuple[str, ...], tuple[Cron, ...]]] = [
        (("config", "cron"), config.cron),
        *((("tools", tool.name, "config", "cron"), tool.cron) for tool in tools),
    ]
    used = [(path, schedules) for path, schedules in holders if schedules]
    total = sum(len(schedules) for _, schedules in used)
    if total > MAX_SCHEDULES:
        findings.problem(
            used[-1][0],
            f"a function takes {MAX_SCHEDULES} schedules at most, over all its tools; "
            f"here are {quote(total)}",
        )
