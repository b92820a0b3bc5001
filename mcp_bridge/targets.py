"""Which tool a `tools/call` means: one of the function's, or in search mode one that finds or calls
others. Pure.
"""

from typing import Any, NamedTuple

from mcp_bridge import search
from mcp_bridge.catalog import Entry
from mcp_bridge.endpoint import Endpoint
from mcp_bridge.names import joined
from mcp_bridge.results import Result, error_result
from mcp_bridge.search import CALL, FIND, Search


class Target(NamedTuple):
    """A tool of the function's, and the arguments for it, unchecked."""

    entry: Entry
    arguments: dict[str, Any]


class Targets:
    """Finds them; one instance per worker, since search keeps what it knows of catalogs."""

    def __init__(self) -> None:
        self._search = Search()

    def of(
        self, endpoint: Endpoint, name: str, arguments: dict[str, Any], revision: str
    ) -> Target | Result | None:
        """The tool, a result that is there already, or None: unknown, or not this caller's."""
        meant = _search_tool(endpoint, name) if endpoint.search else None
        if meant is not None:
            return self._searched(endpoint, meant, arguments, revision)
        entry = endpoint.find(name)
        return None if entry is None else Target(entry, arguments)

    def _searched(
        self, endpoint: Endpoint, name: str, arguments: dict[str, Any], revision: str
    ) -> Target | Result:
        violations = search.violations(name, arguments)
        if violations:
            return invalid(violations)
        if name == FIND:
            principal, public = endpoint.principal, endpoint.public
            return self._search.find(endpoint.catalog, principal, public, arguments, revision)
        meant = search.unwrap(arguments)
        entry = endpoint.find(meant.name)
        if entry is None:
            finds = joined(endpoint.group, FIND) if endpoint.group else FIND
            return error_result(f"Unknown tool: {meant.name[:100]}; {finds} says which there are.")
        return Target(entry, dict(meant.arguments))


def _search_tool(endpoint: Endpoint, name: str) -> str | None:
    """Which of search mode's own tools a name means, or None."""
    if not endpoint.group:
        return name if name in (FIND, CALL) else None
    return next((own for own in (FIND, CALL) if joined(endpoint.group, own) == name), None)


def invalid(violations: list[str]) -> Result:
    """The result of a call whose arguments are refused; each violation begins with its path."""
    return error_result("Invalid arguments:\n" + "\n".join(violations))
