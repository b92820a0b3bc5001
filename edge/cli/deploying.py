"""What `jelou deploy` and `jelou serve --project` share: the request, and what is said of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge.admin.expectations import told
from edge.admin.operations import DeployRequest, DeployResult, Operations
from edge.admin.projects import checked
from edge.cli import output
from edge.cli.code_files import with_code
from edge.cli.project_files import read_document, read_project
from edge.config import Config
from edge.project_file.parse import parse_project
from mcp_bridge.tool_changes import ToolChanges


def deploy_directory(operations: Operations, directory: Path, config: Config) -> DeployResult:
    """Deploy a project directory of this machine; AdminError says why it cannot be."""
    request = from_directory(DeployRequest(), directory, config, local=True)
    return operations.deploy(with_code(operations, request, directory))


def from_directory(
    request: DeployRequest, directory: Path, config: Config, *, local: bool
) -> DeployRequest:
    """The request for a project; problems of its file are told before anything else happens.

    Args:
        local: whether the edge is on this machine, so that files named in the project are its too.
    """
    file = read_project(directory)
    source = checked(parse_project(file.text, max_timeout=config.max_timeout)).document
    document = read_document(file.directory, source.location) if source.kind == "file" else None
    base = str(file.directory) if local else ""
    return replace(request, project=file.text, base=base, document=document)


def deployed_lines(
    result: DeployResult, *, first_steps: bool, saved: Path | None = None
) -> Iterator[str]:
    """What a deploy says.

    Args:
        first_steps: whether to name the tools and a call to try.
        saved: the file that the token was written to, or None.
    """
    yield output.done(_headline(result))
    if result.id is not None:
        yield output.item("ID", result.id)
    yield output.item("URL", result.url)
    if result.token is not None:
        yield output.warning("A default runtime token was created for this function.")
        yield "  Save it now — it will not be shown again."
        yield output.secret(result.token)
    if saved is not None:
        yield output.warning(f"A default runtime token was created and written to {saved}")
    if result.mcp_url is not None:
        yield output.item("MCP", f"{result.mcp_url} ({_served(result)})")
    if first_steps:
        yield from _first_steps(result)
    # On a first deploy everything is new, so nothing is said of changes.
    changes = ToolChanges() if result.first else result.tool_changes
    yield from tool_lines(changes, result.mcp_url and result.tools_digest)
    if not result.running:
        yield output.warning("No edge is running; start it with: jelou serve")


def _served(result: DeployResult) -> str:
    """What the MCP address serves; an MCP server upstream is not asked for its tools."""
    if result.tools_digest is None:
        return "MCP is served by the function"
    count = len(result.tools)
    return f"{count} {'tool' if count == 1 else 'tools'}"


def _headline(result: DeployResult) -> str:
    if result.dry_run:
        return "Dry run: everything is in order, nothing was deployed"
    return "Deployed" if result.changed else "Unchanged"


def tool_lines(changes: ToolChanges, digest: str | None) -> Iterator[str]:
    """What has become live changes for agents, and its digest, if it has one."""
    for line in told(changes):
        yield output.warning(line)
    if digest is not None:
        yield output.item("Tools digest", digest)


def _first_steps(result: DeployResult) -> Iterator[str]:
    if result.tools:
        yield output.item("Tools", ", ".join(tool.name for tool in result.tools))
    if result.example is not None:
        yield output.item("Try", result.example)
