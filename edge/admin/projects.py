"""What managing makes of a project: its problems as one error, its tools as a list. Pure."""

from edge.admin.errors import AdminError
from edge.admin.operations import ToolInfo
from edge.functions import Project
from edge.project_file.parse import Parsed
from mcp_bridge.catalog import Catalog


def checked(parsed: Parsed) -> Project:
    """The project, or an error with every problem of its file, one a line."""
    if parsed.project is not None:
        return parsed.project
    problems = "\n".join(f"  {problem}" for problem in parsed.problems)
    raise AdminError("VALIDATION_ERROR", f"jelou.json cannot be deployed:\n{problems}")


def listed(project: Project, found: Catalog) -> tuple[ToolInfo, ...]:
    """The tools as `/mcp` shows them to an unscoped token."""
    if not project.config.mcp.enabled:
        return ()
    return tuple(
        ToolInfo(tool.name, tool.description, tool.operation.method, tool.operation.path)
        for tool in found.tools
    )
