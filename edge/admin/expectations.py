"""Which tools a deploy was told to expect, and the refusal of others. Pure.

Not here: what differs between two lists of tools (`mcp_bridge.tool_changes`).
"""

import re
from collections.abc import Iterator

from edge.admin.errors import AdminError
from mcp_bridge.tool_changes import NOTHING, Seen, ToolChange, ToolChanges, compare, digest

NAMED = 20
"""Tools that one line names; the others are counted."""

_WORDS = {
    "public": "who may call it",
    "inputSchema": "input schema",
    "outputSchema": "output schema",
}


def check_digest(text: str) -> str:
    """A digest as one types it; AdminError if it cannot be one."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()) is None:
        raise AdminError(
            "INPUT_ERROR",
            "--expect-tools takes the 64 hexadecimal digits that deploy and functions info show "
            'as "Tools digest"',
        )
    return text.strip().lower()


def refuse_others(expected: str, before: Seen | None, after: Seen | None) -> None:
    """Refuse tools that have not the expected digest; the refusal says what differs from live.

    Args:
        before: the tools that are live; None where the edge does not know them.
        after: those that would be.

    Raises:
        AdminError: TOOLS_CHANGED, or INPUT_ERROR for what is no digest.
    """
    expected = check_digest(expected)
    if after is None:
        raise AdminError(
            "TOOLS_CHANGED",
            "Nothing was deployed: the tools are those of the MCP server upstream, so the edge "
            "cannot vouch for them; leave --expect-tools out",
        )
    if digest(after) == expected:
        return
    lines = [
        "Nothing was deployed: the tools are not the expected ones",
        f"  expected {expected}",
        f"  found    {digest(after)}",
        f"  {_against_live(expected, before)}",
        *(f"    {line}" for line in told(compare(before or NOTHING, after))),
    ]
    raise AdminError("TOOLS_CHANGED", "\n".join(lines))


def told(changes: ToolChanges) -> Iterator[str]:
    """What differs, in lines: what moves an agent most comes first."""
    if changes.instructions:
        yield "Instructions changed: what agents are told about the function as a whole"
    if changes.changed:
        yield f"Tools changed: {_some(tuple(map(_change, changes.changed)))}"
    if changes.added:
        yield f"Tools added: {_some(changes.added)}"
    if changes.removed:
        yield f"Tools removed: {_some(changes.removed)}"


def _against_live(expected: str, before: Seen | None) -> str:
    if before is None:
        return "the live tools are not known; those found are:"
    if digest(before) == expected:
        return "the expected ones are live; what would change:"
    return f"live are others again ({digest(before)}); what would change:"


def _change(change: ToolChange) -> str:
    return f"{change.name} ({', '.join(_WORDS.get(part, part) for part in change.what)})"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
