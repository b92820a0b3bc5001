"""What differs for agents between two versions of a function's tools, and a digest. Pure.

An agent acts on what it reads: a tool whose description has changed can be turned against its user
without one line of its code changing (MCP 2025-11-25, server/tools: descriptions and annotations
are to be taken as untrusted). Not here: how tools become what agents see (`mcp_bridge.catalog`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

Tools = Mapping[str, Mapping[str, Any]]
"""Tools by name: each as `tools/list` shows it, with `public`, whether it needs no token."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What agents see of a function.

    Attributes:
        instructions: what the server says about its use, or None.
    """

    tools: Tools = field(default_factory=dict)
    instructions: str | None = None


NOTHING = Seen()

_SERVER = ""
"""Stands in a digest where a tool has its name; no tool has this one."""

PARTS = (
    "description",
    "public",
    "inputSchema",
    "annotations",
    "outputSchema",
    "title",
    "icons",
)
"""Parts of a tool in the order in which their changes are told: what moves an agent most first."""


@dataclass(frozen=True, slots=True)
class ToolChange:
    """A tool that is not what it was.

    Attributes:
        what: the parts that differ, in the order of `PARTS`, any others after them.
    """

    name: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolChanges:
    """How what agents see differs from what they saw.

    Attributes:
        instructions: whether the server says something else about its use.
        added, removed: names, sorted.
        changed: those with a changed description first, then by name.
    """

    instructions: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[ToolChange, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.instructions or self.added or self.removed or self.changed)


def compare(before: Seen, after: Seen) -> ToolChanges:
    """What has appeared, vanished or changed from one to the other."""
    old, new = before.tools, after.tools
    both = sorted(old.keys() & new.keys())
    changes = [ToolChange(name, _differing(old[name], new[name])) for name in both]
    return ToolChanges(
        instructions=before.instructions != after.instructions,
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted((change for change in changes if change.what), key=_urgency)),
    )


def digest(seen: Seen) -> str:
    """SHA-256 (hex) of all that `compare` looks at: equal digests are without a difference.

    It depends on nothing but what is seen, so every worker and every version that shows the same
    has the same one.
    """
    parts = {name: _parts(tool) for name, tool in seen.tools.items()}
    if seen.instructions is not None:
        parts[_SERVER] = {"instructions": seen.instructions}
    return sha256(_canonical(parts)).hexdigest()


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    old, new = _parts(before), _parts(after)
    others = sorted((old.keys() | new.keys()) - set(PARTS))
    return tuple(
        part for part in (*PARTS, *others) if _canonical(old.get(part)) != _canonical(new.get(part))
    )


def _parts(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {part: value for part, value in tool.items() if part != "name" and value is not None}


def _urgency(change: ToolChange) -> tuple[bool, str]:
    return "description" not in change.what, change.name


def _canonical(value: Any) -> bytes:
    """JSON in one spelling: members in any order are the same, `1`, `1.0` and `true` are not."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
