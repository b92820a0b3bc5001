"""Which of its functions a request is for: routes, methods, parameters of paths."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from edge.sdk.defining import App, DefinitionError, Function
from edge.sdk.requests import Request
from mcp_bridge.names import kebab_case

EVERY_PATH = "*"
PARAMETER = re.compile(r"\{[^{}/]+\}|(?<=/):[A-Za-z_][A-Za-z0-9_]*")
"""As the edge reads them; spelled again, since `tokens` may be the name of an author's module."""

DEFAULT_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PREFERRED = ("POST", "PUT", "PATCH", "GET", "DELETE")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with its place.

    Attributes:
        name: of the MCP tool, and the operation's id.
        path: as it was declared, `*` for every path.
        public, mcp: as the function or else its app says.
    """

    name: str
    function: Function
    path: str
    methods: tuple[str, ...]
    public: bool
    mcp: bool
    pattern: re.Pattern[str] | None

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it; every path is called by its root."""
        if self.path == EVERY_PATH:
            return "/"
        return PARAMETER.sub(lambda found: f"{{{_name(found[0])}}}", self.path)

    @property
    def usual_method(self) -> str:
        """The one method by which the document shows it, so that agents see it once."""
        return next((each for each in _PREFERRED if each in self.methods), self.methods[0])

    def allows(self, method: str) -> bool:
        """Whether a method is among its own; `GET` implies `HEAD`."""
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def match(self, raw_path: str) -> dict[str, str] | None:
        """The parameters of a path, decoded; None if it is not this tool's."""
        if self.pattern is None:
            return {}
        found = self.pattern.fullmatch(raw_path)
        if found is None:
            return None
        names = parameters(self.path)
        values = [unquote(value) for value in found.groups()]
        return dict(zip(names, values, strict=True))


@dataclass(frozen=True, slots=True)
class Found:
    """The tool that answers, and the parameters of the path."""

    tool: Tool
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotFound:
    """No tool answers.

    Attributes:
        allowed: the methods for which one would; none: there is no such route.
    """

    allowed: tuple[str, ...] = ()


def tools_of(declared: Function | App, slug: str) -> tuple[Tool, ...]:
    """The tools of what a module declares.

    Args:
        slug: the function's, which names a tool that has no name of its own.

    Raises:
        DefinitionError: a path or methods that cannot be.
    """
    if isinstance(declared, Function):
        return (_tool(declared.name or slug, declared, {}, EVERY_PATH),)
    return tuple(
        _tool(key, function, declared.config, f"/{kebab_case(key)}")
        for key, function in declared.tools.items()
    )


def _tool(name: str, function: Function, shared: Mapping[str, Any], usual_path: str) -> Tool:
    """A tool; its path is its own alone, everything else it takes from its app where it is silent.

    Args:
        shared: the app's `config`.
    """
    said = function.config.get("path", usual_path)
    config = {**shared, **function.config}
    methods = config.get("methods", DEFAULT_METHODS)
    if not isinstance(said, str) or not (said == EVERY_PATH or said.startswith("/")):
        raise DefinitionError(f'path of {name} must be "*" or start with "/", not {said!r}')
    if isinstance(methods, str) or not all(isinstance(each, str) for each in methods):
        raise DefinitionError(f'methods of {name} must be a list such as ["POST"], not {methods!r}')
    return Tool(
        name,
        function,
        said,
        tuple(methods),
        public=config.get("public") is True,
        mcp=config.get("mcp") is not False,
        pattern=None if said == EVERY_PATH else _compiled(said),
    )


def _compiled(path: str) -> re.Pattern[str]:
    pieces: list[str] = []
    end = 0
    for parameter in PARAMETER.finditer(path):
        pieces += [re.escape(path[end : parameter.start()]), "([^/]+)"]
        end = parameter.end()
    return re.compile("".join([*pieces, re.escape(path[end:])]))


def parameters(path: str) -> list[str]:
    """The names of a path's parameters, in order."""
    return [_name(each[0]) for each in PARAMETER.finditer(path)]


def _name(parameter: str) -> str:
    return parameter.strip(":{}")


def find(tools: tuple[Tool, ...], request: Request, is_cron: bool) -> Found | NotFound:
    """The tool that a request is for.

    Args:
        is_cron: whether a schedule made it: then methods do not count, and of a single function
            neither does the path.
    """
    if is_cron and len(tools) == 1:
        return Found(tools[0], {})
    allowed: list[str] = []
    for tool in tools:
        params = tool.match(request.raw_path)
        if params is not None and (is_cron or tool.allows(request.method)):
            return Found(tool, params)
        if params is not None:
            allowed += tool.methods
    return NotFound(tuple(dict.fromkeys(allowed)))
