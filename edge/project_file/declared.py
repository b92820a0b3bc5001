"""What a function's code declares of itself, under what its project file says. Pure.

An SDK puts a fragment of a project file into the document that it serves, as `x-jelou.project`. It
counts for functions that the edge runs itself: who deploys them has written both.
"""

from collections.abc import Mapping
from typing import Any

from mcp_bridge.document import DocumentError, load

KEY = "x-jelou"
"""In a document, and in the canonical text of a project, where the fragment is kept."""

_KEYS = ("description", "config", "tools")
_WHICH = ("operationId", "method", "path")


def declared_in(document: bytes) -> dict[str, Any]:
    """The fragment of a document; empty if it has none."""
    try:
        said = load(document).get(KEY)
    except DocumentError:
        return {}
    fragment = said.get("project") if isinstance(said, dict) else None
    if not isinstance(fragment, dict):
        return {}
    return {key: fragment[key] for key in _KEYS if fragment.get(key) not in (None, {}, "")}


def merged(file: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """The file over what is declared: it wins key by key in `config`, and tool by tool."""
    value = {**declared, **file}
    if "config" in declared:
        value["config"] = _over(file.get("config", {}), declared["config"])
    if "tools" in declared:
        value["tools"] = _tools(file.get("tools", {}), declared["tools"])
    return value


def _tools(file: Any, declared: Any) -> Any:
    found = _over(file, declared)
    if isinstance(file, dict) and isinstance(declared, dict):
        found |= {name: _tool(file[name], declared[name]) for name in file.keys() & declared.keys()}
    return found


def _tool(file: Any, declared: Any) -> Any:
    if not isinstance(file, dict) or not isinstance(declared, dict):
        return file
    if any(key in file for key in _WHICH):
        declared = {key: value for key, value in declared.items() if key not in _WHICH}
    found = _over(file, declared)
    if "config" in declared:
        found["config"] = _over(file.get("config", {}), declared["config"])
    return found


def _over(file: Any, declared: Any) -> Any:
    """The keys of both; what is no object is for the reader to find."""
    if isinstance(file, dict) and isinstance(declared, dict):
        return {**declared, **file}
    return file or declared
