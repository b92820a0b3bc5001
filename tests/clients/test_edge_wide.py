"""Official MCP clients at the edge's own `/mcp`: the tools of every function, one address."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import packages
from tests.clients.customers import ANA, OPERATIONS
from tests.clients.driving import Driven, driven
from tests.clients.packages import DRIVERS
from tests.support.edge import RunningEdge, running_function

BRANCH = "branch"


@pytest.fixture(scope="module")
def token(edge: RunningEdge) -> str:
    """Good for every function."""
    created: str = edge.jelou("tokens", "create", "--all", "--name", "every")["token"]
    return created


@contextmanager
def branch(edge: RunningEdge) -> Iterator[None]:
    """A second function, deployed while the edge runs, and deleted at the end."""
    with running_function() as upstream:
        edge.jelou("deploy", upstream, "--slug", BRANCH)
        yield
        edge.jelou("functions", "delete", BRANCH, "-y")


CLIENTS = [
    pytest.param(("python_sdk.py", "auto"), marks=pytest.mark.slow),
    ("python_sdk.py", "legacy"),
    ("typescript-v1.mjs", ""),
    ("typescript-v2.mjs", "2026-07-28"),
]


@pytest.fixture(params=CLIENTS, ids=" ".join)
def client(
    request: pytest.FixtureRequest, edge: RunningEdge, token: str, tmp_path: Path
) -> Iterator[Driven]:
    """Each client, connected to the edge's own address."""
    driver, mode = request.param
    if driver.endswith(".mjs"):
        node, folder = packages.or_skip(packages.node), packages.or_skip(packages.sdks)
        command = [str(node), str(folder / driver)]
    else:
        command = [sys.executable, str(DRIVERS / driver)]
    words = [*command, mode] if mode else command
    with driven(words, f"{edge.address}/mcp", token, home=str(tmp_path)) as running:
        yield running


def listed(client: Driven, slug: str) -> set[str]:
    """The tools of one function that it lists, by that function's own names."""
    start = f"{slug}__"
    return {name.removeprefix(start) for name in client.tools() if name.startswith(start)}


def test_a_client_lists_and_calls_every_function_and_hears_of_new_ones(
    client: Driven, edge: RunningEdge
) -> None:
    assert listed(client, edge.slug) == OPERATIONS
    assert not listed(client, BRANCH)
    with branch(edge):
        assert client.hears_of_a_change()
        assert listed(client, edge.slug) == listed(client, BRANCH) == OPERATIONS
        for slug in (edge.slug, BRANCH):
            answer = client.call(f"{slug}__getCustomer", id="c1")
            assert not answer["failed"]
            assert json.loads(answer["text"]) == ANA
            assert client.call(f"{slug}__getCustomer", id="..")["failed"]
    assert client.hears_of_a_change()
    assert not listed(client, BRANCH)
