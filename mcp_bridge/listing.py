"""Which tools a protocol revision can show, and how. Imports the SDK's types.

One tool that a revision's own schema refuses would fail the whole `tools/list`: it is found here
first and left out.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

from mcp_bridge.catalog import Catalog, shown
from mcp_bridge.revisions import has_structured_content, is_stateless
from mcp_bridge.tools import Tool

_MAX_REMEMBERED = 512

_log = logging.getLogger(__name__)


class Listings:
    """What is known of catalogs and revisions; checked once for each pair."""

    def __init__(self) -> None:
        self._refused: dict[tuple[str, str], frozenset[str]] = {}

    def refused(self, catalog: Catalog, revision: str) -> frozenset[str]:
        """The names of tools that cannot be shown at a revision."""
        key = (catalog.digest, revision)
        if key not in self._refused:
            if len(self._refused) >= _MAX_REMEMBERED:
                self._refused.clear()
            self._refused[key] = _refused_by(catalog.tools, revision)
        return self._refused[key]


def listed(tool: Tool, revision: str) -> dict[str, Any]:
    """A tool as this revision shows it."""
    described = shown(tool)
    if tool.output_schema is not None and not _may_promise(tool.output_schema, revision):
        del described["outputSchema"]
    return described


def complete(result: dict[str, Any], revision: str) -> dict[str, Any]:
    """A result with the `resultType` that the stateless revision wants."""
    return {"resultType": "complete", **result} if is_stateless(revision) else result


def _may_promise(output: Mapping[str, Any], revision: str) -> bool:
    """Whether a revision knows output schemas, of this type."""
    is_object = output.get("type") == "object"
    return is_stateless(revision) or (has_structured_content(revision) and is_object)


def _refused_by(tools: Sequence[Tool], revision: str) -> frozenset[str]:
    if _is_listable(tools, revision):
        return frozenset()
    bad = frozenset(tool.name for tool in tools if not _is_listable([tool], revision))
    _log.warning("left out of tools/list at %s: %s", revision, ", ".join(sorted(bad)))
    return bad


def _is_listable(tools: Sequence[Tool], revision: str) -> bool:
    page = {"tools": [listed(tool, revision) for tool in tools]}
    hints = {"ttlMs": 0, "cacheScope": "private"} if is_stateless(revision) else {}
    try:
        serialize_server_result("tools/list", revision, complete({**page, **hints}, revision))
    except ValidationError:
        return False
    return True
