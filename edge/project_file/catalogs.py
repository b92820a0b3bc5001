"""From a project file and a document to tools and routes: the bridge's catalog, asked. Pure."""

from dataclasses import replace
from functools import partial

from edge.functions import Project, Route, ToolSettings, allows
from edge.project_file.routes import resolve_routes, unresolved_tools
from mcp_bridge.catalog import Catalog, Entry, build
from mcp_bridge.names import full_name
from mcp_bridge.search import collisions
from mcp_bridge.specs import ToolSpec
from mcp_bridge.tools import Tool


def specs(project: Project) -> tuple[ToolSpec, ...]:
    """What the project file says about tools, in the bridge's words."""
    return tuple(_spec(settings) for settings in project.tools)


def catalog(project: Project, document: bytes | None) -> Catalog:
    """The function's tools; none where `config.mcp` is false or another server speaks MCP."""
    found = build(document, specs(project), partial(_refused, project))
    if project.config.mcp.search:
        found = replace(found, warnings=(*found.warnings, *collisions(found)))
    return _finished(project, found)


def _finished(project: Project, found: Catalog) -> Catalog:
    """Each tool told how its streams are read, and its name among those of all functions.

    Clients see nothing of it, so the digest stays.
    """
    stated = {tool.name: tool.stream for tool in project.tools if tool.stream is not None}
    usual = project.config.mcp.stream

    def finished(entry: Entry) -> Entry:
        name = entry.tool.name
        known_as = (full_name(project.slug, name),)
        tool = replace(entry.tool, stream=stated.get(name, usual), known_as=known_as)
        return replace(entry, tool=tool)

    return replace(found, entries={name: finished(entry) for name, entry in found.entries.items()})


def _refused(project: Project, tool: Tool) -> str | None:
    """Why nobody may call a tool, by the gate's rule for methods."""
    method = tool.operation.method
    if allows(tool.methods or project.config.methods, method):
        return None
    return f"its method {method} is not in config.methods"


def routes(project: Project, found: Catalog) -> tuple[Route, ...]:
    """The addresses whose tools have settings of their own, in the order they are tried."""
    return resolve_routes(project, _operations(found))


def unresolved(project: Project, found: Catalog) -> tuple[str, ...]:
    """Tools with settings of their own whose operation is not in the document."""
    return unresolved_tools(project, _operations(found))


def unscheduled(project: Project, found: Catalog) -> tuple[str, ...]:
    """Tools with schedules whose path has parameters: nobody says what stands in their place."""
    paths = {route.tool: route.template for route in routes(project, found)}
    return tuple(
        tool.name
        for tool in project.tools
        if tool.cron and tool.name in paths and paths[tool.name].parameters
    )


def _operations(found: Catalog) -> list[tuple[str, str, str]]:
    """Name, method and path of every tool, also of those that `/mcp` leaves out."""
    every = (*found.tools, *found.hidden)
    return [(tool.name, tool.operation.method, tool.operation.path) for tool in every]


def _spec(settings: ToolSettings) -> ToolSpec:
    return ToolSpec(
        name=settings.name,
        operation_id=settings.operation_id,
        method=settings.method,
        path=settings.path,
        input_schema=settings.input_schema,
        description=settings.description,
        title=settings.title,
        annotations=settings.annotations,
        icons=settings.icons,
        public=settings.public,
        mcp=settings.mcp,
        methods=settings.methods,
        timeout=settings.timeout,
    )
