"""`jelou functions`, `deployments` and `rollback`."""

import json
import re
from pathlib import Path

import pytest

from tests.edge.cli.conftest import Cli
from tests.support.documents_origin import BOOKS, Origin


@pytest.fixture
def deployed(cli: Cli, project: Path) -> list[str]:
    """The ids of two deployments of my-function, oldest first."""
    first = cli("deploy", "--json").data["id"]
    file = json.loads((project / "jelou.json").read_text())
    (project / "jelou.json").write_text(json.dumps({**file, "description": "Finds books"}))
    return [first, cli("deploy", "--json").data["id"]]


def test_functions_are_listed_and_shown(cli: Cli, deployed: list[str]) -> None:
    header, row = cli("functions", "list").out.splitlines()
    assert header.startswith("▸ Slug")
    assert row.startswith("▸ my-function   http://127.0.0.1:8080/my-function   " + deployed[1])
    shown = cli("functions", "info", "my-function").out
    for part in ("Finds books", "listBooks", deployed[1], "http://127.0.0.1:8080/my-function/mcp"):
        assert part in shown
    data = cli("functions", "info", "my-function", "--json").data
    assert re.search(rf"▸ Tools digest +{data['toolsDigest']}\n", shown)
    assert (data["deployment"], data["tokens"], data["public"]) == (deployed[1], 1, False)


def test_a_document_cannot_speak_to_the_terminal(cli: Cli, project: Path, function: Origin) -> None:
    get = {"operationId": "evil", "summary": "\x1b]0;owned\x07\x9b31m\u202egpj", "responses": {}}
    function.serve("/openapi.json", {**BOOKS, "paths": {"/x": {"get": get}}})
    cli("deploy")
    shown = cli("functions", "info", "my-function").out
    assert "evil" in shown
    assert not set("\x1b\x07\x9b\u202e") & set(shown)


def test_deleting_asks_and_ends_the_tokens(cli: Cli, deployed: list[str]) -> None:
    refused = cli("functions", "delete", "my-function")
    assert refused.code == 1
    assert "Delete my-function and end its 1 token for good?" in refused.err
    outcome = cli("functions", "delete", "my-function", "-y")
    assert outcome.out == "✓ Deleted my-function; 1 token ended\n"
    assert cli("functions", "list", "--json").data == []
    assert cli("functions", "delete", "my-function", "-y", "--json").error["code"] == "NOT_FOUND"


def test_deployments_are_listed_newest_first(cli: Cli, deployed: list[str]) -> None:
    data = cli("deployments", "list", "--json").data
    assert [d["id"] for d in data] == deployed[::-1]
    assert [d["live"] for d in data] == [True, False]
    lines = cli("deployments", "list", "my-function").out.splitlines()
    assert re.split(r"\s{3,}", lines[0]) == ["▸ Id", "Created", "Origin", "State"]
    assert lines[1].endswith("live")
    assert deployed[0] in cli("deployments", "info", "my-function", deployed[0]).out


def test_a_deployment_is_downloaded_and_replaces_no_file(
    cli: Cli, deployed: list[str], project: Path
) -> None:
    outcome = cli("deployments", "download", "my-function", deployed[1])
    assert outcome.code == 0
    directory = project / f"my-function-{deployed[1]}"
    assert json.loads((directory / "openapi.json").read_text()) == BOOKS
    assert json.loads((directory / "jelou.json").read_text())["description"] == "Finds books"
    again = cli("deployments", "download", "my-function", deployed[1])
    assert (again.code, again.out) == (1, "")
    assert "exists already" in again.err
    assert cli("deployments", "download", "my-function", deployed[0], "-o", "x").code == 0
    assert (project / "x" / "jelou.json").exists()


@pytest.mark.parametrize("named", [True, False])
def test_rollback_says_what_it_restores(cli: Cli, deployed: list[str], named: bool) -> None:
    words = ["rollback", "my-function", *([deployed[0]] if named else [])]
    *lines, last = cli(*words).out.splitlines()
    live = cli("functions", "info", "my-function", "--json").data
    assert lines == [
        f"✓ Rolled back to {deployed[0]}",
        "▸ URL: http://127.0.0.1:8080/my-function",
        "⚠ Instructions changed: what agents are told about the function as a whole",
        f"▸ Tools digest: {live['toolsDigest']}",
    ]
    assert "code runs elsewhere" in last
    assert live["deployment"] == deployed[0]


def test_rollback_says_which_tools_it_changes_as_a_deploy_does(
    cli: Cli, project: Path, function: Origin
) -> None:
    first = cli("deploy", "--json").data["toolsDigest"]
    paths = {"/new": {"get": {"operationId": "new"}}}
    function.serve("/openapi.json", {**BOOKS, "paths": paths})
    deployed = cli("deploy", "--json").data
    lines = cli("rollback").out.splitlines()
    assert lines[2:-1] == [
        f"⚠ Tools added: {', '.join(deployed['toolChanges']['removed'])}",
        "⚠ Tools removed: new",
        f"▸ Tools digest: {first}",
    ]
    data = cli("rollback", "my-function", deployed["id"], "--json").data
    assert data["toolChanges"] == deployed["toolChanges"]
    assert data["toolsDigest"] == deployed["toolsDigest"]


def test_there_is_nothing_before_the_first(cli: Cli, deployed: list[str]) -> None:
    cli("rollback")
    outcome = cli("rollback", "--json")
    assert outcome.code == 1
    assert "no deployment before the live one" in outcome.error["message"]
    assert cli("rollback", "my-function", "dep_x", "--json").error["code"] == "NOT_FOUND"
