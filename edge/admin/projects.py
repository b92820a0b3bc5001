"""What managing makes of a project: its problems as one error, its tools as lists. Pure."""

from edge.admin.errors import AdminError
from edge.admin.operations import ToolInfo
from edge.functions import Project
from edge.project_file.parse import Parsed
from mcp_bridge.catalog import Catalog
from mcp_bridge.listing import shown
from mcp_bridge.tool_changes import Seen


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
    """The tools as agents see them; None where those of an MCP server upstream are shown."""
    if not project.config.mcp.enabled:
        return {}
    if project.config.mcp.upstream is not None:
        return None
    return {
        tool.name: shown(tool) | {"public": tool.is_public(project.config.public)}
        for tool in found.tools
    }
