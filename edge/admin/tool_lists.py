"""The tools of a project as managing shows and compares them. Pure.

Apart from `projects`, for what it imports costs commands a quarter of a second.
"""

from edge.admin.operations import ToolInfo
from edge.functions import Project
from mcp_bridge.catalog import Catalog
from mcp_bridge.listing import shown
from mcp_bridge.tool_changes import NOTHING, Seen


def listed(project: Project, found: Catalog) -> tuple[ToolInfo, ...]:
    """The tools as `/mcp` shows them to an unscoped token; none that are an MCP server's own."""
    if not project.config.mcp.enabled or project.config.mcp.upstream is not None:
        return ()
    return tuple(
        ToolInfo(tool.name, tool.description, tool.operation.method, tool.operation.path)
        for tool in found.tools
    )


def seen(project: Project, found: Catalog) -> Seen | None:
    """What agents see of a function; None where that is an MCP server upstream."""
    if not project.config.mcp.enabled:
        return NOTHING
    if project.config.mcp.upstream is not None:
        return None
    tools = {
        tool.name: shown(tool) | {"public": tool.is_public(project.config.public)}
        for tool in found.tools
    }
    return Seen(tools, found.instructions(project.description))
