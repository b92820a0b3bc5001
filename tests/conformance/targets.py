"""What the suite is run against: a whole edge before a function, its token check on.

The suite sends no token, so it talks to a shim that adds it; a test that skips the shim shows that
nothing is served without.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.admin.operations import DeployRequest, DeployResult
from mcp_bridge.names import full_name
from tests.conformance.function import function
from tests.conformance.prefix import Prefix
from tests.conformance.shim import shim
from tests.support.edge import FUNCTION_READY
from tests.support.processes import started
from tests.support.whole_edge import Edge, serving
from tokens.model import EDGE_WIDE

TOOLS, PASS_THROUGH = "tools", "pass-through"
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Target:
    """Where the suite finds a function.

    Attributes:
        url: its `/mcp`, at the shim.
        bare: the same, at the edge.
    """

    url: str
    bare: str
    token: str = field(repr=False)


@contextmanager
def tools(folder: Path) -> Iterator[Target]:
    """The plain HTTP function; it is deployed anew whenever its document changes."""
    with deployed_tools(folder) as (edge, deployed), behind(edge, deployed) as target:
        yield target


@contextmanager
def edge_wide(folder: Path) -> Iterator[Target]:
    """The same at the edge's own `/mcp`, by an edge-wide token.

    The names that the suite asks for are the function's own, so that the shim adds its slug.
    """
    with deployed_tools(folder) as (edge, deployed):
        secret = edge.operations.create_token(EDGE_WIDE, "every").token
        with reached(edge, "/mcp", secret, Prefix(full_name(deployed.function, ""))) as target:
            yield target


@contextmanager
def deployed_tools(folder: Path) -> Iterator[tuple[Edge, DeployResult]]:
    """An edge with the plain HTTP function."""
    requests: list[DeployRequest] = []

    def deployed_again() -> None:
        edge.operations.deploy(requests[0])

    with (
        serving(folder, workers=WORKERS) as edge,
        function(deployed_again) as upstream,
    ):
        requests.append(DeployRequest(project=project(TOOLS, upstream)))
        yield edge, edge.operations.deploy(requests[0])


@contextmanager
def pass_through(folder: Path, only: str = "") -> Iterator[Target]:
    """The SDK's server behind `config.mcp.upstream`.

    Args:
        only: the one era that the server speaks, if it is one alone: the edge speaks for it.
    """
    program = [sys.executable, "-m", "tests.conformance.everything", *filter(None, [only])]
    with (
        serving(folder, workers=WORKERS) as edge,
        started(program, FUNCTION_READY) as upstream,
    ):
        mcp = {"upstream": "/mcp", "bridge": bool(only)}
        request = DeployRequest(project=project(PASS_THROUGH, upstream.address, mcp=mcp))
        with behind(edge, edge.operations.deploy(request)) as target:
            yield target


def project(slug: str, upstream: str, **config: object) -> str:
    """A project file's text."""
    document: object = "/openapi.json" if slug == TOOLS else False
    made = {"function": slug, "upstream": upstream, "openapi": document, "config": config}
    return json.dumps(made)


@contextmanager
def behind(edge: Edge, deployed: DeployResult) -> Iterator[Target]:
    """A function's own `/mcp`, by its own token."""
    assert deployed.token is not None
    with reached(edge, f"/{deployed.function}/mcp", deployed.token) as target:
        yield target


@contextmanager
def reached(edge: Edge, path: str, token: str, prefix: Prefix | None = None) -> Iterator[Target]:
    """Stand a shim before the edge that adds a token."""
    with shim(edge.program.address, f"X-Jelou-Token: {token}", prefix) as address:
        yield Target(address + path, edge.program.address + path, token)
