"""One edge for all clients, and the programs that drive it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import packages
from tests.support.edge import RunningEdge, running_edge


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """An edge of two workers with the example function deployed."""
    with running_edge(tmp_path_factory.mktemp("edge"), workers=2) as running:
        yield running


@pytest.fixture(scope="session")
def node() -> Path:
    """Node as npm has it, new enough for every client."""
    return packages.or_skip(packages.node)


@pytest.fixture(scope="session")
def sdks() -> Path:
    """The folder of the JavaScript examples with both TypeScript SDKs installed."""
    return packages.or_skip(packages.sdks)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder in which the Inspector and mcp-remote are installed."""
    return packages.or_skip(lambda: packages.installed(packages.TOOLS))
