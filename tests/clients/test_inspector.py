"""The MCP Inspector's command line finds nothing to complain about."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.edge import RunningEdge
from tests.support.processes import run

AUTH_REQUIRED = 3  # the Inspector's exit status for an HTTP 401
TOOL_FAILED = 5  # and for a result that is an error

Inspect = Callable[..., CompletedProcess[str]]


@pytest.fixture
def inspect(edge: RunningEdge, node: Path, tools: Path, tmp_path: Path) -> Inspect:
    """Run the Inspector against the function: ``inspect("--method", "tools/list")``."""
    inspector = tools / "node_modules" / ".bin" / "mcp-inspector"
    path = {"PATH": f"{node.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}

    def start(*flags: str, token: str = edge.token) -> CompletedProcess[str]:
        header = f"X-Jelou-Token: {token}"
        target = [edge.mcp_url, "--transport", "http", "--stored-auth-only", "--header", header]
        words = [str(node), str(inspector), "--cli", *target, *flags, "-q", "--format", "json"]
        return run(words, env=path)

    return start


ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


@ERAS
def test_every_tools_schema_is_portable(inspect: Inspect, era: str) -> None:
    done = inspect("--protocol-era", era, "--method", "tools/list", "--strict")

    assert done.returncode == 0, done.stderr
    tools = json.loads(done.stdout)["result"]["tools"]
    assert "getCustomer" in [tool["name"] for tool in tools]


@ERAS
def test_a_tool_is_called(inspect: Inspect, era: str) -> None:
    call = ("--method", "tools/call", "--tool-name", "getCustomer", "--tool-arg", "id=c1")

    done = inspect("--protocol-era", era, *call)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["structuredContent"]["name"] == "Ana Torres"


def test_a_failing_call_is_the_tools_failure_not_the_connections(inspect: Inspect) -> None:
    call = ("--method", "tools/call", "--tool-name", "getCustomer", "--tool-arg", "id=nobody")

    done = inspect(*call)

    assert done.returncode == TOOL_FAILED
    assert "no customer has the id nobody" in done.stdout


def test_a_call_without_a_good_token_is_told_so(inspect: Inspect) -> None:
    done = inspect("--method", "tools/list", token="jfn_rt_" + "0" * 32 + "2Freyo")

    assert done.returncode == AUTH_REQUIRED
    assert "Missing or invalid X-Jelou-Token header" in done.stderr


def test_a_burst_of_calls_all_succeed(inspect: Inspect) -> None:
    call = ("--method", "tools/call", "--tool-name", "getCustomer", "--tool-arg", "id=c1")

    done = inspect(*call, "--load", "--load-requests", "40", "--load-concurrency", "8")

    assert done.returncode == 0, done.stderr
