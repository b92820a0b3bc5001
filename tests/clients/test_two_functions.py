"""Two functions behind one edge: each has its own address, tools and tokens."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.curl import JSON, UNAUTHORIZED, curl, rpc, with_token
from tests.support.edge import NODE_FUNCTION, RunningEdge, project, running_function

PHONE = '{"phone": "593987654321"}'
CALL = rpc("tools/call", {"name": "findCustomer", "arguments": {"phone": "593987654321"}})


@dataclass(frozen=True, slots=True)
class Second:
    """The function in Node, deployed on the same edge."""

    url: str
    mcp_url: str
    token: str = field(repr=False)


@pytest.fixture(scope="module")
def second(
    edge: RunningEdge, node: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Second]:
    """The Node example, on a Unix socket, deployed while the edge runs."""
    base = tmp_path_factory.mktemp("second")
    program = (str(node), str(NODE_FUNCTION / "app.mjs"))
    with running_function(*program, socket=base / "function.sock") as upstream:
        folder = project(NODE_FUNCTION, upstream, base / "project")
        deployed = edge.jelou("deploy", str(folder))
        yield Second(deployed["url"], deployed["mcpUrl"], deployed["token"])


def test_a_function_deployed_on_a_running_edge_is_served_at_once(second: Second) -> None:
    called = curl(second.url, *JSON, *with_token(second.token), "-d", PHONE)
    as_tool = curl(second.mcp_url, *JSON, *with_token(second.token), "-d", CALL)

    assert called.json()["name"] == "Ana Torres"
    assert json.loads(as_tool.result()["content"][0]["text"]) == called.json()


def test_the_token_of_one_function_opens_no_other(edge: RunningEdge, second: Second) -> None:
    crossed = {
        edge.url: second.token,
        edge.mcp_url: second.token,
        second.url: edge.token,
        second.mcp_url: edge.token,
    }

    for url, token in crossed.items():
        answer = curl(url, *JSON, *with_token(token), "-d", PHONE)
        assert (answer.status, answer.body) == (401, UNAUTHORIZED)
