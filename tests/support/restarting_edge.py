"""An edge that tests restart amid what its callers do: same data directory, same port."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.admin.operations import DeployRequest, DeployResult
from tests.support.edge import running_function
from tests.support.whole_edge import Edge, serving


class RestartingEdge:
    """A running edge.

    Attributes:
        edge: what runs now.
        deployed: the example function on it, with its first token.
    """

    edge: Edge
    deployed: DeployResult

    def __init__(self, data_dir: Path, stack: ExitStack, *, workers: int) -> None:
        self._data_dir, self._stack, self._workers = data_dir, stack, workers
        self._described = 0
        self._start("127.0.0.1:0")

    def restart(self) -> None:
        """Stop it, wait until it has ended, and start it again where it was."""
        address = f"127.0.0.1:{self.edge.port}"
        self._stack.close()
        self._start(address)

    def describe_a_tool_anew(self) -> None:
        """Deploy the example with another description of one of its tools."""
        self._described += 1
        project = self.deployed.project
        described = {"operationId": "getCustomer", "description": f"Text {self._described}"}
        changed = project | {"tools": {"getCustomer": described}}
        self.edge.operations.deploy(DeployRequest(project=json.dumps(changed)))

    def _start(self, address: str) -> None:
        running = serving(self._data_dir, "--bind", address, workers=self._workers)
        self.edge = self._stack.enter_context(running)


@contextmanager
def restarting_edge(base: Path, *, workers: int) -> Iterator[RestartingEdge]:
    """Start the example function and an edge before it. ``base`` is an empty folder."""
    with running_function() as upstream, ExitStack() as stack:
        running = RestartingEdge(base / "data", stack, workers=workers)
        running.deployed = running.edge.deploy("customers", upstream)
        yield running
