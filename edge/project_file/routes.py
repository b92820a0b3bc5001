"""Which addresses of a function have settings of their own, and in which order they count. Pure.

A route is what lets a request in without a token or keeps it out, so every doubt here counts for
the token.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge.functions import EVERY_PATH, Project, Route, ToolSettings
from tokens.paths import PathTemplate

_SETTINGS_FREE = ToolSettings("")
_VARIABLE = re.compile(r"\{|^:")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a tool's operation is.

    Attributes:
        tool: the tool's name.
        path: the template, with the base path of the document's `servers` in front.
    """

    tool: str
    method: str
    path: str


def resolve_routes(project: Project, tools: Iterable[tuple[str, str, str]]) -> tuple[Route, ...]:
    """The routes of a deployment; the first that takes a request is the one that counts.

    Tools with `public`, `methods`, `timeout` or `cron` of their own have one, and so has every
    other tool that a request could be confused with: `/users/me` beside a public `/users/{id}`
    stays as protected as the function. A tool that must not be public on a public function and that
    nothing is known of yet (its document is down) puts the whole function behind the token.

    Args:
        tools: name (as the project file renames it), method and path template, as the function
            sees it, of what the document holds: also of tools that are left out of `/mcp`.
    """
    known = {name: Address(name, method.upper(), path) for name, method, path in tools}
    own = {tool.name: _address(tool, known) for tool in project.tools if _has_settings(tool)}
    settings = {tool.name: tool for tool in project.tools}
    chosen = [address for address in own.values() if address is not None]
    taken = {(address.method, address.path) for address in chosen}
    beside = [
        address
        for address in known.values()
        if (address.method, address.path) not in taken
        and any(_overlap(address.path, other.path) for other in chosen)
    ]
    routes = [_route(address, settings[address.tool], project) for address in chosen]
    routes += [_route(address, _SETTINGS_FREE, project) for address in beside]
    routes.sort(key=lambda route: (route.template.parameters, route.public is True))
    return (*routes, *_guard(project, own))


def unresolved_tools(project: Project, tools: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Tools whose own settings cannot apply, since their operation is not in the document."""
    known = {name: Address(name, method, path) for name, method, path in tools}
    return tuple(
        tool.name for tool in project.tools if _has_settings(tool) and _address(tool, known) is None
    )


def _has_settings(tool: ToolSettings) -> bool:
    own = (tool.public, tool.methods, tool.timeout)
    return own != (None, None, None) or bool(tool.cron)


def _address(tool: ToolSettings, known: dict[str, Address]) -> Address | None:
    if tool.method is not None and tool.path is not None:
        return Address(tool.name, tool.method, tool.path)
    return known.get(tool.name)


def _route(address: Address, settings: ToolSettings, project: Project) -> Route:
    """With the public that applies written out, so that the order alone decides."""
    public = project.config.public if settings.public is None else settings.public
    return Route(
        address.tool,
        address.method,
        PathTemplate(address.path),
        methods=settings.methods,
        public=public,
        timeout=settings.timeout,
    )


def _guard(project: Project, own: dict[str, Address | None]) -> tuple[Route, ...]:
    """Keeps a public function shut while a protected tool's address is unknown."""
    protected = {tool.name for tool in project.tools if tool.public is False}
    lost = sorted(name for name, address in own.items() if address is None and name in protected)
    if not project.config.public or not lost:
        return ()
    methods = project.config.methods
    return (Route(lost[0], methods[0], EVERY_PATH, methods=methods, public=False),)


def _overlap(one: str, other: str) -> bool:
    """Whether some path is both templates'; parts of segments count as the whole of them."""
    segments, others = one.split("/"), other.split("/")
    return len(segments) == len(others) and all(
        a == b or _VARIABLE.search(a) or _VARIABLE.search(b)
        for a, b in zip(segments, others, strict=True)
    )
