"""`jelou init`: what it writes is accepted by deploy, and nothing of the user's is replaced."""

import json
from pathlib import Path

import pytest

from edge.cli.scaffold import KINDS, Kind, files
from edge.project_file.parse import parse_project
from tests.edge.cli.conftest import Cli


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("description", ["", 'Says "hi" \\ \n {to} everybody', "Grüßt 👋"])
def test_what_is_written_is_accepted(kind: Kind, description: str) -> None:
    made = files(kind, "my-function", description)
    parsed = parse_project(made["jelou.json"])
    assert parsed.project is not None, parsed.problems
    assert parsed.project.slug == "my-function"
    assert parsed.warnings == ()
    if "index.py" in made:
        compile(made["index.py"], "index.py", "exec")


def test_a_project_is_begun_in_the_directory_named(cli: Cli) -> None:
    said = cli("init", "shop", "--kind", "define").out
    assert said == (
        "✓ Created shop\n"
        "▸ Files    jelou.json, index.py, .gitignore\n"
        "▸ Try it   jelou dev shop\n"
        "▸ Deploy   jelou deploy shop\n"
    )
    assert json.loads(Path("shop/jelou.json").read_text())["entrypoint"] == "index.py"


def test_in_the_working_directory_its_name_is_the_slug(cli: Cli) -> None:
    assert "✓ Created here\n" in cli("functions", "init").out
    assert "▸ Try it   jelou dev\n" in cli("init", "--force").out


@pytest.mark.parametrize("name", ["Ünïcode shop!", "my_function", "a--b-", "admin", "···"])
def test_any_directory_has_a_slug(cli: Cli, name: str) -> None:
    data = cli("init", name, "--json").data
    assert parse_project(Path(name, "jelou.json").read_text()).project is not None
    assert data["files"] == ["jelou.json", "index.py", ".gitignore"]


def test_a_url_is_a_project_of_its_own(cli: Cli) -> None:
    cli("init", "shop", "--url", "http://127.0.0.1:9000/")
    assert json.loads(Path("shop/jelou.json").read_text()) == {
        "$schema": "https://jelou.ai/schemas/jelou.json",
        "function": "shop",
        "upstream": "http://127.0.0.1:9000",
    }


@pytest.mark.parametrize("present", ["jelou.json", "index.py"])
def test_what_is_there_is_not_replaced(cli: Cli, present: str) -> None:
    Path(present).write_text("mine")
    refused = cli("init")
    assert refused.code == 1
    assert f"has {present} already; --force replaces it" in refused.err
    assert Path(present).read_text() == "mine"
    assert [*Path().iterdir()] == [Path(present)]
    assert cli("init", "--force").code == 0
    assert Path(present).read_text() != "mine"


def test_the_files_of_a_repository_stay(cli: Cli) -> None:
    Path(".gitignore").write_text("mine\n")
    assert cli("init").code == 0
    assert Path(".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--slug", "Shop"), "not a slug"),
        (("--slug", "admin"), "reserved"),
        (("--url", "ftp://x"), "not an upstream"),
    ],
)
def test_what_cannot_be_is_refused(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    refused = cli("init", *arguments)
    assert refused.code == 1
    assert says in refused.err
    assert [*Path().iterdir()] == []


def test_a_url_is_of_one_kind(cli: Cli) -> None:
    assert cli("init", "--url", "http://127.0.0.1:9000", "--kind", "app").code == 2


def test_at_a_terminal_it_asks(cli: Cli) -> None:
    shown = cli.terminal("init", answer="shop\ncommand\nSells things\n")
    assert "? Function slug (here): " in shown
    assert "? Kind (define): " in shown
    assert "✓ Created shop" in shown
    made = json.loads(Path("jelou.json").read_text())
    assert (made["function"], made["description"]) == ("shop", "Sells things")
