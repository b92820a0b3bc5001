"""What each client is told: it parses, it holds the header, and secrets only where asked for."""

import json
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edge.snippets import CLIENTS, TOKENLESS, Wanted
from tests.edge.cli.conftest import Cli

URL = "https://books.fn.example/mcp"
TOKEN = "jfn_rt_" + "0" * 32 + "2Freyo"


def snippet(client: str, token: str | None = None) -> Any:
    return CLIENTS[client](Wanted("books", URL, token, "/opt/bin/jelou"))


def data_of(text: str, environ: dict[str, str]) -> Any:
    """The JSON body that a shell would send with a curl command."""
    script = text.replace("curl ", "printf '%s\\0' ", 1)
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=environ, check=True)
    words = done.stdout.decode().split("\0")
    return json.loads(words[words.index("-d") + 1])


def test_there_are_the_ten_clients_of_the_contract() -> None:
    assert set(CLIENTS) == {
        *("brain-studio", "claude-code", "claude-desktop", "claude-ai", "claude-api"),
        *("cursor", "vscode", "codex", "openai-api", "chatgpt"),
    }


@pytest.mark.parametrize("client", sorted(set(CLIENTS) - TOKENLESS))
def test_the_token_and_the_address_are_in_the_snippet(client: str) -> None:
    text = snippet(client, TOKEN).text
    assert URL in text
    assert TOKEN in text
    assert "JELOU_FUNCTION_TOKEN}" not in text


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_without_a_token_the_snippet_says_where_it_goes_or_what_to_do(client: str) -> None:
    made = snippet(client)
    assert TOKEN not in made.text
    assert made.where
    assert made.sends_header is (client not in ("claude-ai", "claude-api", "chatgpt"))


def test_cursor_reads_the_environment() -> None:
    server = json.loads(snippet("cursor").text)["mcpServers"]["books"]
    assert server == {"url": URL, "headers": {"X-Jelou-Token": "${env:JELOU_FUNCTION_TOKEN}"}}


def test_claude_code_reads_the_environment_from_its_file_and_takes_a_token_by_command() -> None:
    server = json.loads(snippet("claude-code").text)["mcpServers"]["books"]
    assert server["type"] == "http"
    assert server["headers"] == {"X-Jelou-Token": "${JELOU_FUNCTION_TOKEN}"}
    assert shlex.split(snippet("claude-code", TOKEN).text) == [
        *("claude", "mcp", "add", "--transport", "http", "books", URL),
        *("--header", f"X-Jelou-Token: {TOKEN}"),
    ]


def test_claude_desktop_starts_the_bridge() -> None:
    server = json.loads(snippet("claude-desktop", TOKEN).text)["mcpServers"]["books"]
    assert server == {
        "command": "/opt/bin/jelou",
        "args": ["mcp", "stdio", URL],
        "env": {"JELOU_FUNCTION_TOKEN": TOKEN},
    }


def test_vscode_asks_for_the_token() -> None:
    value = json.loads(snippet("vscode").text)
    (asked,) = value["inputs"]
    assert asked["password"] is True
    server = value["servers"]["books"]
    assert server["type"] == "http"
    assert server["headers"] == {"X-Jelou-Token": f"${{input:{asked['id']}}}"}
    assert "inputs" not in json.loads(snippet("vscode", TOKEN).text)


def test_codex_names_the_variable() -> None:
    server = tomllib.loads(snippet("codex").text)["mcp_servers"]["books"]
    assert server == {
        "url": URL,
        "env_http_headers": {"X-Jelou-Token": "JELOU_FUNCTION_TOKEN"},
    }
    server = tomllib.loads(snippet("codex", TOKEN).text)["mcp_servers"]["books"]
    assert server == {"url": URL, "http_headers": {"X-Jelou-Token": TOKEN}}


@pytest.mark.parametrize("token", [None, TOKEN])
def test_the_openai_api_is_sent_the_header(token: str | None) -> None:
    environ = {"JELOU_FUNCTION_TOKEN": TOKEN}
    (tool,) = data_of(snippet("openai-api", token).text, environ)["tools"]
    assert tool["type"] == "mcp"
    assert tool["server_url"] == URL
    assert tool["headers"] == {"X-Jelou-Token": TOKEN}


@pytest.mark.parametrize("token", [None, TOKEN])
def test_the_claude_api_is_told_how_to_get_round_its_one_header(token: str | None) -> None:
    made = snippet("claude-api", token)
    body = data_of(made.text, {"JELOU_FUNCTION_TOKEN": TOKEN})
    (server,) = body["mcp_servers"]
    assert (server["url"], server["authorization_token"]) == (URL, TOKEN)
    assert body["tools"] == [{"type": "mcp_toolset", "mcp_server_name": server["name"]}]
    assert "acceptTokensIn" in made.notes[0]


@pytest.mark.parametrize("client", sorted(TOKENLESS))
def test_a_client_without_a_header_says_so_and_names_ways_round(client: str) -> None:
    text = snippet(client).text
    assert "no" in text
    assert "Ways round:" in text
    assert "jelou mcp config books --client" in text


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_snippet_for_every_function_speaks_of_the_edge_and_of_no_function(client: str) -> None:
    made = CLIENTS[client](Wanted(None, "https://edge.example/mcp", None, "/opt/bin/jelou"))
    told = "\n".join((made.text, *made.notes))
    assert "https://edge.example/mcp" in told or "mcp config --all" in told
    assert '"config"' not in told


def test_every_function_is_one_server_at_the_edges_own_address(cli: Cli, project: Path) -> None:
    cli("deploy")
    words = ("mcp", "config", "--all", "--client", "cursor", "--create-token", "agent", "--json")
    data = cli(*words).data
    server = json.loads(data["snippet"])["mcpServers"]["jelou-edge"]
    assert server["url"] == "http://127.0.0.1:8080/mcp"
    assert cli("tokens", "check", "-", "--json", stdin=data["token"]).data["function"] == "*"
    for wrong in (("config",), ("config", "my-function", "--all")):
        assert cli("mcp", *wrong, "--client", "cursor").code == 2


def test_the_snippet_alone_goes_to_stdout(cli: Cli, project: Path) -> None:
    cli("deploy")
    outcome = cli("mcp", "config", "my-function", "--client", "cursor")
    server = json.loads(outcome.out)["mcpServers"]["my-function"]
    assert server["url"] == "http://127.0.0.1:8080/my-function/mcp"
    assert "~/.cursor/mcp.json" in outcome.err


def test_a_token_is_made_for_the_client(cli: Cli, project: Path) -> None:
    cli("deploy")
    words = ("mcp", "config", "my-function", "--create-token", "cursor", "--json", "--client")
    data = cli(*words, "cursor").data
    assert data["token"] in data["snippet"]
    assert cli("tokens", "check", "-", stdin=data["token"]).code == 0
    assert cli(*words, "chatgpt").data["token"] is None
    names = [token["name"] for token in cli("tokens", "list", "--json").data]
    assert names == ["default", "cursor"]


def test_a_function_without_mcp_has_nothing_to_connect_to(cli: Cli, project: Path) -> None:
    file = json.loads((project / "jelou.json").read_text())
    (project / "jelou.json").write_text(json.dumps({**file, "config": {"mcp": False}}))
    cli("deploy")
    assert '"mcp": false' in cli("mcp", "config", "my-function", "--client", "cursor").err
    assert cli("mcp", "config", "my-function", "--client", "emacs").code == 2
