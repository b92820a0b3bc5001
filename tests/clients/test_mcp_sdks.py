"""The official MCP clients use a function's tools, with the token in their header."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.clients.customers import ANA, OPERATIONS
from tests.support.edge import RunningEdge
from tests.support.processes import ROOT, run

HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"


@dataclass(frozen=True, slots=True)
class Client:
    """An example client, its mode, and the revision that it must agree on with the edge."""

    program: str
    mode: tuple[str, ...]
    revision: str


PYTHON_LEGACY = Client("client.py", ("legacy",), HANDSHAKE)
TYPESCRIPT_PINNED = Client("client.mjs", (STATELESS,), STATELESS)
TYPESCRIPT_V1 = Client("client-v1.mjs", (), HANDSHAKE)

CLIENTS = [
    Client("client.py", ("auto",), STATELESS),
    PYTHON_LEGACY,
    Client("client.py", (STATELESS,), STATELESS),
    Client("client.mjs", ("auto",), STATELESS),
    Client("client.mjs", ("legacy",), HANDSHAKE),
    TYPESCRIPT_PINNED,
    TYPESCRIPT_V1,
]
one_of_each = pytest.mark.parametrize(
    "client",
    [PYTHON_LEGACY, TYPESCRIPT_PINNED, TYPESCRIPT_V1],
    ids=["python", "typescript", "typescript-v1"],
    indirect=True,
)
everyday_one = pytest.mark.parametrize(
    "client",
    [
        pytest.param(PYTHON_LEGACY, marks=pytest.mark.slow),
        TYPESCRIPT_PINNED,
        pytest.param(TYPESCRIPT_V1, marks=pytest.mark.slow),
    ],
    ids=["python", "typescript", "typescript-v1"],
    indirect=True,
)

Use = Callable[..., CompletedProcess[str]]


@pytest.fixture(params=CLIENTS, ids=lambda each: " ".join((each.program, *each.mode)))
def client(request: pytest.FixtureRequest) -> Client:
    """Each client in each of its modes."""
    chosen: Client = request.param
    return chosen


@pytest.fixture
def use(client: Client, edge: RunningEdge, request: pytest.FixtureRequest) -> Use:
    """Run the client: ``use(tool, arguments)``, or with another token."""
    program = command(client, request)

    def start(*given: object, token: str = edge.token) -> CompletedProcess[str]:
        words = [each if isinstance(each, str) else json.dumps(each) for each in given]
        env = {"JELOU_MCP_URL": edge.mcp_url, "JELOU_FUNCTION_TOKEN": token}
        return run([*program, *words], env=env)

    return start


def command(client: Client, request: pytest.FixtureRequest) -> list[str]:
    """Return the words that start a client, with its mode."""
    if client.program.endswith(".py"):
        script = ROOT / "examples" / "mcp-clients" / client.program
        return [sys.executable, str(script), *client.mode]
    node: Path = request.getfixturevalue("node")
    sdks: Path = request.getfixturevalue("sdks")
    return [str(node), str(sdks / client.program), *client.mode]


def seen(done: CompletedProcess[str]) -> dict[str, Any]:
    """Return what a client printed."""
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_lists_the_functions_tools_and_calls_one(client: Client, use: Use) -> None:
    printed = seen(use("getCustomer", {"id": "c1"}))

    assert printed["protocol"] == client.revision
    assert set(printed["tools"]) == OPERATIONS
    assert printed["result"]["structuredContent"] == ANA
    assert json.loads(printed["result"]["content"][0]["text"]) == ANA
    assert not printed["result"].get("isError")


def test_a_handshake_client_gets_a_session_and_may_end_it(
    edge: RunningEdge, node: Path, sdks: Path
) -> None:
    env = {"JELOU_MCP_URL": edge.mcp_url, "JELOU_FUNCTION_TOKEN": edge.token}

    assert seen(run([str(node), str(sdks / "client-v1.mjs")], env=env))["session"] is True


@everyday_one
@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("getCustomer", {"id": "nobody"}, "no customer has the id nobody"),
        ("getCustomer", {"id": "../secret"}, "no customer has the id ../secret"),
        ("getCustomer", {"id": ".."}, "id"),
        ("listCustomers", {"limit": 1000}, "limit"),
        ("getCustomer", {}, "id"),
    ],
)
def test_a_failing_call_is_an_error_that_the_model_can_read(
    use: Use, tool: str, arguments: dict[str, Any], complaint: str
) -> None:
    result = seen(use(tool, arguments))["result"]

    assert result["isError"] is True
    assert complaint in result["content"][0]["text"]
    assert "structuredContent" not in result


@one_of_each
def test_a_streaming_functions_result_is_its_last_event(use: Use) -> None:
    result = seen(use("streamReport", {"pause": 1}))["result"]

    assert not result.get("isError")
    assert '"total"' in result["content"][0]["text"]


@one_of_each
@pytest.mark.parametrize("token", ["malformed", "jfn_rt_" + "0" * 32 + "2Freyo"])
def test_a_client_without_a_good_token_is_refused(use: Use, token: str) -> None:
    done = use(token=token)

    assert done.returncode != 0
    assert done.stdout == ""
