"""`docs/cli.md` has every command, option, exit code and JSON key of the program, and no other."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from edge.admin.errors import RETRYABLE, STATUSES
from edge.cli import profiles
from edge.cli.context import Session
from edge.cli.functions import ALIASES
from edge.cli.group import global_options
from edge.cli.main import run
from edge.config import SETTINGS
from tests.docs.command_lines import commands, flags
from tests.docs.pages import anchors, codes, only_code, page, prose, rows
from tests.support.documents_origin import BOOKS, origin

PAGE = page("cli.md")
LONGER = {f"functions {name}" for name in ALIASES}
COMMANDS = {name: found for name, found in commands() if " ".join(name.split()[:2]) not in LONGER}
SHARED = {flag for option in global_options() for flag in option.opts} | {"--help"}
OF_SETTINGS = {setting.flag for setting in SETTINGS} | {
    f"--no-{setting.flag[2:]}" for setting in SETTINGS if setting.is_boolean
}


def section(name: str) -> str:
    """What the page says below the heading of a command."""
    return PAGE.partition(f"### `jelou {name}`\n")[2].partition("\n##")[0]


def test_every_command_has_a_section_and_no_other_has() -> None:
    headings = re.findall(r"^### `jelou (.+)`$", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


def test_the_longer_spellings_are_said_once() -> None:
    said = PAGE.partition("longer spellings")[2].partition("\n\n")[0]
    assert set(re.findall(r"`jelou (functions \w+)", said)) == LONGER


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_arguments_are_shown(name: str) -> None:
    command = COMMANDS[name]
    _, *arguments = command.collect_usage_pieces(click.Context(command))
    if arguments:
        assert f"\n`jelou {name} {' '.join(arguments)}`\n" in section(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_options_are_documented_and_no_others(name: str) -> None:
    own = flags(COMMANDS[name]) - SHARED - (OF_SETTINGS if name == "serve" else set())
    spans = codes(prose(section(name)))
    said = {word for span in spans for word in re.findall(r"(?<![\w-])--?[a-z][\w-]*", span)}
    assert own <= said
    assert said - own <= SHARED | ({"--admin"} if name.startswith("access") else set())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_an_example(name: str) -> None:
    assert re.search(rf"^\$ jelou {name}\b", section(name), re.MULTILINE)


def test_the_options_of_every_command_are_documented() -> None:
    table = PAGE.partition("## Every command")[2].partition("| exit code")[0]
    assert {flag for cells in rows(table) for flag in re.findall(r"--?[\w-]+", cells[0])} - {
        "---"
    } == SHARED


def test_the_codes_are_those_of_the_program() -> None:
    table = {only_code(cells[0]): cells[2] for cells in rows(PAGE) if len(cells) == 3}
    told = {code: again for code, again in table.items() if code and code.isupper()}
    assert list(told) == list(STATUSES)
    assert {code for code, again in told.items() if again == "yes"} == RETRYABLE


def test_links_within_the_page_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors(PAGE)


Run = Callable[..., Any]


@pytest.fixture
def program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs a command on a store of its own; returns its exit code and the JSON it printed."""
    environ = {
        "HOME": str(tmp_path),
        "JELOU_BIND": "127.0.0.1:0",
        "JELOU_DATA_DIR": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    monkeypatch.chdir(tmp_path)
    both = tuple(profiles.Profile(name, f"https://{name}.example", "t") for name in ("a", "b"))
    profiles.save(profiles.location(environ), profiles.Logins(both, "a"))

    def start(*words: str, stdin: str = "") -> tuple[int, Any]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            code = run([*words, "--json", "-y"], Session(environ))
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, json.loads(capsys.readouterr().out)

    return start


@pytest.fixture
def upstream() -> Iterator[str]:
    """The address of a function with a document."""
    with origin() as served:
        served.serve("/openapi.json", BOOKS)
        yield served.url


def test_the_json_of_every_command_has_the_keys_that_are_documented(
    program: Run, upstream: str
) -> None:
    told = {
        str(only_code(cells[0])).removeprefix("jelou "): cells[1]
        for cells in rows(PAGE)
        if len(cells) == 2 and "`, `" in cells[1] + "`, `" and cells[0].startswith("`jelou ")
    }
    seen = {}

    def note(name: str, *words: str, stdin: str = "") -> Any:
        code, answer = program(*name.split(), *words, stdin=stdin)
        assert (code, answer["ok"]) == (0, True), answer
        data = answer["data"]
        is_list = isinstance(data, list)
        seen[name] = ("of each: " if is_list else "") + ", ".join(
            f"`{key}`" for key in (data[0] if is_list else data)
        )
        return data

    first = note("deploy", upstream, "--slug", "books")["id"]
    cron = {"cron": [{"expression": "0 9 * * *"}]}
    project = {"function": "books", "upstream": upstream, "description": "another", "config": cron}
    Path("jelou.json").write_text(json.dumps(project))
    note("deploy")
    note("functions list")
    note("functions info", "books")
    note("functions rotate-secret", "books")
    note("cron list", "books")
    note("deployments list")
    note("deployments info", "books", first)
    note("deployments download", "books", first)
    note("rollback")
    secret = note("tokens create", "books", "--name", "ci")["token"]
    note("tokens list")
    note("tokens check", "-", stdin=secret)
    note("tokens rotate", "books", "ci")
    note("tokens revoke", "books", "ci")
    note("secrets set", "books", "A=1")
    note("secrets list", "books")
    note("secrets rotate-key")
    note("secrets delete", "books", "A")
    note("mcp config", "books", "--client", "cursor")
    note("mcp rotate-keys")
    note("access create", "--name", "laptop")
    note("access list")
    note("access revoke", "laptop")
    note("audit")
    note("status")
    note("doctor")
    note("backup", "edge.tar")
    note("restore", "edge.tar")
    note("whoami")
    note("functions delete", "books")
    note("auth list")
    note("auth switch", "b")
    note("auth remove", "a")
    note("logout")
    note("completion", "bash")
    assert seen == told


FAILURES = [
    (["functions", "info", "nope"], 1, "NOT_FOUND"),
    (["deploy", "nowhere"], 1, "MISSING_FUNCTIONS_PROJECT"),
    (["deploy", "ftp://nowhere", "--slug", "x"], 2, "INPUT_ERROR"),
    (["functions", "list", "--edge", "https://edge.example"], 1, "MISSING_AUTH"),
    (["tokens", "create"], 2, "INPUT_ERROR"),
]


@pytest.mark.parametrize(("words", "exit_code", "code"), FAILURES)
def test_failures_have_the_documented_exit_codes_and_shape(
    program: Run, words: list[str], exit_code: int, code: str
) -> None:
    ended, answer = program(*words)
    assert (ended, answer["ok"], answer["error"]["code"]) == (exit_code, False, code)
    assert answer["error"].keys() == {"code", "message"}
