"""Tools as each protocol revision shows them, and which a revision refuses. Pure.

Imports the SDK's types. One tool that a revision's own schema refuses would fail the whole
`tools/list`: it is found when a catalog is built, and left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

from mcp_bridge.revisions import HANDSHAKE, STATELESS, has_structured_content, is_stateless
from mcp_bridge.tools import Tool


def shown(tool: Tool) -> dict[str, Any]:
    """A tool as `tools/list` shows it at its fullest (MCP 2025-11-25, server/tools)."""
    optional = {
        "title": tool.title,
        "outputSchema": tool.output_schema,
        "icons": list(tool.icons) or None,
    }
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.input_schema,
        "annotations": tool.annotations,
        **{key: value for key, value in optional.items() if value is not None},
    }


def listed(tool: Tool, revision: str) -> dict[str, Any]:
    """A tool as this revision shows it."""
    described = shown(tool)
    if tool.output_schema is not None and not _may_promise(tool.output_schema, revision):
        del described["outputSchema"]
    return described


def complete(result: dict[str, Any], revision: str) -> dict[str, Any]:
    """A result with the `resultType` that the stateless revision wants."""
    return {"resultType": "complete", **result} if is_stateless(revision) else result


def refusals(tools: Sequence[Tool]) -> dict[str, str]:
    """Why tools cannot be listed, by name: the first revision that refuses each, and its reason."""
    found: dict[str, str] = {}
    for revision in (*HANDSHAKE, *STATELESS):
        if _refusal(tools, revision) is None:
            continue
        for tool in tools:
            why = _refusal([tool], revision)
            if why is not None:
                found.setdefault(tool.name, f"MCP {revision} refuses it: {why}")
    return found


def _may_promise(output: Mapping[str, Any], revision: str) -> bool:
    """Whether a revision knows output schemas, of this type."""
    is_object = output.get("type") == "object"
    return is_stateless(revision) or (has_structured_content(revision) and is_object)


def _refusal(tools: Sequence[Tool], revision: str) -> str | None:
    page = {"tools": [listed(tool, revision) for tool in tools]}
    hints = {"ttlMs": 0, "cacheScope": "private"} if is_stateless(revision) else {}
    try:
        serialize_server_result("tools/list", revision, complete({**page, **hints}, revision))
    except ValidationError as problem:
        error = problem.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(step) for step in error['loc'][2:])}: {error['msg']}"[:300]
    return None
