"""Real clients, each held open: they list and call, and notice nothing of an edge that restarts."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import packages
from tests.clients.customers import ANA, OPERATIONS
from tests.clients.driving import Driven, driven
from tests.clients.packages import DRIVERS
from tests.docs.pages import blocks, page
from tests.support.processes import JELOU
from tests.support.restarting_edge import RestartingEdge, restarting_edge

UNKNOWN_TOKEN = "jfn_rt_" + "0" * 32 + "2Freyo"
REFUSED = "401|Server returned an error response|Dynamic Client Registration rejected"
"""What clients say of the 401: the second those on mcp 2.x, the third mcp-remote, which looks for a
sign-in and finds none."""

HANDSHAKE, STATELESS = "legacy", "2026-07-28"


@dataclass(frozen=True, slots=True)
class Client:
    """A driver, the environment that it needs (None: ours), and its arguments."""

    driver: str
    needs: str | None = None
    arguments: tuple[str, ...] = ()
    hears_progress: bool = True
    hears_changes: bool = True

    def __str__(self) -> str:
        return " ".join((self.driver, *self.arguments))


MCP_REMOTE = Client("stdio.py", arguments=("mcp-remote",))
JELOU_STDIO = Client("stdio.py", arguments=("jelou",))
CLIENTS = [
    Client("python_sdk.py", arguments=("auto",)),
    Client("python_sdk.py", arguments=(HANDSHAKE,)),
    Client("python_sdk.py", arguments=(STATELESS,)),
    Client("typescript-v1.mjs"),
    Client("typescript-v2.mjs", arguments=("auto",)),
    Client("typescript-v2.mjs", arguments=(HANDSHAKE,)),
    Client("typescript-v2.mjs", arguments=(STATELESS,)),
    Client("fastmcp_client.py", "fastmcp", ("auto",), hears_changes=False),
    Client("fastmcp_client.py", "fastmcp", (HANDSHAKE,)),
    Client("openai_agents.py", "openai-agents", hears_progress=False, hears_changes=False),
    Client("langchain.py", "langchain", ("each",), hears_changes=False),
    Client("langchain.py", "langchain", ("held",), hears_changes=False),
    Client("pydantic_ai_toolset.py", "pydantic-ai", hears_changes=False),
    MCP_REMOTE,
    JELOU_STDIO,
]
EVERY_DAY = {"python_sdk.py legacy", "typescript-v2.mjs 2026-07-28", "stdio.py jelou"}
"""An SDK of each era and our own bridge; the others, which restart the edge each, are slow."""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartingEdge]:
    """An edge of two workers with the example function deployed."""
    with restarting_edge(tmp_path_factory.mktemp("edge"), workers=2) as running:
        yield running


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, marks=() if str(each) in EVERY_DAY else pytest.mark.slow)
        for each in CLIENTS
    ],
    ids=str,
)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client in each of its modes."""
    chosen: Client = request.param
    return chosen


@pytest.fixture(scope="module")
def using(
    client: Client, edge: RestartingEdge, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driven]:
    """The client, connected; all tests of it go on with the same connection."""
    url, token = edge.deployed.mcp_url, edge.deployed.token
    assert url is not None
    assert token is not None
    home = str(tmp_path_factory.mktemp("home"))
    with driven(command(client, url), url, token, home=home) as running:
        yield running


def command(client: Client, url: str) -> list[str]:
    """Return the words that start a client's driver."""
    match client:
        case Client(driver=driver) if driver.endswith(".mjs"):
            node, folder = packages.or_skip(packages.node), packages.or_skip(packages.sdks)
            return [str(node), str(folder / driver), *client.arguments]
        case Client(needs=str(needs)):
            python = str(packages.or_skip(lambda: packages.python(needs)))
        case _:
            python = sys.executable
    return [python, str(DRIVERS / client.driver), *arguments(client, url)]


def arguments(client: Client, url: str) -> list[str]:
    """Return a driver's arguments: for a bridge, the command that starts it."""
    if client == JELOU_STDIO:
        return [*JELOU, "mcp", "stdio", url]
    if client == MCP_REMOTE:
        node, folder = packages.or_skip(packages.node), packages.installed(packages.TOOLS)
        program, _, *flags = documented_arguments("mcp-remote")
        return [str(node), str(folder / "node_modules" / ".bin" / program), url, *flags]
    return list(client.arguments)


def documented_arguments(program: str) -> list[str]:
    """Return what `docs/clients.md` says to start a bridge with; its second word is the address."""
    (shown,) = (block for block in blocks(page("clients.md")) if f'"{program}"' in block.text)
    (server,) = json.loads(shown.text)["mcpServers"].values()
    words: list[str] = server["args"]
    assert words[0] == program
    return words


def test_a_client_lists_the_functions_tools(using: Driven) -> None:
    assert set(using.tools()) == OPERATIONS


def test_a_client_calls_a_tool(using: Driven) -> None:
    answer = using.call("getCustomer", id="c1")

    assert not answer["failed"]
    assert json.loads(answer["text"]) == ANA


def test_a_client_takes_a_failed_call_for_the_tools_error(using: Driven) -> None:
    answer = using.call("getCustomer", id="nobody")

    assert answer["failed"]
    assert "no customer has the id nobody" in answer["text"]


def test_a_client_hears_how_far_a_streaming_function_is(client: Client, using: Driven) -> None:
    answer = using.call("streamReport", pause=1)

    assert not answer["failed"]
    assert "total" in answer["text"]
    if client.hears_progress:
        assert answer["progress"] == sorted(set(answer["progress"]))
        assert len(answer["progress"]) >= 2


def test_a_client_hears_that_a_deploy_changed_the_tools(
    client: Client, using: Driven, edge: RestartingEdge
) -> None:
    if not client.hears_changes:
        pytest.skip("the client does not listen for changes")
    using.tools()

    edge.describe_a_tool_anew()

    assert using.hears_of_a_change()


def test_a_client_goes_on_after_the_edge_restarted(using: Driven, edge: RestartingEdge) -> None:
    before = using.call("getCustomer", id="c1")

    edge.restart()

    assert using.call("getCustomer", id="c1") == before
    assert set(using.tools()) == OPERATIONS


@pytest.mark.slow
def test_a_client_without_a_good_token_ends_at_once_and_waits_for_no_sign_in(
    client: Client, edge: RestartingEdge, tmp_path: Path
) -> None:
    url = edge.deployed.mcp_url
    assert url is not None
    refused = pytest.raises(AssertionError, match=REFUSED)

    with refused, driven(command(client, url), url, UNKNOWN_TOKEN, home=str(tmp_path)) as using:
        using.tools()  # a client that keeps to the stateless revision has said nothing before
