"""What managing makes of a project: its problems as one error, its tools as lists. Pure."""

from edge.admin.errors import AdminError
from edge.admin.operations import ToolInfo
from edge.functions import Project
from edge.project_file.parse import Parsed
from mcp_bridge.catalog import Catalog
from mcp_bridge.listing import shown
from mcp_bridge.tool_changes import NOTHING, Seen


def checked(parsed: Parsed) -> Project:
    """The project, or an error with every problem of its file, one a line."""
    if parsed.project is not None:
        return parsed.project
    problems = "\n".join(f"  {problem}" for problem in parsed.problems)
    raise AdminError("VALIDATION_ERROR", f"jelou.json cannot be deployed:\n{problems}")


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
