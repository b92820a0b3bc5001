"""A plugin of pytest: one edge of two workers for all tests that change nothing but functions.

Starting an edge takes a second of a processor for each of its workers. Tests that stop one, or need
flags of their own, start it with `tests.support.whole_edge.serving`.
"""

from collections.abc import Iterator

import pytest

from tests.support import token_scan
from tests.support.whole_edge import Edge, serving


@pytest.fixture(scope="session")
def edge_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The edge itself; tests ask for `shared_edge`."""
    with serving(tmp_path_factory.mktemp("shared") / "data", workers=2) as running:
        yield running


@pytest.fixture
def shared_edge(edge_of_two: Edge) -> Iterator[Edge]:
    """The edge, without functions."""
    yield edge_of_two
    for caller in edge_of_two.callers:
        caller.close()
    edge_of_two.callers.clear()
    for left in edge_of_two.operations.functions():
        edge_of_two.operations.delete_function(left.slug)
    token_scan.written(edge_of_two.data_dir)
