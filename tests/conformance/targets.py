"""What the suite is run against: a whole edge before each of two functions, its token check on.

The suite sends no token, so it talks to a shim that adds it; a test that skips the shim shows that
nothing is served without.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.admin.operations import DeployRequest
from tests.conformance.function import function
from tests.conformance.shim import shim
from tests.support.edge import FUNCTION_READY
from tests.support.processes import started
from tests.support.whole_edge import Edge, serving

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
    requests: list[DeployRequest] = []

    def deployed_again() -> None:
        edge.operations.deploy(requests[0])

    with (
        serving(folder, workers=WORKERS) as edge,
        function(deployed_again) as upstream,
    ):
        requests.append(DeployRequest(project=project(TOOLS, upstream)))
        with reached(edge, requests[0]) as target:
            yield target


@contextmanager
def pass_through(folder: Path) -> Iterator[Target]:
    """The SDK's server behind `config.mcp.upstream`."""
    program = [sys.executable, "-m", "tests.conformance.everything"]
    with (
        serving(folder, workers=WORKERS) as edge,
        started(program, FUNCTION_READY) as upstream,
    ):
        text = project(PASS_THROUGH, upstream.address, mcp={"upstream": "/mcp"})
        with reached(edge, DeployRequest(project=text)) as target:
            yield target


TARGETS = {TOOLS: tools, PASS_THROUGH: pass_through}


def project(slug: str, upstream: str, **config: object) -> str:
    """A project file's text."""
    document: object = "/openapi.json" if slug == TOOLS else False
    made = {"function": slug, "upstream": upstream, "openapi": document, "config": config}
    return json.dumps(made)


@contextmanager
def reached(edge: Edge, request: DeployRequest) -> Iterator[Target]:
    """Deploy, and stand a shim before the edge that adds the function's token."""
    deployed = edge.operations.deploy(request)
    token = deployed.token
    assert token is not None
    with shim(edge.program.address, f"X-Jelou-Token: {token}") as address:
        path = f"/{deployed.function}/mcp"
        yield Target(address + path, edge.program.address + path, token)
